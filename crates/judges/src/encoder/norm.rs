//! Normalisation of each token's vector, together with the addition before it.

use burn::backend::flex::{Flex, FlexTensor};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::elementwise::{on_host, owned};
use crate::error::JudgeError;

/// Tokens that one thread works on at a time.
const ROWS: usize = 32;
/// Running sums that a vector is added up in, so that they can be kept in one register.
const LANES: usize = 16;

/// Layer norm (<https://arxiv.org/abs/1607.06450>), or the root-mean-square norm
/// (<https://arxiv.org/abs/1910.07467>) where it has no bias.
#[derive(Debug, Clone)]
pub struct Norm {
    /// `[width]`.
    pub weight: Tensor<1>,
    /// `[width]`; `None` for a root-mean-square norm, which does not subtract the mean.
    pub bias: Option<Tensor<1>>,
    /// Added to the mean square.
    pub epsilon: f64,
    /// Whether tensors are f32 ones of the flex backend.
    pub host: bool,
}

impl Norm {
    /// Normalises `[tokens, width]`.
    ///
    /// # Errors
    /// If a tensor is not on the device of the weights.
    pub fn apply(&self, x: Tensor<2>) -> Result<Tensor<2>, JudgeError> {
        self.run(x, None)
    }

    /// Normalises `x + y`.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn of_sum(&self, x: Tensor<2>, y: Tensor<2>) -> Result<Tensor<2>, JudgeError> {
        self.run(x, Some(y))
    }

    fn run(&self, x: Tensor<2>, y: Option<Tensor<2>>) -> Result<Tensor<2>, JudgeError> {
        if self.host {
            return self.run_on_host(x, y);
        }
        let x = match y {
            Some(y) => x + y,
            None => x,
        };
        let x = if self.bias.is_some() {
            x.clone() - x.mean_dim(1)
        } else {
            x
        };
        let scale = x.clone().square().mean_dim(1).add_scalar(self.epsilon).sqrt().recip();
        let x = x * scale * self.weight.clone().unsqueeze();
        Ok(match &self.bias {
            Some(bias) => x + bias.clone().unsqueeze(),
            None => x,
        })
    }

    fn run_on_host(&self, x: Tensor<2>, y: Option<Tensor<2>>) -> Result<Tensor<2>, JudgeError> {
        let width = x.dims()[1];
        // The result takes the place of the second summand, which nobody needs any more.
        let (other, mut into) = match y {
            Some(y) => (Some(on_host(x)?), owned(on_host(y)?)),
            None => (None, owned(on_host(x)?)),
        };
        let other = other.as_ref().and_then(FlexTensor::as_slice::<f32>);
        let weight = on_host(self.weight.clone())?;
        let bias = self.bias.clone().map(on_host).transpose()?;
        let (weight, bias) = (
            weight.as_slice::<f32>().unwrap_or_default(),
            bias.as_ref().and_then(FlexTensor::as_slice::<f32>),
        );
        let epsilon = self.epsilon as f32;
        into.storage_mut::<f32>()
            .par_chunks_mut(ROWS * width)
            .enumerate()
            .for_each(|(chunk, rows)| {
                for (at, row) in rows.chunks_exact_mut(width).enumerate() {
                    if let Some(other) = other {
                        let begin = (chunk * ROWS + at) * width;
                        row.iter_mut()
                            .zip(&other[begin..begin + width])
                            .for_each(|(y, x)| *y += x);
                    }
                    normalise(row, weight, bias, epsilon);
                }
            });
        Ok(Tensor::from_primitive::<Flex>(into))
    }
}

fn normalise(row: &mut [f32], weight: &[f32], bias: Option<&[f32]>, epsilon: f32) {
    let width = row.len() as f32;
    if bias.is_some() {
        let mean = sum(row, |x| x) / width;
        for x in row.iter_mut() {
            *x -= mean;
        }
    }
    let scale = 1.0 / (sum(row, |x| x * x) / width + epsilon).sqrt();
    match bias {
        Some(bias) => {
            for ((x, w), b) in row.iter_mut().zip(weight).zip(bias) {
                *x = *x * scale * w + b;
            }
        }
        None => row.iter_mut().zip(weight).for_each(|(x, w)| *x = *x * scale * w),
    }
}

/// In one fixed order, by lanes.
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|&x| term(x)).sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += term(x));
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn one_pass_equals_the_operations_of_burn() {
        let device = Device::flex();
        let (rows, width) = (70, 37);
        let values = |seed: usize| -> Vec<f32> {
            (0..rows * width)
                .map(|n| ((n * 31 + seed * 17) % 101) as f32 / 25.0 - 1.0)
                .collect()
        };
        let tensor = |seed| Tensor::<2>::from_data(TensorData::new(values(seed), [rows, width]), &device);
        let vector = |seed| Tensor::<1>::from_data(TensorData::new(values(seed)[..width].to_vec(), [width]), &device);
        for bias in [None, Some(vector(5))] {
            let norm = |host| Norm {
                weight: vector(3),
                bias: bias.clone(),
                epsilon: 1e-6,
                host,
            };
            for second in [None, Some(tensor(2))] {
                let run = |host: bool| match second.clone() {
                    Some(y) => norm(host).of_sum(tensor(1), y).unwrap(),
                    None => norm(host).apply(tensor(1)).unwrap(),
                };
                let difference = (run(true) - run(false)).abs().max().into_scalar::<f32>();
                assert!(difference < 3e-6, "{difference}");
            }
        }
    }
}
