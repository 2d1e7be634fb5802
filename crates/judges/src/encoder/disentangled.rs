//! Scores of content against distance and of distance against content.
//!
//! Source: DeBERTa, <https://arxiv.org/abs/2006.03654>, eq. 4:
//!
//! ```text
//! A[i, j] = Qc[i] Kc[j]ᵀ + Qc[i] Kr[δ(i, j)]ᵀ + Kc[j] Qr[δ(j, i)]ᵀ
//! ```
//!
//! divided by √(width · terms). As in transformers' v2, the last term takes the row of `i - j`, not of `j - i`.

use burn::tensor::Tensor;

use super::relative::Rows;

/// Projections of the table of distances, made once.
#[derive(Debug, Clone)]
pub struct Disentangled {
    /// Keys of distances, `[heads, rows, width]`.
    pub keys: Option<Tensor<3>>,
    /// Queries of distances, scaled, `[heads, rows, width]`.
    pub queries: Option<Tensor<3>>,
}

impl Disentangled {
    /// Adds to `scores` `[sequences, heads, length, length]`; queries are scaled already.
    #[must_use]
    pub fn add(&self, scores: Tensor<4>, query: Tensor<4>, key: Tensor<4>, rows: &Rows) -> Tensor<4> {
        let mut scores = scores;
        if let Some(keys) = &self.keys {
            let keys = keys.clone().select(1, rows.descending.clone());
            scores = scores + shifted(query.matmul(keys.swap_dims(1, 2).unsqueeze()));
        }
        if let Some(queries) = &self.queries {
            let queries = queries.clone().select(1, rows.ascending.clone());
            let turned = shifted(key.matmul(queries.swap_dims(1, 2).unsqueeze()));
            scores = scores + turned.swap_dims(2, 3);
        }
        scores
    }
}

/// `y[i, j] = x[i, length - 1 - i + j]`, from `[…, length, 2 · length]` to `[…, length, length]`.
///
/// Row by row in one line, `x[i, length - 1 - i + j]` stands at `i (2 length - 1) + (length - 1) + j`: rows that are one shorter, from
/// `length - 1` on.
fn shifted(x: Tensor<4>) -> Tensor<4> {
    let [sequences, heads, length, _] = x.dims();
    let line = x.reshape([sequences, heads, 2 * length * length]);
    let shorter = line.narrow(2, length - 1, length * (2 * length - 1));
    let rows = shorter.reshape([sequences, heads, length, 2 * length - 1]);
    rows.narrow(3, 0, length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    #[test]
    fn shifting_by_hand() {
        let device = Device::flex();
        for length in [1, 2, 5] {
            let values: Vec<f32> = (0..2 * length * 2 * length).map(|n| n as f32).collect();
            let x = Tensor::<4>::from_data(TensorData::new(values.clone(), [1, 2, length, 2 * length]), &device);
            let found = super::shifted(x).into_data().try_into_vec::<f32>().unwrap();
            let mut expected = Vec::new();
            for head in 0..2 {
                for i in 0..length {
                    let row = (head * length + i) * 2 * length;
                    expected.extend((0..length).map(|j| values[row + length - 1 - i + j]));
                }
            }
            assert_eq!(found, expected);
        }
    }
}
