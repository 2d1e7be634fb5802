//! A weight matrix, kept in the dtype it has on disk where the device allows.

use burn::backend::flex::{Flex, FlexTensor};
use burn::tensor::{DType, Shape, Tensor, TensorData};
use bytes::Bytes;
use half::{bf16, f16};
pub use secateur_kernels::WeightDtype;

use crate::device::{Device, DeviceKind, Precision};

/// Raw little-endian values in row-major order, usually a slice of the mapped file.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The bytes.
    pub bytes: Bytes,
    /// How to read them.
    pub dtype: WeightDtype,
}

impl Stored {
    /// All values widened to f32.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match self.dtype {
            WeightDtype::Bf16 => self.halves().map(|bits| bf16::from_bits(bits).to_f32()).collect(),
            WeightDtype::F16 => self.halves().map(|bits| f16::from_bits(bits).to_f32()).collect(),
            WeightDtype::F32 => self
                .bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
        }
    }

    fn halves(&self) -> impl Iterator<Item = u16> + '_ {
        self.bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]))
    }

    /// As a tensor of `shape` in the device's precision.
    pub(crate) fn tensor<const D: usize>(&self, shape: [usize; D], device: &Device) -> Tensor<D> {
        let data = match device.precision() {
            Precision::F32 => TensorData::new(self.to_f32(), shape),
            Precision::F64 => TensorData::new(self.to_f32().into_iter().map(f64::from).collect::<Vec<_>>(), shape),
        };
        Tensor::from_data(data, device.options())
    }
}

/// `[outputs, inputs]`, applied as `x Wᵀ`.
#[derive(Debug, Clone)]
pub enum Matrix {
    /// On the device, in the precision of arithmetic.
    Dense(Tensor<2>),
    /// In the mapped file, in its own dtype; read by the CPU kernels at each product.
    Stored {
        /// The values.
        stored: Stored,
        /// Number of rows.
        outputs: usize,
        /// Number of columns.
        inputs: usize,
    },
}

impl Matrix {
    /// Chooses the form that `device` can compute with and that takes the least memory.
    pub(crate) fn new(stored: Stored, [outputs, inputs]: [usize; 2], device: &Device) -> Self {
        let in_place =
            device.kind() == DeviceKind::Cpu && device.precision() == Precision::F32 && !device.burn().is_autodiff();
        if in_place {
            Self::Stored {
                stored,
                outputs,
                inputs,
            }
        } else {
            Self::Dense(stored.tensor([outputs, inputs], device))
        }
    }

    /// `x Wᵀ`: `[tokens, inputs]` → `[tokens, outputs]`, products summed in f32 or better.
    #[must_use]
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Dense(weight) => x.matmul(weight.clone().transpose()),
            Self::Stored {
                stored,
                outputs,
                inputs,
            } => apply_stored(x, stored, *outputs, *inputs),
        }
    }

    /// All values as f32, row by row.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::Dense(weight) => weight.to_data().convert::<f32>().try_into_vec().unwrap_or_default(),
            Self::Stored { stored, .. } => stored.to_f32(),
        }
    }
}

fn apply_stored(x: Tensor<2>, stored: &Stored, outputs: usize, inputs: usize) -> Tensor<2> {
    let tokens = x.dims()[0];
    let x = host_f32(x);
    let mut y = vec![0.0f32; tokens * outputs];
    secateur_kernels::matmul(
        x.as_slice::<f32>().unwrap_or_default(),
        weights(stored, outputs, inputs),
        &mut y,
    );
    from_f32(y, [tokens, outputs])
}

/// A contiguous f32 tensor of the flex backend, whose values can be read as a slice.
pub(crate) fn host_f32<const D: usize>(x: Tensor<D>) -> FlexTensor {
    #[allow(clippy::expect_used)] // `Matrix::new` keeps weights stored only on the flex device.
    let x: FlexTensor = x
        .try_into_primitive::<Flex>()
        .expect("stored weights live on the flex device");
    x.to_contiguous()
}

/// A flex tensor that owns `values`.
pub(crate) fn from_f32<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    let tensor = FlexTensor::from_data(TensorData::new(values, Shape::from(shape)));
    debug_assert_eq!(tensor.dtype(), DType::F32);
    Tensor::from_primitive::<Flex>(tensor)
}

/// The kernels' view of a stored matrix.
pub(crate) fn weights(stored: &Stored, outputs: usize, inputs: usize) -> secateur_kernels::Weights<'_> {
    secateur_kernels::Weights {
        bytes: &stored.bytes,
        dtype: stored.dtype,
        rows: outputs,
        columns: inputs,
    }
}

impl Stored {
    /// Row `row` of a matrix with `columns` columns.
    pub(crate) fn row(&self, row: usize, columns: usize) -> Stored {
        let size = columns * self.dtype.size();
        Stored {
            bytes: self.bytes.slice(row * size..(row + 1) * size),
            dtype: self.dtype,
        }
    }
}
