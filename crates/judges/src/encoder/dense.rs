//! An affine map and what follows it.

use burn::tensor::Tensor;
use secateur_model::matrix::Matrix;

use super::elementwise::{Activation, finish};
use crate::error::JudgeError;

/// `x Wᵀ + b`.
#[derive(Debug, Clone)]
pub struct Dense {
    /// `[outputs, inputs]`, where it lies in the mapped file on the CPU device.
    pub weight: Matrix,
    /// `[outputs]`.
    pub bias: Option<Tensor<1>>,
    /// Whether products are f32 tensors of the flex backend.
    pub host: bool,
}

impl Dense {
    /// `[tokens, inputs]` → `[tokens, outputs]`.
    ///
    /// # Errors
    /// If a tensor is not on the device of the weights.
    pub fn apply(&self, x: Tensor<2>) -> Result<Tensor<2>, JudgeError> {
        self.then(x, 1.0, None)
    }

    /// `activation((x Wᵀ + b) · scale)`.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn then(&self, x: Tensor<2>, scale: f64, activation: Option<Activation>) -> Result<Tensor<2>, JudgeError> {
        finish(self.weight.apply(x), self.bias.as_ref(), scale, activation, self.host)
    }
}
