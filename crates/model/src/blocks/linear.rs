//! An affine map.

use burn::tensor::Tensor;

use crate::error::ModelError;
use crate::matrix::Matrix;
use crate::weights::WeightSource;

/// `x Wᵀ + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: Matrix,
    /// `[outputs]`.
    pub bias: Option<Tensor<1>>,
}

impl Linear {
    /// Reads `{name}.weight` and, if it has one, `{name}.bias`.
    ///
    /// # Errors
    /// If a tensor is missing.
    pub fn new(
        weights: &dyn WeightSource,
        name: &str,
        [outputs, inputs]: [usize; 2],
        bias: bool,
    ) -> Result<Self, ModelError> {
        let bias = if bias {
            Some(weights.vector(&format!("{name}.bias"), outputs)?)
        } else {
            None
        };
        Ok(Self {
            weight: weights.matrix(&format!("{name}.weight"), [outputs, inputs])?,
            bias,
        })
    }

    /// `[tokens, inputs]` → `[tokens, outputs]`.
    #[must_use]
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let y = self.weight.apply(x);
        match &self.bias {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        }
    }

    /// [`Linear::apply`] of several maps of the same `x`, side by side where the CPU kernels compute.
    #[must_use]
    pub fn apply_each<const N: usize>(maps: [&Self; N], x: Tensor<2>) -> [Tensor<2>; N] {
        let products = Matrix::apply_each(maps.map(|map| &map.weight), x);
        let mut biases = maps.iter().map(|map| &map.bias);
        products.map(|y| match biases.next().and_then(Option::as_ref) {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        })
    }
}
