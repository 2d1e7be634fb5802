//! A tokenizer.json of any bytes: opened and used, or refused with a message.
#![no_main]

use std::fs;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use secateur_model::text::Tokenizer;
use tempfile::TempDir;

fn directory() -> &'static TempDir {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        // The library's panics become errors; what libFuzzer would take for a crash is their report.
        std::panic::set_hook(Box::new(|_| {}));
        scratch()
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
    fs::write(directory.join("tokenizer.json"), content).expect("a file");
    match Tokenizer::open(directory) {
        Ok(tokenizer) => {
            let _ = tokenizer.check_ids(1000);
            if let Ok(ids) = tokenizer.encode("two words\n und ein Drittes 🧬", true) {
                let _ = tokenizer.decode(&ids, true);
            }
        }
        Err(error) => assert!(error.to_string().contains("tokenizer.json"), "{error}"),
    }
});
