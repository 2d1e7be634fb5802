//! Distances between tokens, in buckets that grow with the distance.

use burn::tensor::{Int, Tensor, TensorData};
use secateur_model::Device;

use super::weights::tensor;

/// How attention knows where tokens stand, besides position embeddings.
#[derive(Debug, Clone)]
pub enum Relative {
    /// Not at all.
    None,
    /// A number per head and bucket of distance is added to the scores of all layers (T5, <https://arxiv.org/abs/1910.10683>).
    Bias {
        /// `[buckets, heads]`, row by row.
        table: Vec<f32>,
        /// Number of heads.
        heads: usize,
        /// Number of buckets, for both directions together.
        buckets: usize,
        /// From this distance on all share the last bucket.
        max_distance: usize,
    },
    /// Keys and queries of distances (DeBERTa, <https://arxiv.org/abs/2006.03654>), with logarithmic buckets since v2.
    Rows(Distances),
}

/// Rows of DeBERTa's table of distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distances {
    /// The table has rows for `-span … span - 1`.
    pub span: usize,
    /// Number of buckets; `None`: each distance has its own.
    pub buckets: Option<usize>,
    /// Distance of the last bucket.
    pub max_distance: usize,
}

/// The same for sequences of one length.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// Nothing.
    None,
    /// `[1, heads, length, length]`.
    Bias(Box<Tensor<4>>),
    /// Rows of the table.
    Rows(Box<Rows>),
}

/// Which row of the table belongs to which distance, for `length` tokens: `2 · length` entries each.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Distances `length - 1`, `length - 2`, …, `-length`.
    pub descending: Tensor<1, Int>,
    /// Distances `-(length - 1)`, …, `length`.
    pub ascending: Tensor<1, Int>,
}

impl Relative {
    /// What sequences of `length` tokens need.
    #[must_use]
    pub fn prepare(&self, length: usize, device: &Device) -> Prepared {
        match self {
            Self::None => Prepared::None,
            Self::Bias {
                table,
                heads,
                buckets,
                max_distance,
            } => {
                let bucket: Vec<usize> = (0..2 * length)
                    .map(|at| t5_bucket(at as i64 - length as i64, *buckets, *max_distance))
                    .collect();
                let mut values = Vec::with_capacity(heads * length * length);
                for head in 0..*heads {
                    for query in 0..length {
                        let key = |key: usize| table[bucket[length + key - query] * heads + head];
                        values.extend((0..length).map(key));
                    }
                }
                Prepared::Bias(Box::new(tensor(values, [1, *heads, length, length], device)))
            }
            Self::Rows(distances) => {
                let rows = |distance: &dyn Fn(i64) -> i64| {
                    let rows: Vec<i64> = (0..2 * length as i64).map(|at| distances.row(distance(at))).collect();
                    Tensor::from_data(TensorData::new(rows, [2 * length]), device.burn())
                };
                let last = length as i64 - 1;
                Prepared::Rows(Box::new(Rows {
                    descending: rows(&|at| last - at),
                    ascending: rows(&|at| at - last),
                }))
            }
        }
    }
}

impl Distances {
    /// Row of the distance `query - key`.
    #[must_use]
    pub fn row(&self, distance: i64) -> i64 {
        let bucket = match self.buckets {
            Some(buckets) => deberta_bucket(distance, buckets, self.max_distance),
            None => distance,
        };
        (bucket + self.span as i64).clamp(0, 2 * self.span as i64 - 1)
    }
}

/// Near distances count themselves, far ones logarithmically, in f32 as transformers has it: the rounding decides on the borders.
fn deberta_bucket(distance: i64, buckets: usize, max_distance: usize) -> i64 {
    let middle = (buckets / 2) as i64;
    let absolute = if -middle < distance && distance < middle {
        middle - 1
    } else {
        distance.abs()
    };
    if absolute <= middle {
        return distance;
    }
    let middle_f32 = middle as f32;
    let whole = ((max_distance as f64 - 1.0) / middle as f64) as f32;
    let steps = (absolute as f32 / middle_f32).ln() / whole.ln() * (middle_f32 - 1.0);
    (steps.ceil() as i64 + middle) * distance.signum()
}

/// Bucket of `key - query`: half of the buckets are for keys behind the query.
fn t5_bucket(distance: i64, buckets: usize, max_distance: usize) -> usize {
    let half = buckets / 2;
    let behind = if distance > 0 { half } else { 0 };
    let distance = distance.unsigned_abs() as usize;
    let exact = half / 2;
    if distance < exact {
        return behind + distance;
    }
    let range = (max_distance as f64 / exact as f64).ln() as f32;
    let steps = (distance as f32 / exact as f32).ln() / range * (half - exact) as f32;
    #[allow(clippy::cast_sign_loss)] // The logarithm of at least 1.
    let steps = steps as usize;
    behind + (exact + steps).min(half - 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Values of transformers' functions, written by the script that makes the checkpoints.
    #[test]
    fn buckets_are_those_of_transformers() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/encoders/buckets.json");
        let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let mut compared = 0;
        for case in golden["cases"].as_array().unwrap() {
            let number = |field: &str| case[field].as_i64().unwrap();
            let size = |field: &str| case[field].as_u64().unwrap() as usize;
            let (buckets, max_distance) = (size("buckets"), size("max_distance"));
            let first = number("first");
            for (at, expected) in case["values"].as_array().unwrap().iter().enumerate() {
                let distance = first + at as i64;
                let found = match case["kind"].as_str().unwrap() {
                    "t5" => t5_bucket(distance, buckets, max_distance) as i64,
                    _ => deberta_bucket(distance, buckets, max_distance),
                };
                assert_eq!(Some(found), expected.as_i64(), "{buckets} {max_distance}: {distance}");
                compared += 1;
            }
        }
        assert!(compared > 1000);
    }
}
