//! The four tensors that SummaC-Conv learned.
//!
//! The authors publish them as `summac_conv_vitc_sent_perc_e.bin`, a Python pickle, which is not read here. Make safetensors of it:
//!
//! ```sh
//! python -c "import torch; from safetensors.torch import save_file; save_file({k: v.float().contiguous() for k, v in
//!   torch.load('summac_conv_vitc_sent_perc_e.bin', map_location='cpu', weights_only=True).items()}, 'summac_conv.safetensors')"
//! ```
//!
//! or JSON with the same four names and nested lists of numbers.

use std::fs;
use std::path::Path;

use secateur_model::checkpoint::{Dtype, parse_header};
use serde_json::Value;

use super::summac::BINS;
use crate::error::JudgeError;

/// Largest file that is read: the real one has 3 kB.
const LIMIT: u64 = 1 << 20;

/// `mlp` and `layer_final` of SummaC-Conv with entailment alone.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvWeights {
    /// `mlp.weight`, one per bin.
    pub first: [f64; BINS.len() - 1],
    /// `mlp.bias`.
    pub first_bias: f64,
    /// `layer_final.weight`, `[classes][3]`.
    pub last: [[f64; 3]; 2],
    /// `layer_final.bias`.
    pub last_bias: [f64; 2],
}

impl ConvWeights {
    /// Reads a `.safetensors` or `.json` file.
    ///
    /// # Errors
    /// If it cannot be read, is a pickle, or a tensor is missing, of another shape or not finite.
    pub fn open(file: &Path) -> Result<Self, JudgeError> {
        const FORMS: &str = "a .safetensors or .json file of SummaC-Conv's four tensors";
        let wrong = |found: String, expected: &str| JudgeError::File {
            file: file.to_path_buf(),
            found,
            expected: expected.to_owned(),
        };
        let extension = file.extension().and_then(|name| name.to_str()).unwrap_or_default();
        if ["bin", "pt", "pth"].contains(&extension) {
            return Err(wrong(
                "a Python pickle, which can run code when it is read".into(),
                "a .safetensors or .json file of the same tensors; the documentation of SummaC-Conv has the line that makes it",
            ));
        }
        let bytes = fs::metadata(file)
            .and_then(|about| {
                if about.len() > LIMIT || !about.is_file() {
                    Ok(None)
                } else {
                    fs::read(file).map(Some)
                }
            })
            .map_err(|error| wrong(format!("that it cannot be read ({error})"), FORMS))?
            .ok_or_else(|| wrong("more than a megabyte, or no file".into(), FORMS))?;
        let values = |name: &str, count: usize| {
            let values = match extension {
                "json" => from_json(&bytes, name),
                "safetensors" => from_safetensors(file, &bytes, name)?,
                _ => return Err(wrong(format!("the extension `{extension}`"), FORMS)),
            };
            let values = values.ok_or_else(|| wrong(format!("no numbers `{name}`"), FORMS))?;
            if values.len() == count && values.iter().all(|value| value.is_finite()) {
                return Ok(values);
            }
            Err(wrong(
                format!("{} numbers in `{name}`, or some that are not finite", values.len()),
                &format!("{count} finite ones"),
            ))
        };
        let mut weights = Self {
            first: [0.0; BINS.len() - 1],
            first_bias: values("mlp.bias", 1)?[0],
            last: [[0.0; 3]; 2],
            last_bias: [0.0; 2],
        };
        weights.first.copy_from_slice(&values("mlp.weight", BINS.len() - 1)?);
        weights.last_bias.copy_from_slice(&values("layer_final.bias", 2)?);
        let last = values("layer_final.weight", 6)?;
        weights.last[0].copy_from_slice(&last[..3]);
        weights.last[1].copy_from_slice(&last[3..]);
        Ok(weights)
    }
}

fn from_json(bytes: &[u8], name: &str) -> Option<Vec<f64>> {
    fn collect(value: &Value, into: &mut Vec<f64>) -> Option<()> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| collect(item, into)),
            other => other.as_f64().map(|number| into.push(number)),
        }
    }
    let all: Value = serde_json::from_slice(bytes).ok()?;
    let mut values = Vec::new();
    collect(all.get(name)?, &mut values)?;
    Some(values)
}

fn from_safetensors(file: &Path, bytes: &[u8], name: &str) -> Result<Option<Vec<f64>>, JudgeError> {
    let entries = parse_header(file, bytes)?;
    let entry = entries
        .iter()
        .find(|entry| entry.name == name && entry.dtype == Dtype::F32);
    let data = entry.and_then(|entry| bytes.get(entry.range.clone()));
    Ok(data.map(|data| {
        data.chunks_exact(4)
            .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
            .collect()
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(name: &str, content: &[u8]) -> Result<ConvWeights, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(name);
        fs::write(&file, content).unwrap();
        ConvWeights::open(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_give_the_same() {
        let row: Vec<f32> = (0..23).map(|n| n as f32 / 8.0).collect();
        let json = serde_json::json!({
            "mlp.weight": [row], "mlp.bias": [0.5],
            "layer_final.weight": [[1, 2, 3], [4, 5, 6]], "layer_final.bias": [-1.5, 2]
        });
        let from_json = written("w.json", json.to_string().as_bytes()).unwrap();
        assert_eq!((from_json.first[22], from_json.last[1]), (2.75, [4.0, 5.0, 6.0]));
        let tensors: [(&str, &str, Vec<f32>); 4] = [
            ("mlp.weight", "[1,23]", row),
            ("mlp.bias", "[1]", vec![0.5]),
            ("layer_final.weight", "[2,3]", vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            ("layer_final.bias", "[2]", vec![-1.5, 2.0]),
        ];
        let (mut fields, mut data) = (Vec::new(), Vec::new());
        for (name, shape, values) in &tensors {
            let begin = data.len();
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            fields.push(format!(
                r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{begin},{}]}}"#,
                data.len()
            ));
        }
        let mut header = format!("{{{}}}", fields.join(","));
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(data);
        assert_eq!(written("w.safetensors", &file).unwrap(), from_json);
    }

    #[test]
    fn other_files_are_refused() {
        for (name, content, expected) in [
            ("w.bin", "x", "found a Python pickle"),
            ("w.json", "{}", "found no numbers `mlp.bias`"),
            ("w.json", r#"{"mlp.bias": [1, 2]}"#, "found 2 numbers in `mlp.bias`"),
            ("w.txt", "x", "the extension `txt`"),
        ] {
            let message = written(name, content.as_bytes()).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        assert!(ConvWeights::open(Path::new("/nowhere/w.json")).is_err());
    }
}
