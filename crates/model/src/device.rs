//! Where arithmetic runs, and in which precision.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{DType, Device as BurnDevice};
use serde::{Deserialize, Serialize};

use crate::error::ModelError;

/// The devices a build can know. Which of them are compiled in is decided by cargo features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// burn-flex with Secateur's own kernels for half-precision weights. The default.
    Cpu,
    /// burn-ndarray, f32 only, for comparison.
    Ndarray,
    /// burn-wgpu: Vulkan, Metal or DirectX.
    Wgpu,
}

impl DeviceKind {
    /// All, the default first.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Ndarray, Self::Wgpu];

    /// The name used on the command line and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DeviceKind {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| ModelError::Device {
                device: name.to_owned(),
                reason: "unknown device; expected `cpu`, `ndarray` or `wgpu`".to_owned(),
            })
    }
}

/// Precision of arithmetic and activations; weights stay in the checkpoint's dtype where the device can read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// What evaluation runs in.
    #[default]
    F32,
    /// As f32, but activations are rounded to bf16 where they are multiplied with weights: what inference in bf16 does elsewhere. cpu only.
    Fast,
    /// For comparing with references to the last digit; cpu and ndarray only.
    F64,
}

impl Precision {
    /// The name used on the command line and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Fast => "fast",
            Self::F64 => "f64",
        }
    }

    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::F32 | Self::Fast => DType::F32,
            Self::F64 => DType::F64,
        }
    }

    /// How the CPU kernels multiply.
    pub(crate) fn of_products(self) -> secateur_kernels::Precision {
        match self {
            Self::F32 | Self::F64 => secateur_kernels::Precision::Exact,
            Self::Fast => secateur_kernels::Precision::Fast,
        }
    }
}

/// Times that values were copied from a device.
static READS: AtomicU64 = AtomicU64::new(0);

/// Counts one.
pub(crate) fn count_read() {
    READS.fetch_add(1, Ordering::Relaxed);
}

/// An opened device with the precision of its arithmetic.
#[derive(Debug, Clone)]
pub struct Device {
    kind: DeviceKind,
    precision: Precision,
    burn: BurnDevice,
    description: String,
    binding_limit: Option<usize>,
}

impl Device {
    /// Opens a device.
    ///
    /// # Errors
    /// If the build does not contain it, no adapter is found, or it cannot compute in `precision`.
    pub fn open(kind: DeviceKind, precision: Precision) -> Result<Self, ModelError> {
        if precision == Precision::Fast && kind != DeviceKind::Cpu {
            return Err(ModelError::Device {
                device: kind.name().to_owned(),
                reason: "cannot compute in fast, which is a precision of the CPU kernels; use --device cpu or f32"
                    .to_owned(),
            });
        }
        let (burn, description) = match kind {
            DeviceKind::Cpu => (BurnDevice::flex(), "burn-flex".to_owned()),
            DeviceKind::Ndarray => open_ndarray()?,
            DeviceKind::Wgpu => open_wgpu()?,
        };
        if !burn.supports_dtype(precision.dtype()) {
            return Err(ModelError::Device {
                device: kind.name().to_owned(),
                reason: format!("cannot compute in {}; use --device cpu", precision.name()),
            });
        }
        Ok(Self {
            kind,
            precision,
            burn,
            description,
            binding_limit: None,
        })
    }

    /// The same device, binding at most so many bytes at once of weights, and of activations of feed-forward blocks, where the adapter would
    /// allow more; a row of a matrix or a token is never divided, and blocks whose states would take more compute on the host. Says something on wgpu
    /// alone.
    #[must_use]
    pub fn with_binding_limit(self, bytes: usize) -> Self {
        Self {
            binding_limit: Some(bytes),
            ..self
        }
    }

    /// How often values were copied to the host so far, by all models of this process: on an adapter each copy waits for all that was
    /// asked of it before. On the CPU they are counted too.
    #[must_use]
    pub fn reads() -> u64 {
        READS.load(Ordering::Relaxed)
    }

    /// The same device, recording operations for differentiation. Used to train the demo models.
    #[must_use]
    pub fn autodiff(self) -> Self {
        Self {
            burn: self.burn.autodiff(),
            ..self
        }
    }

    /// Which device this is.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// Precision of arithmetic.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Backend and adapter in words.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The burn device underneath.
    #[must_use]
    pub fn burn(&self) -> &BurnDevice {
        &self.burn
    }

    /// The limit set by [`Device::with_binding_limit`].
    #[must_use]
    pub fn binding_limit(&self) -> Option<usize> {
        self.binding_limit
    }

    /// Tokens of which an adapter can bind `width` values of f32 each at once, at least one; any number on other devices.
    pub(crate) fn tokens_at_once(&self, width: usize) -> usize {
        tokens_within(self.binding().0, width).max(1)
    }

    /// The same of activations that are never divided, whatever [`Device::with_binding_limit`] says; none if one token takes too much.
    pub(crate) fn most_tokens(&self, width: usize) -> usize {
        tokens_within(self.binding().1, width)
    }

    /// Bytes that can be bound at once, as the device was told and as the adapter says.
    fn binding(&self) -> (usize, usize) {
        #[cfg(feature = "wgpu")]
        if self.kind == DeviceKind::Wgpu {
            let adapter = crate::gpu::Adapter::of(self);
            return (adapter.binding, adapter.largest);
        }
        (usize::MAX, usize::MAX)
    }

    pub(crate) fn options(&self) -> (&BurnDevice, DType) {
        (&self.burn, self.precision.dtype())
    }
}

/// Rows of so many f32 in so many bytes.
fn tokens_within(bytes: usize, width: usize) -> usize {
    bytes / size_of::<f32>() / width.max(1)
}

#[cfg(feature = "ndarray")]
// Kept as a second implementation to compare with for as long as burn has it.
#[allow(clippy::unnecessary_wraps, deprecated)]
fn open_ndarray() -> Result<(BurnDevice, String), ModelError> {
    Ok((BurnDevice::ndarray(), "burn-ndarray".to_owned()))
}

#[cfg(not(feature = "ndarray"))]
fn open_ndarray() -> Result<(BurnDevice, String), ModelError> {
    Err(not_compiled("ndarray"))
}

#[cfg(feature = "wgpu")]
fn open_wgpu() -> Result<(BurnDevice, String), ModelError> {
    crate::wgpu::open()
}

#[cfg(not(feature = "wgpu"))]
fn open_wgpu() -> Result<(BurnDevice, String), ModelError> {
    Err(not_compiled("wgpu"))
}

#[cfg(not(all(feature = "ndarray", feature = "wgpu")))]
fn not_compiled(feature: &str) -> ModelError {
    ModelError::Device {
        device: feature.to_owned(),
        reason: format!("this build does not contain it; build with `--features {feature}`"),
    }
}
