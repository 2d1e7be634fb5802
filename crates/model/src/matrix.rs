//! A weight matrix, kept in the dtype it has on disk where the device allows.

use burn::backend::flex::{Flex, FlexTensor, Layout};
use burn::tensor::{AllocationProperty, DType, Shape, Tensor, TensorData};
use bytes::Bytes;
use half::{bf16, f16};
use rayon::prelude::*;
pub use secateur_kernels::WeightDtype;
use secateur_kernels::{Buffer, Heads};

use crate::awake::stir;
use crate::blocks::experts::indices;
use crate::device::{Device, DeviceKind, Precision, count_read};
#[cfg(feature = "wgpu")]
use crate::gpu::DeviceMatrix;

/// Rows that are not worth another thread.
pub(crate) const FEW_ROWS: usize = 16;

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
        let mut values = vec![0.0; self.bytes.len() / self.dtype.size()];
        widen(&self.bytes, self.dtype, &mut values);
        values
    }

    /// A part of the bytes.
    pub(crate) fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self {
            bytes: self.bytes.slice(range),
            dtype: self.dtype,
        }
    }

    /// As a tensor of `shape` in the device's precision.
    pub(crate) fn tensor<const D: usize>(&self, shape: [usize; D], device: &Device) -> Tensor<D> {
        let data = match device.precision() {
            Precision::F32 | Precision::Fast => TensorData::new(self.to_f32(), shape),
            Precision::F64 => TensorData::new(self.to_f32().into_iter().map(f64::from).collect::<Vec<_>>(), shape),
        };
        Tensor::from_data(data, device.options())
    }
}

/// Values of little-endian bytes as f32, as many as `to` has room for.
fn widen(bytes: &[u8], dtype: WeightDtype, to: &mut [f32]) {
    let halves = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    match dtype {
        WeightDtype::Bf16 => (to.iter_mut().zip(halves)).for_each(|(to, bits)| *to = bf16::from_bits(bits).to_f32()),
        WeightDtype::F16 => (to.iter_mut().zip(halves)).for_each(|(to, bits)| *to = f16::from_bits(bits).to_f32()),
        WeightDtype::F32 => (to.iter_mut().zip(bytes.chunks_exact(4)))
            .for_each(|(to, b)| *to = f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
    }
}

/// `[outputs, inputs]`, applied as `x Wᵀ`.
// A model has a few hundred of them.
#[allow(clippy::large_enum_variant)]
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
        /// Of products.
        precision: secateur_kernels::Precision,
    },
    /// 4-bit blocks in the mapped file, unpacked a few rows at a time at each product, and the precision of products.
    Packed(Packed, secateur_kernels::Precision),
    /// On a graphics adapter, in its own dtype; read by the adapter's kernels at each product.
    #[cfg(feature = "wgpu")]
    Device(DeviceMatrix),
}

/// Rows of an MXFP4 matrix: `first`, `first + step`, …
#[derive(Debug, Clone)]
pub struct Packed {
    /// `[rows, inputs / 32, 16]`: two values per byte.
    pub blocks: Bytes,
    /// `[rows, inputs / 32]`: exponents, biased by 127.
    pub scales: Bytes,
    /// First row.
    pub first: usize,
    /// Distance to the next.
    pub step: usize,
    /// Number of rows.
    pub outputs: usize,
    /// Number of columns; a multiple of 32.
    pub inputs: usize,
}

impl Packed {
    pub(crate) fn view(&self) -> secateur_kernels::Mxfp4<'_> {
        secateur_kernels::Mxfp4 {
            blocks: &self.blocks,
            scales: &self.scales,
            first: self.first,
            step: self.step,
            rows: self.outputs,
            columns: self.inputs,
        }
    }

    fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.outputs * self.inputs];
        self.view().unpack(0, &mut values);
        values
    }
}

impl Matrix {
    /// Chooses the form that `device` can compute with and that takes the least memory.
    pub(crate) fn new(stored: Stored, [outputs, inputs]: [usize; 2], device: &Device) -> Self {
        if reads_in_place(device) {
            Self::Stored {
                stored,
                outputs,
                inputs,
                precision: device.precision().of_products(),
            }
        } else if on_adapter(device) {
            Self::on_adapter(stored, [outputs, inputs], device)
        } else {
            Self::Dense(stored.tensor([outputs, inputs], device))
        }
    }

    /// The same for packed weights.
    pub(crate) fn new_packed(packed: Packed, device: &Device) -> Self {
        if reads_in_place(device) {
            return Self::Packed(packed, device.precision().of_products());
        }
        if on_adapter(device) {
            // Every value has one digit behind the first, and an exponent that bf16 has too.
            let values = packed.to_f32().into_iter();
            let bytes: Vec<u8> = values.flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect();
            let stored = Stored {
                bytes: bytes.into(),
                dtype: WeightDtype::Bf16,
            };
            return Self::on_adapter(stored, [packed.outputs, packed.inputs], device);
        }
        let bytes: Vec<u8> = packed.to_f32().into_iter().flat_map(f32::to_le_bytes).collect();
        let stored = Stored {
            bytes: bytes.into(),
            dtype: WeightDtype::F32,
        };
        Self::Dense(stored.tensor([packed.outputs, packed.inputs], device))
    }

    #[cfg(feature = "wgpu")]
    fn on_adapter(stored: Stored, shape: [usize; 2], device: &Device) -> Self {
        Self::Device(DeviceMatrix::new(stored, shape, device))
    }

    /// There is none in this build.
    #[cfg(not(feature = "wgpu"))]
    fn on_adapter(stored: Stored, shape: [usize; 2], device: &Device) -> Self {
        Self::Dense(stored.tensor(shape, device))
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
                precision,
            } => apply_stored(x, stored, *outputs, *inputs, *precision),
            Self::Packed(packed, precision) => {
                let tokens = x.dims()[0];
                let mut y = Buffer::new(tokens * packed.outputs);
                let x = host_f32(x);
                precision.matmul_mxfp4(x.as_slice::<f32>().unwrap_or_default(), packed.view(), &mut y);
                from_buffer(y, [tokens, packed.outputs])
            }
            #[cfg(feature = "wgpu")]
            Self::Device(matrix) => matrix.apply(x),
        }
    }

    /// [`Matrix::apply`] of several matrices to the same `x`: with weights that are read in place, in one go.
    #[must_use]
    pub fn apply_each<const N: usize>(matrices: [&Self; N], x: Tensor<2>) -> [Tensor<2>; N] {
        let stored: Option<Vec<_>> = matrices.iter().map(|matrix| matrix.stored()).collect();
        let products = stored.filter(|stored| stored.windows(2).all(|pair| pair[0].0 == pair[1].0));
        let Some((precision, products)) = products.and_then(|products| Some((products.first()?.0, products))) else {
            return matrices.map(|matrix| matrix.apply(x.clone()));
        };
        let tokens = x.dims()[0];
        let x = host_f32(x);
        let mut ys = matrices.map(|matrix| Buffer::new(tokens * matrix.shape()[0]));
        let to = ys.iter_mut().map(|y| &mut **y);
        let products = products.into_iter().map(|(_, weights)| weights).zip(to);
        precision.matmul_each(x.as_slice::<f32>().unwrap_or_default(), products);
        let mut outputs = matrices.iter().map(|matrix| matrix.shape()[0]);
        ys.map(|y| from_buffer(y, [tokens, outputs.next().unwrap_or_default()]))
    }

    /// How the kernels read it in place.
    fn stored(&self) -> Option<(secateur_kernels::Precision, secateur_kernels::Weights<'_>)> {
        match self {
            Self::Stored {
                stored,
                outputs,
                inputs,
                precision,
            } => Some((*precision, weights(stored, *outputs, *inputs))),
            _ => None,
        }
    }

    /// Rows by index, `[rows, inputs]`, on `device`, for which the matrix was made. The indices must be in range.
    #[must_use]
    pub fn select(&self, rows: &[usize], device: &Device) -> Tensor<2> {
        match self {
            Self::Dense(weight) => weight.clone().select(0, indices(rows, device)),
            Self::Stored { .. } | Self::Packed(..) => from_buffer(self.rows(rows), [rows.len(), self.shape()[1]]),
            #[cfg(feature = "wgpu")]
            Self::Device(matrix) => matrix.select(rows, device),
        }
    }

    /// All values as f32, row by row.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::Dense(weight) => {
                count_read();
                weight.to_data().convert::<f32>().try_into_vec().unwrap_or_default()
            }
            Self::Stored { stored, .. } => stored.to_f32(),
            Self::Packed(packed, _) => packed.to_f32(),
            #[cfg(feature = "wgpu")]
            Self::Device(matrix) => matrix.to_f32(),
        }
    }

    /// Some rows as f32, one after the other.
    fn rows(&self, rows: &[usize]) -> Buffer {
        let columns = self.shape()[1];
        let mut values = Buffer::new(rows.len() * columns);
        if let Self::Stored { stored, .. } = self {
            let size = columns * stored.dtype.size();
            let each = values.par_chunks_exact_mut(columns).with_min_len(FEW_ROWS).zip(rows);
            each.for_each(|(to, &row)| widen(&stored.bytes[row * size..(row + 1) * size], stored.dtype, to));
        } else {
            let all = self.to_f32();
            for (to, &row) in values.chunks_exact_mut(columns).zip(rows) {
                to.copy_from_slice(&all[row * columns..(row + 1) * columns]);
            }
        }
        values
    }

    /// Of products by the CPU kernels.
    pub(crate) fn precision(&self) -> secateur_kernels::Precision {
        match self {
            Self::Dense(_) => secateur_kernels::Precision::Exact,
            Self::Stored { precision, .. } | Self::Packed(_, precision) => *precision,
            #[cfg(feature = "wgpu")]
            Self::Device(_) => secateur_kernels::Precision::Exact,
        }
    }

    /// `[outputs, inputs]`.
    pub(crate) fn shape(&self) -> [usize; 2] {
        match self {
            Self::Dense(weight) => weight.dims(),
            Self::Stored { outputs, inputs, .. } => [*outputs, *inputs],
            Self::Packed(packed, _) => [packed.outputs, packed.inputs],
            #[cfg(feature = "wgpu")]
            Self::Device(matrix) => matrix.shape(),
        }
    }
}

/// Whether an adapter's kernels compute. Not where gradients are wanted: they have none.
pub(crate) fn on_adapter(device: &Device) -> bool {
    cfg!(feature = "wgpu") && device.kind() == DeviceKind::Wgpu && !device.burn().is_autodiff()
}

/// Whether products are taken by the CPU kernels, on weights where they lie.
pub(crate) fn reads_in_place(device: &Device) -> bool {
    device.kind() == DeviceKind::Cpu && device.precision() != Precision::F64 && !device.burn().is_autodiff()
}

/// Runs on a thread of the pool where the CPU kernels do: it takes its share of every product at once. Any other thread would sleep until it is
/// woken, some seventy times a token.
pub(crate) fn in_pool<R: Send>(device: &Device, run: impl FnOnce() -> R + Send) -> R {
    if reads_in_place(device) {
        rayon::scope(|_| run())
    } else {
        run()
    }
}

fn apply_stored(
    x: Tensor<2>,
    stored: &Stored,
    outputs: usize,
    inputs: usize,
    precision: secateur_kernels::Precision,
) -> Tensor<2> {
    let tokens = x.dims()[0];
    let x = host_f32(x);
    let mut y = Buffer::new(tokens * outputs);
    precision.matmul(
        x.as_slice::<f32>().unwrap_or_default(),
        weights(stored, outputs, inputs),
        &mut y,
    );
    from_buffer(y, [tokens, outputs])
}

/// A tensor's values where they lie, if the flex backend has them in f32 and records nothing.
pub(crate) fn in_place<const D: usize>(x: &Tensor<D>) -> Option<FlexTensor> {
    let x: FlexTensor = x.clone().try_into_primitive::<Flex>().ok()?;
    (x.dtype() == DType::F32).then_some(x)
}

/// Vectors of `[batch, heads, positions, width]`, read where they lie; `None` where their own values are not in order.
pub(crate) fn heads(x: &FlexTensor) -> Option<Heads<'_>> {
    let layout = x.layout();
    let &[batch, heads, positions, width] = layout.shape().as_slice() else {
        return None;
    };
    let step = |dimension: usize| usize::try_from(layout.strides()[dimension]).ok();
    (step(3)? == 1 || width == 1).then_some(Heads {
        values: x.storage::<f32>().get(layout.start_offset()..)?,
        strides: [step(0)?, step(1)?, step(2)?],
        shape: [batch, heads, positions],
        width,
    })
}

/// A contiguous f32 tensor of the flex backend, whose values can be read as a slice.
pub(crate) fn host_f32<const D: usize>(x: Tensor<D>) -> FlexTensor {
    #[allow(clippy::expect_used)] // `Matrix::new` keeps weights stored only on the flex device.
    let x: FlexTensor = x
        .try_into_primitive::<Flex>()
        .expect("stored weights live on the flex device");
    x.to_contiguous()
}

/// A flex tensor of values that a kernel wrote, whose memory is used again when it is dropped. Another kernel will follow soon.
pub(crate) fn from_buffer<const D: usize>(values: Buffer, shape: [usize; D]) -> Tensor<D> {
    stir();
    let bytes = burn::tensor::Bytes::from_shared(Bytes::from_owner(values), AllocationProperty::Native);
    let layout = Layout::contiguous(Shape::from(shape));
    Tensor::from_primitive::<Flex>(FlexTensor::new(bytes, layout, DType::F32))
}

/// `x + scale · y` by the CPU kernel; `None` where values are elsewhere.
pub(crate) fn add_in_place(x: &Tensor<2>, y: &Tensor<2>, scale: f64) -> Option<Tensor<2>> {
    let shape = x.dims();
    let (x, y) = (in_place(x)?.to_contiguous(), in_place(y)?.to_contiguous());
    let mut sums = Buffer::new(shape[0] * shape[1]);
    secateur_kernels::add(x.as_slice()?, y.as_slice()?, scale as f32, &mut sums);
    Some(from_buffer(sums, shape))
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
