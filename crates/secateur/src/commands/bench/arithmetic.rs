//! How products are computed, as the command line says it.

use anyhow::bail;
use clap::ValueEnum;
use secateur_model::{Device, DeviceKind, Precision};

/// How a product of activations and weights is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arithmetic {
    /// To f32 accuracy: what sweeps and reference values are computed with.
    Exact,
    /// Activations rounded to bf16.
    Fast,
}

impl Arithmetic {
    /// Name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Fast => "fast",
        }
    }

    /// The device that computes so.
    pub fn open(self, kind: DeviceKind) -> anyhow::Result<Device> {
        match self {
            Self::Exact => Ok(Device::open(kind, Precision::F32)?),
            Self::Fast => bail!(
                "--precision fast: this build has no kernels for it on `{kind}`; leave it out, and products are computed as `exact`"
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernels_lack_is_refused() {
        assert!(Arithmetic::Exact.open(DeviceKind::Cpu).is_ok());
        let message = Arithmetic::Fast.open(DeviceKind::Cpu).unwrap_err().to_string();
        assert!(
            message.contains("--precision fast") && message.contains("`cpu`"),
            "{message}"
        );
    }
}
