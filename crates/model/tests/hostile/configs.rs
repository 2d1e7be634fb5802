//! config.json.

use std::fs;

use serde_json::{Value, json};

use secateur_model::checkpoint::Checkpoint;
use secateur_model::model::inspect;

use super::{check, copy, good, refusal};

fn of_text(text: &[u8]) -> String {
    let folder = copy();
    fs::write(folder.path().join("config.json"), text).unwrap();
    refusal(folder.path())
}

fn of_fields(change: &Value) -> String {
    let text = fs::read_to_string(good().join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    for (field, value) in change.as_object().unwrap() {
        if *value == json!("REMOVED") {
            config.as_object_mut().unwrap().remove(field);
        } else {
            config[field] = value.clone();
        }
    }
    of_text(config.to_string().as_bytes())
}

#[test]
fn text_that_is_no_config_is_refused() {
    let deep = format!("{{\"model_type\": {}", "[".repeat(200_000));
    let wide = format!("{{\"model_type\": \"{}\"}}", "x".repeat(100_000));
    for (text, word) in [
        (&b""[..], "EOF"),
        (b"[]", "expected an object"),
        (b"null", "expected an object"),
        (b"\"olmoe\"", "expected an object"),
        (b"{", "EOF"),
        (b"{\"model_type\": \"olmoe\"} x", "trailing characters"),
        (b"{'model_type': 'olmoe'}", "key must be a string"),
        (b"{\"a\": 1e999}", "number out of range"),
        (b"{\"a\": \"\xff\"}", "not UTF-8"),
        (b"{\"a\": \"\x00\"}", "control character"),
        (b"\x80\x04\x95pickle", "not UTF-8"),
        (deep.as_bytes(), "recursion limit"),
        (wide.as_bytes(), "is not supported"),
    ] {
        let message = of_text(text);
        check(
            &String::from_utf8_lossy(&text[..text.len().min(60)]),
            &message,
            &["config.json", word],
        );
    }
    let huge = vec![b' '; 9 << 20];
    check("9 MB", &of_text(&huge), &["config.json is 9437184 bytes, and at most"]);
}

#[test]
#[allow(clippy::too_many_lines)] // a table
fn fields_that_are_wrong_are_named_with_what_was_found_and_expected() {
    for (change, words) in [
        (json!({"model_type": "REMOVED"}), ["model_type", "missing"]),
        (json!({"model_type": 3}), ["model_type", "expected a string"]),
        (
            json!({"model_type": "brand_new"}),
            ["`brand_new` is not supported", "olmoe"],
        ),
        (json!({"model_type": "\u{1b}[31mred"}), ["model_type", "not supported"]),
        (
            json!({"hidden_size": "REMOVED"}),
            ["`hidden_size` is missing", "a positive whole number"],
        ),
        (
            json!({"hidden_size": -48}),
            ["`hidden_size` is -48", "a positive whole number"],
        ),
        (
            json!({"hidden_size": 48.5}),
            ["`hidden_size` is 48.5", "a positive whole number"],
        ),
        (
            json!({"hidden_size": "48"}),
            ["`hidden_size` is \"48\"", "a positive whole number"],
        ),
        (
            json!({"hidden_size": 0}),
            ["`hidden_size` is 0", "a positive whole number"],
        ),
        (
            json!({"hidden_size": 9_223_372_036_854_775_808_u64}),
            ["`hidden_size` is 9223372036854775808", "a positive whole number"],
        ),
        (
            json!({"hidden_size": {"a": [1]}}),
            ["`hidden_size` is an object", "a positive whole number"],
        ),
        (
            json!({"hidden_size": 49}),
            ["hidden_size", "multiple of num_attention_heads"],
        ),
        (
            json!({"num_hidden_layers": 0}),
            ["`num_hidden_layers` is 0", "a positive whole number"],
        ),
        (
            json!({"num_hidden_layers": 4_000_000_000_u64}),
            ["`num_hidden_layers` is 4000000000", "every layer has some"],
        ),
        (
            json!({"num_hidden_layers": 4}),
            ["model.layers.3.", "config.json implies it"],
        ),
        (
            json!({"num_experts": 4_000_000_000_u64}),
            ["`num_experts` is 4000000000", "bytes of weights"],
        ),
        (
            json!({"num_experts": 65_536, "num_hidden_layers": 60}),
            ["`num_experts` is 65536", "bytes of weights"],
        ),
        (json!({"num_experts": 9}), ["experts.8.", "config.json implies it"]),
        (json!({"num_experts": [8]}), ["num_experts", "whole number"]),
        (json!({"num_experts": 1}), ["num_experts_per_tok", "at most"]),
        (
            json!({"num_experts_per_tok": 0}),
            ["`num_experts_per_tok` is 0", "a positive whole number"],
        ),
        (
            json!({"num_experts_per_tok": 9}),
            ["`num_experts_per_tok` is 9", "at most"],
        ),
        (
            json!({"vocab_size": 0}),
            ["`vocab_size` is 0", "a positive whole number"],
        ),
        (
            json!({"vocab_size": 511}),
            ["[512, 48]", "config.json implies [511, 48]"],
        ),
        (
            json!({"vocab_size": 4_294_967_296_u64, "hidden_size": 4_294_967_296_u64, "num_attention_heads": 1, "num_key_value_heads": 1}),
            ["config.json implies", "model."],
        ),
        (
            json!({"num_attention_heads": 0}),
            ["`num_attention_heads` is 0", "a positive whole number"],
        ),
        (json!({"num_key_value_heads": 4}), ["num_key_value_heads", "divisor"]),
        (
            json!({"intermediate_size": 4_294_967_296_u64}),
            ["config.json implies", "experts.0."],
        ),
        (
            json!({"rms_norm_eps": "small"}),
            ["`rms_norm_eps` is \"small\"", "a number"],
        ),
        (json!({"rope_theta": 0}), ["`rope_theta`", "positive"]),
        (json!({"rope_theta": -1e4}), ["`rope_theta`", "positive"]),
        (json!({"rope_scaling": []}), ["`rope_scaling`", "expected an object"]),
        (
            json!({"rope_scaling": {"rope_type": "spiral", "factor": 2.0}}),
            ["rope_type", "`spiral`"],
        ),
        (
            json!({"rope_scaling": {"rope_type": "linear", "factor": 0.0}}),
            ["factor", "at least 1"],
        ),
        (json!({"hidden_act": "gelu"}), ["hidden_act", "`gelu`"]),
        (
            json!({"tie_word_embeddings": "no"}),
            ["`tie_word_embeddings`", "true or false"],
        ),
    ] {
        let message = of_fields(&change);
        check(&change.to_string(), &message, &words);
        assert!(message.contains("config.json"), "{change}: {message}");
    }
}

#[test]
fn what_messages_quote_of_a_file_is_short_and_plain() {
    let long = "\\u001b[31m".to_owned() + &"y".repeat(50_000);
    let folder = copy();
    let header = format!(r#"{{"a":{{"dtype":"F32","shape":"{long}","data_offsets":[0,4]}}}}"#);
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    fs::write(folder.path().join("model.safetensors"), file).unwrap();
    check(
        "header",
        &refusal(folder.path()),
        &["model.safetensors is not a valid safetensors file", "line 1 column"],
    );
    let folder = copy();
    let index = format!(r#"{{"weight_map": "{long}"}}"#);
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    check(
        "index",
        &refusal(folder.path()),
        &["index.json is not the expected JSON", "line 1 column"],
    );
    check(
        "option",
        &of_fields(&json!({"hidden_act": "z".repeat(90_000)})),
        &["`hidden_act` ="],
    );
    let message = of_fields(&json!({"rope_scaling": {"rope_type": "\u{7}".repeat(500)}}));
    check("rope", &message, &["rope_type"]);
}

/// The config says that the output projection is the embedding. It is, only where the weights say so too.
#[test]
fn an_output_projection_is_the_embedding_only_if_it_is() {
    let folder = copy();
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config["tie_word_embeddings"] = json!(true);
    fs::write(&path, config.to_string()).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert!(!inspect(&checkpoint).unwrap().1.tied_embeddings);

    let tensor = |name: &str| checkpoint.tensor(name).unwrap();
    let (embedding, output) = (tensor("model.embed_tokens.weight"), tensor("lm_head.weight"));
    let same = fs::read(&embedding.file).unwrap()[embedding.range.clone()].to_vec();
    let mut file = fs::read(&output.file).unwrap();
    file[output.range.clone()].copy_from_slice(&same);
    let changed = folder.path().join("changed");
    fs::write(&changed, file).unwrap();
    fs::rename(changed, &output.file).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert!(inspect(&checkpoint).unwrap().1.tied_embeddings);

    // Under the projection's name alone; the other keeps its place under a name that nobody knows.
    for entry in fs::read_dir(folder.path()).unwrap().flatten() {
        let mut bytes = fs::read(entry.path()).unwrap();
        let name = b"model.embed_tokens.weight";
        while let Some(at) = bytes.windows(name.len()).position(|window| window == name) {
            bytes[at] = b'x';
        }
        let changed = folder.path().join("changed");
        fs::write(&changed, bytes).unwrap();
        fs::rename(changed, entry.path()).unwrap();
    }
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let (_, spec, unused) = inspect(&checkpoint).unwrap();
    assert_eq!(spec.names.embedding, "lm_head.weight");
    assert!(spec.tied_embeddings && !spec.is_skipped("lm_head.weight"));
    assert_eq!(unused, ["xodel.embed_tokens.weight"]);
}
