//! Data inside a page: JSON, gzip, base64.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// The value as text that no page mistakes for markup: letters, digits, `+`, `/`, `=`. Equal values give equal texts.
///
/// # Errors
/// [`Error::Page`] if it has no JSON form.
pub(super) fn packed(value: &impl Serialize) -> Result<String, Error> {
    let failed = |message: String| Error::Page { message };
    let json = serde_json::to_vec(value).map_err(|e| failed(e.to_string()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&json).map_err(|e| failed(e.to_string()))?;
    let bytes = encoder.finish().map_err(|e| failed(e.to_string()))?;
    Ok(STANDARD.encode(bytes))
}

/// A source of a content security policy that allows this script alone.
pub(super) fn source(script: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(script.as_bytes())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_and_is_no_markup() {
        let text = "</script><script>alert(1)</script>".repeat(50);
        let packed = packed(&text).unwrap();
        assert!(packed.len() < text.len() && !packed.contains('<'));
        let mut json = String::new();
        flate2::read::GzDecoder::new(&*STANDARD.decode(packed).unwrap())
            .read_to_string(&mut json)
            .unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn a_script_is_named_by_its_hash() {
        assert_eq!(source(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
