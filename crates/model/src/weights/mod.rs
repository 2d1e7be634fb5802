//! Named weights for putting a decoder together: from a checkpoint, or from tensors that are being trained.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use secateur_kernels::WeightDtype;

use crate::checkpoint::{Checkpoint, Dtype};
use crate::device::Device;
use crate::error::ModelError;
use crate::matrix::{Matrix, Packed, Stored};

mod expected;

pub use expected::expected;

/// Where a decoder's weights come from.
pub trait WeightSource {
    /// A matrix `[outputs, inputs]`.
    ///
    /// # Errors
    /// If it is missing.
    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Matrix, ModelError>;

    /// A vector `[width]`.
    ///
    /// # Errors
    /// If it is missing.
    fn vector(&self, name: &str, width: usize) -> Result<Tensor<1>, ModelError>;

    /// One expert's matrix in a tensor that holds those of all.
    ///
    /// # Errors
    /// If it is missing, or this source knows no such tensors.
    fn slice(&self, name: &str, slice: &ExpertSlice) -> Result<Matrix, ModelError> {
        let _ = slice;
        Err(missing(name))
    }

    /// The same from `{name}_blocks` and `{name}_scales`, which stay packed.
    ///
    /// # Errors
    /// If one is missing, or this source knows no such tensors.
    fn packed(&self, name: &str, slice: &ExpertSlice) -> Result<Matrix, ModelError> {
        let _ = slice;
        Err(missing(name))
    }

    /// One expert's bias in a tensor `[experts, all]` that holds those of all, `[outputs]`.
    ///
    /// # Errors
    /// If it is missing, or this source knows no such tensors.
    fn slice_vector(&self, name: &str, slice: &ExpertSlice) -> Result<Tensor<1>, ModelError> {
        let _ = slice;
        Err(missing(name))
    }
}

/// Which part of a fused tensor is wanted: `outputs` of its `all` outputs, from `first` on, `step` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertSlice {
    /// Experts in the tensor.
    pub experts: usize,
    /// The one wanted.
    pub expert: usize,
    /// Outputs of the tensor.
    pub all: usize,
    /// First output wanted.
    pub first: usize,
    /// Distance to the next.
    pub step: usize,
    /// Outputs wanted.
    pub outputs: usize,
    /// Inputs.
    pub inputs: usize,
    /// The tensor is `[experts, inputs, all]` rather than `[experts, all, inputs]`.
    pub transposed: bool,
}

impl ExpertSlice {
    /// The part of `stored`, all experts' values, as `[outputs, inputs]`. A view where rows lie one after the other, else a copy
    /// in the same dtype.
    #[must_use]
    pub fn of(&self, stored: &Stored) -> Stored {
        let size = stored.dtype.size();
        let expert = self.expert * self.all * self.inputs;
        let at = |element: usize| (expert + element) * size;
        if !self.transposed && self.step == 1 {
            let range = at(self.first * self.inputs)..at((self.first + self.outputs) * self.inputs);
            return stored.slice(range);
        }
        let mut bytes = Vec::with_capacity(self.outputs * self.inputs * size);
        for output in 0..self.outputs {
            let row = self.first + output * self.step;
            if self.transposed {
                for input in 0..self.inputs {
                    let begin = at(input * self.all + row);
                    bytes.extend_from_slice(&stored.bytes[begin..begin + size]);
                }
            } else {
                bytes.extend_from_slice(&stored.bytes[at(row * self.inputs)..at((row + 1) * self.inputs)]);
            }
        }
        Stored {
            bytes: bytes.into(),
            dtype: stored.dtype,
        }
    }
}

fn missing(name: &str) -> ModelError {
    ModelError::Tokens(format!("tensor `{name}` is missing"))
}

/// Weights in a mapped checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct CheckpointWeights<'a> {
    /// The checkpoint, whose shapes have been checked.
    pub checkpoint: &'a Checkpoint,
    /// Where they will be computed with.
    pub device: &'a Device,
}

impl CheckpointWeights<'_> {
    fn stored(&self, name: &str) -> Result<Stored, ModelError> {
        let tensor = self.checkpoint.tensor(name).ok_or_else(|| missing(name))?;
        let dtype = match tensor.dtype {
            Dtype::BF16 => WeightDtype::Bf16,
            Dtype::F16 => WeightDtype::F16,
            Dtype::F32 => WeightDtype::F32,
            other => {
                return Err(ModelError::Tokens(format!(
                    "tensor `{name}` is {}, expected BF16, F16 or F32",
                    other.name()
                )));
            }
        };
        Ok(Stored {
            bytes: self.checkpoint.bytes(tensor),
            dtype,
        })
    }
}

impl WeightSource for CheckpointWeights<'_> {
    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Matrix, ModelError> {
        Ok(Matrix::new(self.stored(name)?, shape, self.device))
    }

    fn vector(&self, name: &str, width: usize) -> Result<Tensor<1>, ModelError> {
        Ok(self.stored(name)?.tensor([width], self.device))
    }

    fn slice(&self, name: &str, slice: &ExpertSlice) -> Result<Matrix, ModelError> {
        let part = slice.of(&self.stored(name)?);
        Ok(Matrix::new(part, [slice.outputs, slice.inputs], self.device))
    }

    fn packed(&self, name: &str, slice: &ExpertSlice) -> Result<Matrix, ModelError> {
        let bytes = |what: &str| {
            let name = format!("{name}_{what}");
            let tensor = self.checkpoint.tensor(&name).ok_or_else(|| missing(&name))?;
            let bytes = self.checkpoint.bytes(tensor);
            let one = bytes.len() / slice.experts.max(1);
            Ok::<_, ModelError>(bytes.slice(slice.expert * one..(slice.expert + 1) * one))
        };
        let packed = Packed {
            blocks: bytes("blocks")?,
            scales: bytes("scales")?,
            first: slice.first,
            step: slice.step,
            outputs: slice.outputs,
            inputs: slice.inputs,
        };
        Ok(Matrix::new_packed(packed, self.device))
    }

    fn slice_vector(&self, name: &str, slice: &ExpertSlice) -> Result<Tensor<1>, ModelError> {
        let column = ExpertSlice {
            inputs: 1,
            transposed: false,
            ..*slice
        };
        Ok(column.of(&self.stored(name)?).tensor([slice.outputs], self.device))
    }
}

/// Weights as tensors, for training.
#[derive(Debug, Clone, Default)]
pub struct TensorWeights {
    /// Matrices by name.
    pub matrices: BTreeMap<String, Tensor<2>>,
    /// Vectors by name.
    pub vectors: BTreeMap<String, Tensor<1>>,
}

impl WeightSource for TensorWeights {
    fn matrix(&self, name: &str, _shape: [usize; 2]) -> Result<Matrix, ModelError> {
        let tensor = self.matrices.get(name).ok_or_else(|| missing(name))?;
        Ok(Matrix::Dense(tensor.clone()))
    }

    fn vector(&self, name: &str, _width: usize) -> Result<Tensor<1>, ModelError> {
        self.vectors.get(name).cloned().ok_or_else(|| missing(name))
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::{ExpertSlice, Stored};
    use crate::matrix::WeightDtype;

    /// Values 0, 1, 2, … as bf16.
    fn counted(n: u16) -> Stored {
        let bytes: Vec<u8> = (0..n)
            .flat_map(|v| bf16::from_f32(f32::from(v)).to_le_bytes())
            .collect();
        Stored {
            bytes: bytes.into(),
            dtype: WeightDtype::Bf16,
        }
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn parts_of_fused_tensors_by_hand() {
        let halves = ExpertSlice {
            experts: 2,
            expert: 1,
            all: 4,
            first: 2,
            step: 1,
            outputs: 2,
            inputs: 3,
            transposed: false,
        };
        let all = counted(24);
        assert_eq!(halves.of(&all).to_f32(), [18.0, 19.0, 20.0, 21.0, 22.0, 23.0]);
        let odd = ExpertSlice {
            first: 1,
            step: 2,
            ..halves
        };
        assert_eq!(odd.of(&all).to_f32(), [15.0, 16.0, 17.0, 21.0, 22.0, 23.0]);
        // [2, 3, 4]: expert 1 is 12…23, four outputs per input.
        let turned = ExpertSlice {
            transposed: true,
            ..odd
        };
        assert_eq!(turned.of(&all).to_f32(), [13.0, 17.0, 21.0, 15.0, 19.0, 23.0]);
    }
}
