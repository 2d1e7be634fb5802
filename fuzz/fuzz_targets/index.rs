//! An index of any text beside one small shard: opened, or refused with a message that names a file of the directory.
#![no_main]

use std::fs;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use secateur_model::checkpoint::{Checkpoint, survey};
use tempfile::TempDir;

fn directory() -> &'static TempDir {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = scratch();
        let header = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#;
        let mut shard = (header.len() as u64).to_le_bytes().to_vec();
        shard.extend_from_slice(header.as_bytes());
        shard.extend_from_slice(&[1, 2, 3]);
        fs::write(directory.path().join("1.safetensors"), shard).expect("a file");
        fs::write(directory.path().join("config.json"), "{}").expect("a file");
        directory
    })
}

/// In memory where the system has such a place: the disk would set the pace.
fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a temporary directory")
}

fuzz_target!(|content: &[u8]| {
    let directory = directory().path();
    fs::write(directory.join("model.safetensors.index.json"), content).expect("a file");
    let found = survey(directory);
    match Checkpoint::open(directory) {
        Ok(checkpoint) => {
            assert!(found.problems.is_empty(), "{:?}", found.problems);
            assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
            assert!(checkpoint.shard_files().all(|file| file.parent() == Some(directory)));
        }
        Err(error) => {
            assert!(!found.problems.is_empty(), "{error}");
            assert!(error.to_string().contains(&directory.display().to_string()), "{error}");
        }
    }
});
