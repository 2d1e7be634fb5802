//! The published masks of arXiv:2607.01444 in one packed file.
//!
//! `{"source", "num_experts": {model: E}, "files": [{"dir", "model", "domain", "method", "seed", "ratio", "mask": [[kept ids] per
//! layer]}]}`, gzip-compressed or not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

/// The published file unpacks to about ten megabytes.
const LARGEST_BYTES: u64 = 256 << 20;

/// All masks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PublishedMasks {
    /// Experts of each model.
    pub num_experts: BTreeMap<String, usize>,
    /// One per directory.
    pub files: Vec<PublishedMask>,
}

/// One `expert_mask.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PublishedMask {
    /// Name of its directory.
    pub dir: String,
    /// Model.
    pub model: String,
    /// `medinst`, or `dual`.
    pub domain: String,
    /// Method.
    pub method: String,
    /// Seed.
    pub seed: u64,
    /// Share removed.
    pub ratio: f64,
    /// Kept ids per layer, best first.
    pub mask: Vec<Vec<usize>>,
}

/// Reads the file.
///
/// # Errors
/// A message with the path if it cannot be read, unpacks to more than 256 MiB, or is something else.
pub fn read(path: &Path) -> Result<PublishedMasks, String> {
    let place = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = unpacked(path).map_err(|e| place(&e))?;
    if text.len() as u64 > LARGEST_BYTES {
        return Err(place(&format!("it unpacks to more than {LARGEST_BYTES} bytes")));
    }
    serde_json::from_slice(&text).map_err(|e| place(&format!("is no collection of published masks ({e})")))
}

fn unpacked(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut magic = [0; 2];
    let packed = file.read(&mut magic)? == 2 && magic == [0x1f, 0x8b];
    file.seek(SeekFrom::Start(0))?;
    let mut text = Vec::new();
    if packed {
        let unpacked = flate2::read::GzDecoder::new(file);
        unpacked.take(LARGEST_BYTES + 1).read_to_end(&mut text)?;
    } else {
        file.take(LARGEST_BYTES + 1).read_to_end(&mut text)?;
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TEXT: &str = r#"{"source": "by hand", "num_experts": {"m": 2}, "files": [{"dir": "m-d-reap-0", "model": "m", "domain": "d",
        "method": "reap", "seed": 0, "ratio": 0.5, "mask": [[1]]}]}"#;

    #[test]
    fn packed_and_plain_files_are_read_and_others_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("masks.json.gz");
        std::fs::write(&path, TEXT).unwrap();
        let plain = read(&path).unwrap();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(TEXT.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        std::fs::write(&path, &packed).unwrap();
        assert_eq!(read(&path).unwrap(), plain);
        for bad in [
            &b""[..],
            b"[]",
            b"{}",
            &packed[..packed.len() / 2],
            b"\x1f\x8b nonsense",
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(read(&path).unwrap_err().contains("masks.json.gz: "));
        }
    }
}
