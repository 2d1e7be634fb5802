//! A safetensors file of any bytes: parsed, or refused with a message.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use secateur_model::checkpoint::parse_header;

fuzz_target!(|content: &[u8]| {
    match parse_header(Path::new("model.safetensors"), content) {
        Ok(entries) => {
            let mut covered = None;
            for entry in entries {
                assert!(entry.range.end <= content.len(), "{entry:?}");
                assert_eq!(entry.dtype.bytes_of(&entry.shape), Some(entry.range.len()), "{entry:?}");
                assert!(covered.is_none_or(|end| end == entry.range.start), "{entry:?}");
                covered = Some(entry.range.end);
            }
        }
        Err(error) => assert!(error.to_string().starts_with("model.safetensors "), "{error}"),
    }
});
