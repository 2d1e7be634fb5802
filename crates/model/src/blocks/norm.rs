//! Root-mean-square normalisation.

use burn::tensor::Tensor;

/// `x / sqrt(mean(x²) + ε) · weight`, over the last dimension (Zhang and Sennrich, <https://arxiv.org/abs/1910.07467>).
#[derive(Debug, Clone)]
pub struct RmsNorm {
    /// `[width]`.
    pub weight: Tensor<1>,
    /// Added to the mean square.
    pub epsilon: f64,
}

impl RmsNorm {
    /// Normalises the last dimension.
    #[must_use]
    pub fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mean_square = x.clone().square().mean_dim(D - 1);
        let scale = mean_square.add_scalar(self.epsilon).sqrt().recip();
        x * scale * self.weight.clone().unsqueeze()
    }
}
