//! Reference values from safetensors files, as plain vectors.

use std::cmp::Ordering;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};

/// A safetensors file in memory.
pub struct Tensors {
    bytes: Vec<u8>,
    name: String,
}

/// One tensor: sizes and values, row-major. Integers and f32 are widened; the goldens' integers are exact in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Sizes.
    pub shape: Vec<usize>,
    /// Values.
    pub values: Vec<f64>,
}

impl Tensor {
    /// Rows of the last dimension.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.shape.last().copied().unwrap_or(1).max(1))
    }
}

impl Tensors {
    /// Reads a file.
    ///
    /// # Errors
    /// A message with the path if it cannot be read or is no safetensors file.
    pub fn open(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|e| format!("{name}: {e}"))?;
        SafeTensors::deserialize(&bytes).map_err(|e| format!("{name}: not a safetensors file: {e}"))?;
        Ok(Self { bytes, name })
    }

    /// A tensor of F64, F32, I64 or I32; nothing if it is absent or of another type.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Tensor> {
        let file = SafeTensors::deserialize(&self.bytes).ok()?;
        let tensor = file.tensor(name).ok()?;
        let data = tensor.data();
        let values = match tensor.dtype() {
            Dtype::F64 => data.chunks_exact(8).map(|b| f64::from_le_bytes(word(b))).collect(),
            Dtype::I64 => data
                .chunks_exact(8)
                .map(|b| i64::from_le_bytes(word(b)) as f64)
                .collect(),
            Dtype::F32 => data
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes(word(b))))
                .collect(),
            Dtype::I32 => data
                .chunks_exact(4)
                .map(|b| f64::from(i32::from_le_bytes(word(b))))
                .collect(),
            _ => return None,
        };
        Some(Tensor {
            shape: tensor.shape().to_vec(),
            values,
        })
    }

    /// As [`Tensors::get`], for a tensor that must be there.
    ///
    /// # Errors
    /// A message with file and name.
    pub fn require(&self, name: &str) -> Result<Tensor, String> {
        self.get(name)
            .ok_or_else(|| format!("{}: no tensor `{name}` of F64, F32, I64 or I32", self.name))
    }

    /// Whether there is such a tensor.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.bytes).is_ok_and(|file| file.tensor(name).is_ok())
    }

    /// A list of token ids; nothing if it is absent or holds something else.
    #[must_use]
    pub fn ids(&self, name: &str) -> Option<Vec<u32>> {
        let id = |&v: &f64| {
            #[allow(clippy::cast_sign_loss)]
            (v.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&v)).then_some(v as u32)
        };
        self.get(name)?.values.iter().map(id).collect()
    }

    /// The sequences `{prefix}0.input_ids`, `{prefix}1.input_ids`, …
    ///
    /// # Errors
    /// A message if there are none.
    pub fn sequences(&self, prefix: &str) -> Result<Vec<Vec<u32>>, String> {
        let sequences: Vec<_> = (0..)
            .map_while(|i| self.ids(&format!("{prefix}{i}.input_ids")))
            .collect();
        if sequences.is_empty() {
            return Err(format!("{}: no token ids `{prefix}0.input_ids`", self.name));
        }
        Ok(sequences)
    }
}

fn word<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut word = [0; N];
    word.copy_from_slice(bytes);
    word
}

/// Largest absolute difference; infinite if the lengths differ or a value is NaN.
#[must_use]
pub fn largest_difference(found: &[f64], expected: &[f64]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    // Equal infinities do not differ; their difference would be NaN.
    let difference = |(a, b): (&f64, &f64)| {
        if a.partial_cmp(b).is_some_and(Ordering::is_eq) {
            0.0
        } else {
            (a - b).abs()
        }
    };
    let differences = found.iter().zip(expected).map(difference);
    differences.fold(
        0.0,
        |most, d| if d.is_nan() { f64::INFINITY } else { f64::max(most, d) },
    )
}

/// Standard deviation around the mean, over all values.
#[must_use]
pub fn standard_deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    #[test]
    fn tensors_are_widened_and_wrong_ones_named() {
        let floats: Vec<u8> = [0.5f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let ids: Vec<u8> = [3i64, 1].iter().flat_map(|v| v.to_le_bytes()).collect();
        let views = [
            ("a", TensorView::new(Dtype::F32, vec![1, 2], &floats).unwrap()),
            ("calib0.input_ids", TensorView::new(Dtype::I64, vec![2], &ids).unwrap()),
            ("bytes", TensorView::new(Dtype::U8, vec![8], &floats).unwrap()),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        let file = Tensors::open(&path).unwrap();
        assert_eq!(
            file.get("a").unwrap(),
            Tensor {
                shape: vec![1, 2],
                values: vec![0.5, 2.0]
            }
        );
        assert_eq!(file.sequences("calib").unwrap(), [[3, 1]]);
        assert!(file.ids("a").is_none() && file.get("bytes").is_none() && file.has("bytes"));
        assert!(file.sequences("prompt").unwrap_err().contains("prompt0"));
        assert!(file.require("b").unwrap_err().contains("`b`"));
        fs::write(&path, "no").unwrap();
        assert!(Tensors::open(&path).is_err());
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn differences_by_hand() {
        assert_eq!(largest_difference(&[1.0, 2.0], &[1.5, 2.0]), 0.5);
        assert_eq!(largest_difference(&[1.0], &[]), f64::INFINITY);
        assert_eq!(largest_difference(&[f64::NAN, 1.0], &[1.0, 1.0]), f64::INFINITY);
        assert_eq!(largest_difference(&[f64::NAN], &[f64::NAN]), f64::INFINITY);
        assert_eq!(
            largest_difference(&[f64::NEG_INFINITY, 0.0], &[f64::NEG_INFINITY, -0.0]),
            0.0
        );
        assert_eq!(standard_deviation(&[1.0, 3.0]), 1.0);
    }
}
