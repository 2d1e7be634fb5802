//! What scores need of rows of logits, computed on an adapter: a few numbers are read in place of the rows.

use burn::tensor::{Int, Tensor};

use crate::blocks::experts::indices;
use crate::blocks::router::host_f64;
use crate::device::Device;
use crate::error::ModelError;

/// Of some rows of logits.
pub(crate) struct Summaries {
    /// ln Σ exp of each row; the sum is taken in f32.
    pub(crate) normalisers: Vec<f64>,
    /// The largest logit's index, the first of equals.
    pub(crate) best: Vec<usize>,
    /// The logits asked for.
    pub(crate) picked: Vec<f64>,
}

/// Summarises `[rows, vocabulary]`; `wanted` are rows and tokens, which must be in range.
///
/// # Errors
/// If a logit is NaN or infinite, or the device fails.
pub(crate) fn summaries(
    logits: Tensor<2>,
    wanted: &[(usize, usize)],
    device: &Device,
) -> Result<Summaries, ModelError> {
    let [rows, width] = logits.dims();
    let most = logits.clone().max_dim(1);
    let sums = (logits.clone() - most.clone()).exp().sum_dim(1);
    let columns: Tensor<1, Int> = Tensor::arange(0..width as i64, device.burn());
    let columns = columns.float().reshape([1, width]).expand([rows, width]);
    let smaller = logits.clone().lower(most.clone().expand([rows, width]));
    let best = columns.mask_fill(smaller, width as f64).min_dim(1);
    let cells: Vec<usize> = wanted.iter().map(|(row, token)| row * width + token).collect();
    let least = logits.clone().min_dim(1);
    let picked: Tensor<1> = logits.reshape([rows * width]).select(0, indices(&cells, device));
    let flat = |x: Tensor<2>| x.reshape([rows]);
    let all: Tensor<1> = Tensor::cat(vec![flat(most), flat(sums), flat(best), flat(least), picked], 0);
    let values = host_f64(all, "logits")?;
    let (of_rows, picked) = values.split_at(4 * rows);
    let column = |which: usize| &of_rows[which * rows..(which + 1) * rows];
    let (most, sums, best, least) = (column(0), column(1), column(2), column(3));
    let checked = most.iter().chain(sums).chain(least);
    if let Some(bad) = checked.into_iter().find(|value| !value.is_finite()) {
        return Err(ModelError::NotFinite {
            place: "logits".into(),
            found: bad.to_string(),
        });
    }
    #[allow(clippy::cast_sign_loss)] // Indices, which f32 holds.
    let best = best.iter().map(|&index| index as usize).collect();
    Ok(Summaries {
        normalisers: most.iter().zip(sums).map(|(most, sum)| most + sum.ln()).collect(),
        best,
        picked: picked.to_vec(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::summaries;
    use crate::blocks::rope::host;
    use crate::device::{Device, DeviceKind, Precision};

    #[test]
    fn rows_by_hand() {
        let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
        let logits = |rows: Vec<f64>| host(rows, [2, 3], &device);
        let found = summaries(
            logits(vec![0.0, 2.0, 2.0, -1.0, -3.0, -2.0]),
            &[(0, 2), (1, 1), (1, 0)],
            &device,
        )
        .unwrap();
        assert_eq!(found.best, [1, 0]);
        assert_eq!(found.picked, [2.0, -3.0, -1.0]);
        let expected = [
            (1.0 + 2.0 * 2f64.exp()).ln(),
            [-1f64, -3.0, -2.0].iter().map(|l| l.exp()).sum::<f64>().ln(),
        ];
        assert!(
            found
                .normalisers
                .iter()
                .zip(expected)
                .all(|(found, expected)| (found - expected).abs() < 1e-6)
        );
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(summaries(logits(vec![0.0, bad, 2.0, -1.0, -3.0, -2.0]), &[(0, 0)], &device).is_err());
        }
    }
}
