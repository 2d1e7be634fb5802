//! An affine map.

use burn::tensor::Tensor;

use crate::matrix::Matrix;

/// `x Wᵀ + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: Matrix,
    /// `[outputs]`.
    pub bias: Option<Tensor<1>>,
}

impl Linear {
    /// `[tokens, inputs]` → `[tokens, outputs]`.
    #[must_use]
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let y = self.weight.apply(x);
        match &self.bias {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        }
    }
}

/// `down(silu(gate x) · up x)`.
#[derive(Debug, Clone)]
pub struct GatedMlp {
    /// `[intermediate, hidden]`.
    pub gate: Matrix,
    /// `[intermediate, hidden]`.
    pub up: Matrix,
    /// `[hidden, intermediate]`.
    pub down: Matrix,
}

impl GatedMlp {
    /// `[tokens, hidden]` → `[tokens, hidden]`.
    #[must_use]
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let gate = burn::tensor::activation::silu(self.gate.apply(x.clone()));
        self.down.apply(gate * self.up.apply(x))
    }
}
