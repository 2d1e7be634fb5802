//! How products are computed, as the command line says it.

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
        let precision = match self {
            Self::Exact => Precision::F32,
            Self::Fast => Precision::Fast,
        };
        Ok(Device::open(kind, precision)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fast_is_of_the_cpu_kernels() {
        for arithmetic in [Arithmetic::Exact, Arithmetic::Fast] {
            assert!(arithmetic.open(DeviceKind::Cpu).is_ok());
        }
        let message = Arithmetic::Fast.open(DeviceKind::Wgpu).unwrap_err().to_string();
        assert!(message.contains("fast") && message.contains("wgpu"), "{message}");
    }
}
