//! What the blocks with a state share: arithmetic on the host in the device's precision, and the state between calls.
//!
//! Recurrences over tokens run on the host, as the plain sequential recurrence: a device would need a kernel per token. Products with
//! weight matrices stay on the device. Gradients do not flow through.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

use burn::tensor::{Element, Tensor, TensorData};

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

/// The same number of values for each row of a batch, in the precision of arithmetic: one of the lists is empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    per_row: usize,
    single: Vec<f32>,
    double: Vec<f64>,
}

impl Rows {
    /// `[rows, per_row]`, zero where nothing was written yet.
    pub(crate) fn values<R: Real>(&mut self, rows: usize, per_row: usize) -> &mut [R] {
        self.per_row = per_row;
        let values = R::of_rows(self);
        values.resize(rows * per_row, R::default());
        values
    }

    fn select(&mut self, rows: &[usize]) {
        fn pick<T: Copy>(values: &[T], per_row: usize, rows: &[usize]) -> Vec<T> {
            let row = |row: &usize| values.get(row * per_row..(row + 1) * per_row).unwrap_or_default();
            rows.iter().flat_map(row).copied().collect()
        }
        self.single = pick(&self.single, self.per_row, rows);
        self.double = pick(&self.double, self.per_row, rows);
    }

    /// The rows of `other` below these.
    fn append(&mut self, other: Self) {
        self.single.extend(other.single);
        self.double.extend(other.double);
    }

    fn row(&self, row: usize) -> Vec<f64> {
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
    /// Keeps only the given rows of the batch, in that order.
    pub fn select(&mut self, rows: &[usize]) {
        self.conv.select(rows);
        self.recurrent.select(rows);
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
    use super::{RecurrentState, sigmoid, silu, softplus};

    #[test]
    fn activations_at_points_one_knows() {
        assert!((sigmoid(0.0f64) - 0.5).abs() < 1e-15 && silu(0.0f64).abs() < 1e-15);
        assert!((softplus(0.0f64) - 2.0f64.ln()).abs() < 1e-15);
        assert!((softplus(-50.0f64) - (-50.0f64).exp()).abs() < 1e-30 && softplus(30.0f32) > 29.9);
    }

    #[test]
    fn rows_are_kept_and_laid_out_as_the_reference_does() {
        let mut state = RecurrentState::default();
        let values = state.conv.values::<f64>(2, 6);
        values.copy_from_slice(&[0., 1., 2., 10., 11., 12., 5., 5., 5., 6., 6., 6.]);
        state.recurrent.values::<f64>(2, 0);
        assert_eq!(state.conv_inputs(0, 2), [0., 10., 1., 11., 2., 12.]);
        state.select(&[1]);
        assert_eq!(state.conv_inputs(0, 2), [5., 6., 5., 6., 5., 6.]);
    }
}
