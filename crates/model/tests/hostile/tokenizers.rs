//! tokenizer.json and its config.

use std::fs;

use secateur_model::text::{ChatTemplates, Tokenizer};
use serde_json::{Value, json};

use super::{check, copy, good};

fn open(change: impl FnOnce(&mut Value)) -> Result<Tokenizer, String> {
    let folder = copy();
    let text = fs::read_to_string(good().join("tokenizer.json")).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    change(&mut file);
    fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
    Tokenizer::open(folder.path()).map_err(|error| error.to_string())
}

fn of_text(text: &[u8]) -> String {
    let folder = copy();
    fs::write(folder.path().join("tokenizer.json"), text).unwrap();
    Tokenizer::open(folder.path()).unwrap_err().to_string()
}

#[test]
fn files_that_are_no_tokenizer_are_refused_by_name() {
    let deep = format!("{{\"normalizer\": {}", "[".repeat(100_000));
    let nested = format!(
        "{{\"version\": \"1.0\", \"model\": {{\"type\": \"BPE\", \"vocab\": {{}}, \"merges\": []}}, \"normalizer\": {}null{}}}",
        "{\"type\": \"Sequence\", \"normalizers\": [".repeat(5_000),
        "]}".repeat(5_000)
    );
    for text in [
        &b""[..],
        b"null",
        b"[]",
        b"{}",
        b"{\"version\": \"1.0\"}",
        b"{\"version\": \"9.0\", \"model\": {}}",
        b"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}, \"merges\": []}}",
        b"{\"model\": {\"type\": \"Unheard\", \"vocab\": {}}}",
        b"\x80\x04\x95 a pickle",
        b"PK\x03\x04 an archive",
        b"\x0a\x0b\xff\xfe sentencepiece",
        deep.as_bytes(),
        nested.as_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&text[..text.len().min(50)]).into_owned();
        check(
            &shown,
            &of_text(text),
            &[
                "tokenizer.json is not a tokenizer that can be loaded",
                "expected the tokenizer.json that",
            ],
        );
    }
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    let regex = json!({"type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated", "invert": false});
    let changes: Vec<(&str, Value)> = vec![
        ("/model/merges", json!([["no such token", "b"]])),
        ("/model/merges", json!([["a"]])),
        ("/model/merges", json!(["a b c d"])),
        ("/model/merges", json!(3)),
        ("/model/vocab", json!([1, 2])),
        ("/model/vocab", json!({"a": 99_999_999_999_u64})),
        ("/model/type", json!("Unheard")),
        ("/pre_tokenizer", regex),
        ("/pre_tokenizer", json!({"type": "Unheard"})),
        (
            "/normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        ),
        ("/decoder", json!({"type": 7})),
        (
            "/post_processor",
            json!({"type": "TemplateProcessing", "single": "$A", "pair": "$A $B", "special_tokens": 3}),
        ),
        ("/added_tokens", json!([{"content": "x"}])),
        ("/added_tokens", json!({})),
        ("/truncation", json!("yes")),
        ("/padding", json!([1])),
    ];
    assert!(changes.len() >= 15);
    for (place, value) in changes {
        let case = format!("{place} = {value}");
        let message = open(|file| *file.pointer_mut(place).unwrap() = value).err();
        let message = message.unwrap_or_else(|| panic!("{case} was accepted"));
        check(
            &case,
            &message,
            &["tokenizer.json is not a tokenizer that can be loaded"],
        );
    }
}

/// What is well-formed, but would take memory or time beyond the file's size, does not.
#[test]
fn sizes_that_a_file_asks_for_are_not_granted() {
    let tokenizer = open(|file| {
        file["padding"] = json!({"strategy": {"Fixed": 1_000_000_000_000_u64}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 1,
            "pad_type_id": 0, "pad_token": "<|pad|>"});
        file["truncation"] = json!({"direction": "Right", "max_length": 0, "strategy": "LongestFirst", "stride": 0});
    })
    .unwrap();
    let ids = tokenizer.encode("two words", false).unwrap();
    assert!(!ids.is_empty() && ids.len() <= 9);
}

#[test]
fn an_id_beyond_the_embedding_is_refused() {
    let beyond = open(|file| file["model"]["vocab"]["zzz"] = json!(4_000_000_000_u64)).unwrap();
    let message = beyond.check_ids(512).unwrap_err().to_string();
    check("id", &message, &["tokenizer.json", "has id 4000000000", "512 rows"]);
}

#[test]
fn tokenizer_configs_and_templates_are_refused_by_name() {
    for (name, text, words) in [
        (
            "tokenizer_config.json",
            "{",
            ["tokenizer_config.json is not the expected JSON", ""],
        ),
        (
            "tokenizer_config.json",
            "{\"eos_token\": 7}",
            ["tokenizer_config.json: eos_token is 7", "expected a string"],
        ),
        (
            "tokenizer_config.json",
            "{\"eos_token\": \"<none>\"}",
            ["eos_token is \"<none>\"", "not in the vocabulary"],
        ),
        (
            "tokenizer_config.json",
            "{\"chat_template\": 7}",
            ["tokenizer_config.json", "chat_template"],
        ),
        (
            "tokenizer_config.json",
            "{\"chat_template\": \"{% for %}\"}",
            ["chat template", "tokenizer_config.json"],
        ),
        (
            "chat_template.jinja",
            "{{ unclosed",
            ["chat template", "chat_template.jinja"],
        ),
        (
            "chat_template.jinja",
            "{% include '/etc/passwd' %}",
            ["chat template", "chat_template.jinja"],
        ),
    ] {
        let folder = copy();
        fs::write(folder.path().join(name), text).unwrap();
        let opened = Tokenizer::open(folder.path()).and_then(|tokenizer| {
            let templates = ChatTemplates::open(folder.path(), &tokenizer.special().texts)?;
            let messages = [secateur_model::text::Message::new("user", "x")];
            templates
                .unwrap()
                .get("default")?
                .render(&messages, true, &std::collections::BTreeMap::new())
        });
        check(text, &opened.unwrap_err().to_string(), &words);
    }
}
