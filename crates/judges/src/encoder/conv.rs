//! The convolution beside the first layer of DeBERTa-v2-xlarge: neighbours see each other before attention mixes all.

use burn::tensor::Tensor;

use super::batch::Run;
use super::elementwise::{Activation, finish};
use super::norm::Norm;
use crate::error::JudgeError;

/// `norm(y + activation(conv(x)))`: `x` are the embeddings, `y` is what the first layer made of them.
#[derive(Debug, Clone)]
pub struct Convolution {
    /// `[taps · hidden, hidden]`: tap by tap, inputs × outputs.
    pub weight: Tensor<2>,
    /// `[hidden]`.
    pub bias: Tensor<1>,
    /// Number of neighbours, itself included; odd.
    pub taps: usize,
    /// Follows the convolution.
    pub activation: Activation,
    /// Follows the sum.
    pub norm: Norm,
}

impl Convolution {
    /// Each sequence alone, zeros beyond its ends.
    ///
    /// # Errors
    /// If a tensor is not on the device of the weights.
    pub fn apply(&self, x: &Tensor<2>, y: Tensor<2>, runs: &[Run]) -> Result<Tensor<2>, JudgeError> {
        let hidden = x.dims()[1];
        let side = self.taps / 2;
        let rows: Vec<Tensor<2>> = runs
            .iter()
            .map(|run| {
                let own = x.clone().narrow(0, run.first, run.sequences * run.length);
                let own: Tensor<3> = own.reshape([run.sequences, run.length, hidden]);
                let beyond: Tensor<3> = own.zeros_like().narrow(1, 0, 1).repeat_dim(1, side);
                let padded = Tensor::cat(vec![beyond.clone(), own, beyond], 1);
                let taps = (0..self.taps).map(|tap| padded.clone().narrow(1, tap, run.length));
                let taps: Tensor<3> = Tensor::cat(taps.collect(), 2);
                taps.reshape([run.sequences * run.length, self.taps * hidden])
            })
            .collect();
        let mapped = Tensor::cat(rows, 0).matmul(self.weight.clone());
        let out = finish(mapped, Some(&self.bias), 1.0, Some(self.activation), self.norm.host)?;
        self.norm.of_sum(y, out)
    }
}
