//! Norms as data.

use serde::Serialize;

/// A norm; every one of a model says its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NormSpec {
    /// What is computed.
    pub kind: NormKind,
    /// Added to the mean square or the variance.
    pub epsilon: f64,
}

/// Kinds of norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NormKind {
    /// `x / rms(x) · w`.
    Rms,
    /// `x / rms(x) · (1 + w)`.
    RmsZeroCentred,
    /// `x / rms(x)`: no tensor.
    RmsPlain,
    /// `(x − mean) / deviation · w + b`.
    Layer,
}

/// Where a step's norm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NormPlacement {
    /// `x + block(norm(x))`.
    Before,
    /// `x + norm(block(x))`.
    After,
}

impl NormSpec {
    /// A root-mean-square norm.
    #[must_use]
    pub fn rms(epsilon: f64) -> Self {
        Self {
            kind: NormKind::Rms,
            epsilon,
        }
    }
}
