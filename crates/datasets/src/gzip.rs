//! Packed text files.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Far above any set that is read as text, far below what a bomb unpacks to.
const LARGEST: u64 = 4 << 30;

/// The bytes of a gzip file, all its members.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    unpack_at_most(packed, LARGEST)
}

fn unpack_at_most(packed: &[u8], largest: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = MultiGzDecoder::new(packed).take(largest + 1);
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| format!("bytes that cannot be unpacked ({error})"))?;
    if bytes.len() as u64 > largest {
        return Err(format!("more than {largest} bytes when unpacked"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_no_gzip_or_too_much_is_refused() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[b'a'; 1000]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(unpack(&packed).unwrap().len(), 1000);
        assert!(unpack_at_most(&packed, 999).unwrap_err().contains("more than 999"));
        assert!(
            unpack(&packed[..packed.len() - 9])
                .unwrap_err()
                .contains("cannot be unpacked")
        );
        assert!(unpack(b"plain").is_err());
    }
}
