//! What the blocks with a state share: arithmetic on the host in the device's precision, and the state between calls.
//!
//! Recurrences over tokens run as the plain sequential recurrence: on an adapter by its kernels (`gpu`), which leave the state there, and on all
//! other devices on the host, where products with weight matrices alone stay on the device. On the host they run as well where gradients are
//! wanted, which do not flow through, and where an adapter cannot bind the states of as many sequences as are decoded together.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

use burn::tensor::{Element, Int, Tensor, TensorData};

use crate::device::{Device, count_read};
use crate::error::ModelError;
use crate::weights::WeightSource;

/// f32 or f64.
pub(crate) trait Real:
    Element
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
    + From<f32>
    + Into<f64>
    + Sync
{
    fn of(value: f64) -> Self;
    fn exp(self) -> Self;
    fn ln_1p(self) -> Self;
    /// The values of a state in this precision.
    fn of_rows(rows: &mut Rows) -> &mut Vec<Self>;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn exp(self) -> Self {
        self.exp()
    }

    fn ln_1p(self) -> Self {
        self.ln_1p()
    }

    fn of_rows(rows: &mut Rows) -> &mut Vec<Self> {
        &mut rows.single
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn exp(self) -> Self {
        self.exp()
    }

    fn ln_1p(self) -> Self {
        self.ln_1p()
    }

    fn of_rows(rows: &mut Rows) -> &mut Vec<Self> {
        &mut rows.double
    }
}

pub(crate) fn sigmoid<R: Real>(x: R) -> R {
    R::of(1.0) / (R::of(1.0) + (-x).exp())
}

pub(crate) fn silu<R: Real>(x: R) -> R {
    x / (R::of(1.0) + (-x).exp())
}

/// ln(1 + eˣ); x itself above 20, as in torch.
pub(crate) fn softplus<R: Real>(x: R) -> R {
    if x > R::of(20.0) { x } else { x.exp().ln_1p() }
}

/// 1 / sqrt(mean of squares + ε), summed in f64.
pub(crate) fn inverse_rms<R: Real>(values: &[R], epsilon: f64) -> R {
    R::of((squares(values) / values.len() as f64 + epsilon).sqrt().recip())
}

/// Σ v², in f64.
pub(crate) fn squares<R: Real>(values: &[R]) -> f64 {
    values
        .iter()
        .map(|&value| {
            let value: f64 = value.into();
            value * value
        })
        .sum()
}

/// f32 weights in the precision of arithmetic.
pub(crate) fn widen<R: Real>(values: &[f32]) -> Vec<R> {
    values.iter().map(|&value| R::from(value)).collect()
}

/// A tensor's values on the host.
///
/// # Errors
/// If the device fails.
pub(crate) fn read<R: Real, const D: usize>(x: Tensor<D>, place: &str) -> Result<Vec<R>, ModelError> {
    let failed = |reason: String| ModelError::Execution {
        place: place.to_owned(),
        reason,
    };
    count_read();
    let data = x.try_into_data().map_err(|e| failed(format!("{e:?}")))?;
    data.convert::<R>()
        .try_into_vec::<R>()
        .map_err(|e| failed(format!("{e:?}")))
}

/// Host values on the device.
pub(crate) fn write<R: Real, const D: usize>(values: Vec<R>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device.options())
}

/// A weight as a flat list on the host.
///
/// # Errors
/// If it is missing or the device fails.
pub(crate) fn host_weight(weights: &dyn WeightSource, name: &str, count: usize) -> Result<Vec<f32>, ModelError> {
    read(weights.vector(name, count)?, name)
}

/// What a block with a state remembers of each row: the last inputs of its convolution, and its recurrent matrices.
#[derive(Debug, Clone, Default)]
pub struct RecurrentState {
    /// Per row `[kernel, channels]`, oldest first.
    pub(crate) conv: Rows,
    /// Per row `[heads, .., ..]`; empty for a block that has only a convolution.
    pub(crate) recurrent: Rows,
}

/// The same number of values for each row of a batch, in the precision of arithmetic: one of the lists, or both where they are on an adapter, are
/// empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    per_row: usize,
    single: Vec<f32>,
    double: Vec<f64>,
    /// `[rows, per_row]` on an adapter.
    there: Option<Box<Tensor<2>>>,
}

impl Rows {
    fn numbers(&self) -> usize {
        let there = self.there.as_ref().map_or(0, |there| there.dims().iter().product());
        self.single.len() + self.double.len() + there
    }

    /// `[rows, per_row]`, zero where nothing was written yet.
    pub(crate) fn values<R: Real>(&mut self, rows: usize, per_row: usize) -> &mut [R] {
        self.per_row = per_row;
        let values = R::of_rows(self);
        values.resize(rows * per_row, R::default());
        values
    }

    /// What an adapter remembers, `[rows, per_row]`, zero where nothing was written yet. It is taken out, for [`Rows::keep`] to put the next in.
    #[cfg(feature = "wgpu")]
    pub(crate) fn take(&mut self, shape: [usize; 2], device: &Device) -> Tensor<2> {
        self.per_row = shape[1];
        match self.there.take() {
            Some(there) => *there,
            None => Tensor::zeros(shape, device.options()),
        }
    }

    /// What an adapter is to remember.
    #[cfg(feature = "wgpu")]
    pub(crate) fn keep(&mut self, there: Tensor<2>) {
        self.there = Some(Box::new(there));
    }

    fn select(&mut self, rows: &[usize], on_device: &Tensor<1, Int>) {
        fn pick<T: Copy>(values: &[T], per_row: usize, rows: &[usize]) -> Vec<T> {
            let row = |row: &usize| values.get(row * per_row..(row + 1) * per_row).unwrap_or_default();
            rows.iter().flat_map(row).copied().collect()
        }
        self.single = pick(&self.single, self.per_row, rows);
        self.double = pick(&self.double, self.per_row, rows);
        if let Some(there) = &mut self.there {
            **there = there.clone().select(0, on_device.clone());
        }
    }

    /// The rows of `other` below these.
    fn append(&mut self, other: Self) {
        self.single.extend(other.single);
        self.double.extend(other.double);
        // A block's states are all on the host or all on an adapter.
        let parts: Vec<Tensor<2>> = self
            .there
            .take()
            .into_iter()
            .chain(other.there)
            .map(|there| *there)
            .collect();
        self.there = (!parts.is_empty()).then(|| Box::new(Tensor::cat(parts, 0)));
    }

    /// Nothing if the device fails.
    fn row(&self, row: usize) -> Vec<f64> {
        if let Some(there) = &self.there {
            return read((**there).clone().narrow(0, row, 1), "state").unwrap_or_default();
        }
        let range = row * self.per_row..(row + 1) * self.per_row;
        match self.double.get(range.clone()) {
            Some(values) if !self.double.is_empty() => values.to_vec(),
            _ => {
                let values = self.single.get(range).unwrap_or_default();
                values.iter().copied().map(f64::from).collect()
            }
        }
    }
}

impl RecurrentState {
    /// Keeps only the given rows of the batch, in that order; `on_device` holds the same rows.
    pub fn select(&mut self, rows: &[usize], on_device: &Tensor<1, Int>) {
        self.conv.select(rows, on_device);
        self.recurrent.select(rows, on_device);
    }

    /// Numbers that it holds.
    pub(crate) fn numbers(&self) -> usize {
        self.conv.numbers() + self.recurrent.numbers()
    }

    /// The rows of `other`, a state of the same block, below these.
    pub(crate) fn append(&mut self, other: Self) {
        self.conv.append(other.conv);
        self.recurrent.append(other.recurrent);
    }

    /// The last inputs of a row's convolution as the reference implementation lays them out: `[channels, kernel]`, oldest first.
    #[must_use]
    pub fn conv_inputs(&self, row: usize, kernel: usize) -> Vec<f64> {
        let values = self.conv.row(row);
        let channels = values.len() / kernel.max(1);
        (0..channels)
            .flat_map(|channel| values.iter().skip(channel).step_by(channels))
            .copied()
            .collect()
    }

    /// A row's recurrent matrices: Mamba2 `[heads, head_dim, state]`, `DeltaNet` `[value_heads, key_dim, value_dim]`.
    #[must_use]
    pub fn recurrent_matrices(&self, row: usize) -> Vec<f64> {
        self.recurrent.row(row)
    }
}

#[cfg(test)]
mod tests {
    use super::{RecurrentState, Rows, sigmoid, silu, softplus, write};
    use crate::blocks::experts::indices;
    use crate::device::{Device, DeviceKind, Precision};
    use crate::error::ModelError;

    #[test]
    fn activations_at_points_one_knows() {
        assert!((sigmoid(0.0f64) - 0.5).abs() < 1e-15 && silu(0.0f64).abs() < 1e-15);
        assert!((softplus(0.0f64) - 2.0f64.ln()).abs() < 1e-15);
        assert!((softplus(-50.0f64) - (-50.0f64).exp()).abs() < 1e-30 && softplus(30.0f32) > 29.9);
    }

    #[test]
    fn rows_on_a_device_are_kept_and_put_below_each_other() -> Result<(), ModelError> {
        let device = Device::open(DeviceKind::Cpu, Precision::F64)?;
        let rows = |values: &[f64]| Rows {
            per_row: 2,
            there: Some(Box::new(write(values.to_vec(), [values.len() / 2, 2], &device))),
            ..Rows::default()
        };
        let mut first = rows(&[1., 2., 3., 4., 5., 6.]);
        first.select(&[2, 0], &indices(&[2, 0], &device));
        first.append(rows(&[7., 8.]));
        let found: Vec<f64> = (0..3).flat_map(|row| first.row(row)).collect();
        assert_eq!(found, [5., 6., 1., 2., 7., 8.]);
        Ok(())
    }

    #[test]
    fn rows_are_kept_and_laid_out_as_the_reference_does() -> Result<(), ModelError> {
        let device = Device::open(DeviceKind::Cpu, Precision::F64)?;
        let mut state = RecurrentState::default();
        let values = state.conv.values::<f64>(2, 6);
        values.copy_from_slice(&[0., 1., 2., 10., 11., 12., 5., 5., 5., 6., 6., 6.]);
        state.recurrent.values::<f64>(2, 0);
        assert_eq!(state.conv_inputs(0, 2), [0., 10., 1., 11., 2., 12.]);
        state.select(&[1], &indices(&[1], &device));
        assert_eq!(state.conv_inputs(0, 2), [5., 6., 5., 6., 5., 6.]);
        Ok(())
    }
}
