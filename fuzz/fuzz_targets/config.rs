//! A config.json of any text, read by every family: a plain description, or a message.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use secateur_model::checkpoint::Config;
use secateur_model::families::{FAMILIES, family};
use secateur_model::generation_config::GenerationConfig;
use secateur_model::model::moe_layers;
use tempfile::TempDir;

/// In memory where the system has such a place: the disk would set the pace.
fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a temporary directory")
}

fuzz_target!(|content: &[u8]| {
    let Ok(text) = std::str::from_utf8(content) else {
        return;
    };
    let Ok(config) = Config::parse(Path::new("config.json"), text) else {
        return;
    };
    let _ = family(&config);
    for family in FAMILIES {
        match family.spec(&config) {
            Ok(spec) => {
                for layer in moe_layers(&spec) {
                    assert!(layer.top_k >= 1 && layer.top_k <= layer.experts, "{layer:?}");
                }
            }
            Err(error) => assert!(error.to_string().contains("config.json"), "{error}"),
        }
    }
    let _ = config.unread();
    // The same text as generation_config.json.
    let directory = scratch();
    std::fs::write(directory.path().join("generation_config.json"), content).expect("a file");
    let _ = GenerationConfig::open(directory.path(), &config);
});
