//! Files that are not what their names say, and names that lead elsewhere.

use std::fs;
use std::path::Path;

use secateur_model::checkpoint::Checkpoint;
use secateur_model::generation_config::GenerationConfig;
use secateur_model::text::Tokenizer;

use super::{check, copy, refusal};

/// Replaces the weights with this file.
fn weights(name: &str, contents: &[u8]) -> String {
    let folder = copy();
    for entry in fs::read_dir(folder.path()).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("model") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    fs::write(folder.path().join(name), contents).unwrap();
    refusal(folder.path())
}

#[test]
fn pickles_are_refused_by_design() {
    for name in [
        "pytorch_model.bin",
        "pytorch_model-00001-of-00002.bin",
        "model.pt",
        "consolidated.00.pth",
        "last.ckpt",
    ] {
        check(
            name,
            &weights(name, b"\x80\x02}q\x00."),
            &[
                name,
                "Python pickles, which can run code when read",
                "convert them first",
            ],
        );
    }
}

#[test]
fn other_formats_under_the_name_of_weights_are_refused() {
    for contents in [
        &b"\x80\x02}q\x00."[..],
        b"PK\x03\x04\x14\x00\x00\x08\x08\x00 torch archive",
        b"GGUF\x03\x00\x00\x00\x00\x00\x00\x00",
        b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00",
        b"<!doctype html><title>Sign in</title>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        b"",
    ] {
        let shown = String::from_utf8_lossy(contents).into_owned();
        check(
            &shown,
            &weights("model.safetensors", contents),
            &["model.safetensors is not a valid safetensors file"],
        );
    }
}

/// A file of 56 bytes that claims to hold 2⁵⁰ of them, and headers whose sizes overflow.
#[test]
fn claims_beyond_the_file_cost_nothing() {
    let with_header = |length: u64, header: &str| {
        let mut file = length.to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        weights("model.safetensors", &file)
    };
    check(
        "length",
        &with_header(1 << 50, "{}"),
        &["its header claims 1125899906842624 bytes"],
    );
    let tensor = r#"{"a":{"dtype":"F32","shape":[281474976710656],"data_offsets":[0,1125899906842624]}}"#;
    check(
        "offsets",
        &with_header(tensor.len() as u64, tensor),
        &["tensor `a` ends at byte 1125899906842624"],
    );
    let tensor = r#"{"a":{"dtype":"F32","shape":[0,18446744073709551615,18446744073709551615],"data_offsets":[0,0]}}"#;
    let message = with_header(tensor.len() as u64, tensor);
    assert!(!message.is_empty(), "no panic");
}

#[cfg(unix)]
#[test]
fn no_file_is_read_outside_the_directory() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    for name in [
        "config.json",
        "model-00001-of-00003.safetensors",
        "model.safetensors.index.json",
    ] {
        let folder = copy();
        let link = folder.path().join(name);
        fs::rename(&link, outside.path().join(name)).unwrap();
        symlink(outside.path().join(name), &link).unwrap();
        check(name, &refusal(folder.path()), &[name, "is a link to", "copy the file"]);
    }
    let text = |name: &str, open: &dyn Fn(&Path) -> String| {
        let folder = copy();
        let link = folder.path().join(name);
        let _ = fs::remove_file(&link);
        fs::write(outside.path().join(name), "{}").unwrap();
        symlink(outside.path().join(name), &link).unwrap();
        check(name, &open(folder.path()), &[name, "is a link to"]);
    };
    let tokenizer = |folder: &Path| Tokenizer::open(folder).unwrap_err().to_string();
    text("tokenizer.json", &tokenizer);
    text("tokenizer_config.json", &tokenizer);
    text("generation_config.json", &|folder| {
        let checkpoint = Checkpoint::open(folder).unwrap();
        GenerationConfig::open(folder, checkpoint.config())
            .unwrap_err()
            .to_string()
    });
    text("chat_template.jinja", &|folder| {
        let none = std::collections::BTreeMap::new();
        secateur_model::text::ChatTemplates::open(folder, &none)
            .unwrap_err()
            .to_string()
    });
}

#[cfg(unix)]
#[test]
fn pipes_and_circles_are_refused_rather_than_waited_for() {
    use std::os::unix::fs::symlink;

    let folder = copy();
    let config = folder.path().join("config.json");
    fs::remove_file(&config).unwrap();
    symlink("config.json", &config).unwrap();
    check("circle", &refusal(folder.path()), &["config.json"]);
    fs::remove_file(&config).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&config).status();
    if made.is_ok_and(|status| status.success()) {
        check("pipe", &refusal(folder.path()), &["config.json is a pipe or a device"]);
    }
}

#[test]
fn generation_configs_are_refused_by_name() {
    for (text, words) in [
        ("[]", ["generation_config.json", "expected an object"]),
        ("{\"eos_token_id\": \"x\"}", ["`eos_token_id`", "a token id"]),
        ("{\"eos_token_id\": 99999999999}", ["`eos_token_id`", "a token id"]),
        ("{\"do_sample\": 1}", ["`do_sample`", "true or false"]),
        ("{\"top_p\": 2}", ["`top_p`", "at most 1"]),
        ("{\"temperature\": -1}", ["`temperature`", "above 0"]),
    ] {
        let folder = copy();
        fs::write(folder.path().join("generation_config.json"), text).unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let error = GenerationConfig::open(folder.path(), checkpoint.config()).unwrap_err();
        check(text, &error.to_string(), &words);
    }
}
