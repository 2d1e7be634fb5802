#![allow(clippy::unwrap_used)]

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A byte-level BPE tokenizer of all 256 bytes, some words, and a begin token that the post-processor adds.
fn byte_level() -> Value {
    // The printable stand-ins of the byte-level alphabet: bytes that print stand for themselves, the others follow from U+0100.
    let prints = |byte: u32| (33..=126).contains(&byte) || (161..=172).contains(&byte) || (174..=255).contains(&byte);
    let mut next = 256;
    let mut vocabulary = serde_json::Map::new();
    for byte in 0..256_u32 {
        let stand_in = if prints(byte) {
            byte
        } else {
            next += 1;
            next - 1
        };
        vocabulary.insert(char::from_u32(stand_in).unwrap().to_string(), json!(byte));
    }
    vocabulary.insert("ab".into(), json!(256));
    let added = |id: u32, content: &str| json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    json!({
        "version": "1.0", "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 257, "pad_type_id": 0, "pad_token": "<s>"},
        "added_tokens": [added(257, "<s>"), added(258, "</s>")],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {
            "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [257], "tokens": ["<s>"]}}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": [["a", "b"]]}
    })
}

fn directory(tokenizer: &Value, config: &Value) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs::write(directory.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    directory
}

fn refusal(tokenizer: &Value, config: &Value) -> String {
    Tokenizer::open(directory(tokenizer, config).path())
        .unwrap_err()
        .to_string()
}

#[test]
fn text_goes_to_ids_and_back_without_truncation_or_padding() {
    let directory = directory(
        &byte_level(),
        &json!({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "add_bos_token": true, "unk_token": null}),
    );
    let tokenizer = Tokenizer::open(directory.path()).unwrap();
    assert_eq!(tokenizer.encode("abéa", false).unwrap(), [256, 0xc3, 0xa9, 97]);
    assert_eq!(tokenizer.encode("ab</s>", true).unwrap(), [257, 256, 258]);
    assert_eq!(tokenizer.decode(&[257, 256, 0xc3, 0xa9], false).unwrap(), "<s>abé");
    assert_eq!(tokenizer.decode(&[257, 256, 9999], true).unwrap(), "ab");
    assert_eq!(
        tokenizer.encode_detailed("éab", false).unwrap().offsets,
        [(0, 1), (0, 1), (1, 3)]
    );
    let special = tokenizer.special();
    assert_eq!(
        (
            special.bos.as_ref().unwrap().id,
            special.eos.as_ref().unwrap().id,
            &special.pad
        ),
        (257, 258, &None)
    );
    assert_eq!(special.texts.len(), 2);
}

#[test]
fn ids_beyond_the_embedding_are_refused() {
    let mut file = byte_level();
    let open = |file: &Value| Tokenizer::open(directory(file, &json!({})).path()).unwrap();
    let tokenizer = open(&file);
    tokenizer.check_ids(259).unwrap();
    let message = tokenizer.check_ids(258).unwrap_err().to_string();
    assert!(
        message.contains("token \"</s>\" has id 258, but the model's embedding has 258 rows"),
        "{message}"
    );
    file["post_processor"]["special_tokens"]["<s>"]["ids"] = json!([5000]);
    let message = open(&file).check_ids(259).unwrap_err().to_string();
    assert!(message.contains("has id 5000"), "{message}");
}

#[test]
fn tokenizers_that_do_not_load_are_refused_without_a_panic() {
    let mut long_merge = byte_level();
    long_merge["model"]["merges"] = json!([["aaaaaaaa", "bbbbbbbb"]]);
    let mut short_suffix = byte_level();
    short_suffix["model"]["continuing_subword_prefix"] = json!("########");
    let mut regex = byte_level();
    regex["pre_tokenizer"] =
        json!({"type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated", "invert": false});
    for file in [
        json!({}),
        json!([]),
        json!(null),
        json!({"version": "1.0"}),
        long_merge,
        short_suffix,
        regex,
    ] {
        let message = refusal(&file, &json!({}));
        assert!(
            message.contains("tokenizer.json is not a tokenizer that can be loaded: "),
            "{message}"
        );
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(
        Tokenizer::open(empty.path())
            .unwrap_err()
            .to_string()
            .contains("has no tokenizer.json: expected the file of a fast tokenizer")
    );
}

#[test]
fn roles_need_tokens_of_the_vocabulary() {
    assert!(
        refusal(&byte_level(), &json!({"eos_token": "<|end|>"}))
            .contains("eos_token is \"<|end|>\", which is not in the vocabulary")
    );
    assert!(
        refusal(&byte_level(), &json!({"eos_token": 3}))
            .contains("eos_token is 3, expected a string or an object with `content`")
    );
    assert!(refusal(&byte_level(), &json!({"eos_token": {"id": 3}})).contains("expected a string or an object"));
}

#[test]
fn a_stream_gives_whole_characters_and_finds_stop_strings() {
    let directory = directory(&byte_level(), &json!({}));
    let tokenizer = Tokenizer::open(directory.path()).unwrap();
    let mut stream = tokenizer.stream(true);
    let ids = tokenizer.encode("é ab🧬\n\nQ", true).unwrap();
    let pieces: Vec<String> = ids.iter().map(|&id| stream.push(id).unwrap().to_owned()).collect();
    assert_eq!(pieces, ["", "", "é", " ", "ab", "", "", "", "🧬", "\n", "\n", "Q"]);
    assert_eq!(stream.finish().unwrap(), "");
    assert_eq!(stream.stop_position(&["Q", "\n\n", ""]), Some(9));
    assert_eq!(stream.stop_position(&["Z"]), None);
    let mut cut = tokenizer.stream(true);
    assert_eq!((cut.push(97).unwrap(), "a"), ("a", "a"));
    assert_eq!(cut.push(0xc3).unwrap(), "");
    assert_eq!(cut.finish().unwrap(), "\u{fffd}");
    assert_eq!(cut.text(), "a\u{fffd}");
}
