//! Values from the host to the device and back.

use burn::tensor::{DType, Int, Tensor, TensorData};
use secateur_model::matrix::Matrix;
use secateur_model::{Device, ModelError, Precision};

/// Values in the device's precision.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    match device.precision() {
        Precision::F32 | Precision::Fast => {
            Tensor::from_data(TensorData::new(values, shape), (device.burn(), DType::F32))
        }
        Precision::F64 => {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            Tensor::from_data(TensorData::new(values, shape), (device.burn(), DType::F64))
        }
    }
}

/// Indices of rows.
pub(super) fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device.burn())
}

/// Rows of a matrix, `[rows, columns]`. The indices must be in range.
pub(super) fn rows(matrix: &Matrix, wanted: &[usize], device: &Device) -> Tensor<2> {
    matrix.select(wanted, device)
}

/// All values, row by row.
///
/// # Errors
/// If the device fails, or a value is not finite.
pub(super) fn host<const D: usize>(x: Tensor<D>, place: &str) -> Result<Vec<f64>, ModelError> {
    let failed = |reason: String| ModelError::Execution {
        place: place.to_owned(),
        reason,
    };
    let data = x.try_into_data().map_err(|error| failed(format!("{error:?}")))?;
    let values = data
        .convert::<f64>()
        .try_into_vec::<f64>()
        .map_err(|error| failed(format!("{error:?}")))?;
    match values.iter().find(|value| !value.is_finite()) {
        Some(bad) => Err(ModelError::NotFinite {
            place: place.to_owned(),
            found: bad.to_string(),
        }),
        None => Ok(values),
    }
}
