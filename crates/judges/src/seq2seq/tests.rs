#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use secateur_model::{DeviceKind, Precision};
use serde_json::{Value, json};

use super::*;

pub(crate) fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bart");
    let mut found: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn open(directory: &Path, precision: Precision) -> Seq2Seq {
    let device = Device::open(DeviceKind::Cpu, precision).unwrap();
    Seq2Seq::open(directory, &device).unwrap()
}

fn golden(directory: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(directory.join("golden.json")).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn furthest(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn tokens_logits_and_probabilities_equal_transformers() {
    for directory in fixtures() {
        let (single, double) = (open(&directory, Precision::F32), open(&directory, Precision::F64));
        for case in golden(&directory)["cases"].as_array().unwrap() {
            let (source, target) = (ids(&case["source_ids"]), ids(&case["target_ids"]));
            let text = |side: &str| case[side].as_str().unwrap();
            assert_eq!(single.encode(text("source"), 1024).unwrap(), source, "{directory:?}");
            assert_eq!(single.encode(text("target"), 40).unwrap(), target, "{directory:?}");
            let pair = [(source.as_slice(), target.as_slice())];
            let ours = single.log_probabilities(&pair, &mut |_| ()).unwrap();
            assert!(furthest(&ours[0], &floats(&case["f32"])) < 1e-4, "{directory:?}");
            let ours = double.log_probabilities(&pair, &mut |_| ()).unwrap();
            let off = furthest(&ours[0], &floats(&case["f64"]));
            assert!(off < 1e-9, "{directory:?}: {off}");
            if let Some(logits) = case["logits"].as_array() {
                let ours = single.logits(&source, &target).unwrap();
                for (ours, theirs) in ours.iter().zip(logits) {
                    assert!(furthest(ours, &floats(theirs)) < 1e-4, "{directory:?}");
                }
            }
        }
    }
}

#[test]
fn what_else_is_in_the_batch_changes_nothing() {
    for directory in fixtures() {
        let model = open(&directory, Precision::F32);
        let golden = golden(&directory);
        let cases = golden["cases"].as_array().unwrap();
        let texts: Vec<(Vec<u32>, Vec<u32>)> = cases
            .iter()
            .map(|case| (ids(&case["source_ids"]), ids(&case["target_ids"])))
            .collect();
        let mut pairs: Vec<(&[u32], &[u32])> = texts.iter().map(|(s, t)| (s.as_slice(), t.as_slice())).collect();
        pairs.push(pairs[0]);
        let mut finished = 0;
        let together = model.log_probabilities(&pairs, &mut |n| finished += n).unwrap();
        assert_eq!(finished, pairs.len());
        assert_eq!(together[0], together[pairs.len() - 1]);
        for (pair, together) in pairs.iter().zip(&together) {
            let alone = model.log_probabilities(&[*pair], &mut |_| ()).unwrap();
            assert!(furthest(&alone[0], together) < 2e-5, "{directory:?}");
        }
    }
}

/// A copy of the first fixture, with config.json changed.
fn changed(change: impl Fn(&mut Value)) -> (tempfile::TempDir, String) {
    let (copy, directory) = (tempfile::tempdir().unwrap(), &fixtures()[0]);
    for name in ["tokenizer.json", "tokenizer_config.json", "model.safetensors"] {
        fs::copy(directory.join(name), copy.path().join(name)).unwrap();
    }
    let mut config: Value = serde_json::from_str(&fs::read_to_string(directory.join("config.json")).unwrap()).unwrap();
    change(&mut config);
    fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    let message = Seq2Seq::open(copy.path(), &device).map_or_else(|error| error.to_string(), |_| String::new());
    (copy, message)
}

#[test]
fn wrong_configs_are_one_message() {
    for (field, value, expected) in [
        (
            "model_type",
            json!("t5"),
            "model_type `t5` is not supported; supported: bart",
        ),
        (
            "tie_word_embeddings",
            json!(false),
            "`tie_word_embeddings` = false is not supported",
        ),
        (
            "activation_function",
            json!("swish"),
            "`activation_function` = swish is not supported",
        ),
        ("encoder_layers", json!(4_000_000_000_u64), "expected at most"),
        ("encoder_layers", json!(3), "is in none of the 1 safetensors"),
        ("encoder_layers", json!(1), "tensors that BART has no use for"),
        ("decoder_layers", json!(0), "expected a positive whole number"),
        (
            "encoder_attention_heads",
            json!(3),
            "expected a divisor of d_model (16)",
        ),
        ("d_model", json!("16"), "field `d_model` is \"16\""),
        ("vocab_size", json!(319), "but config.json implies [319, 16]"),
        (
            "max_position_embeddings",
            json!(4_294_967_296_u64),
            "config.json implies",
        ),
        (
            "decoder_start_token_id",
            json!(320),
            "expected an id below vocab_size (320)",
        ),
        (
            "decoder_ffn_dim",
            json!(null),
            "`decoder_ffn_dim` is null, expected a positive whole number",
        ),
    ] {
        let (_copy, message) = changed(|config| config[field] = value.clone());
        assert!(message.contains(expected), "{field}: {message}");
    }
    let (_copy, message) = changed(|_| ());
    assert_eq!(message, "");
}

#[test]
fn broken_weights_and_foreign_tokens_are_refused() {
    let (copy, _) = changed(|_| ());
    let file = copy.path().join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    let message = Seq2Seq::open(copy.path(), &device).unwrap_err().to_string();
    assert!(message.contains("holds NaN"), "{message}");
    let model = open(&fixtures()[0], Precision::F32);
    let long = vec![0_u32; 65];
    for (source, target, expected) in [
        (
            [].as_slice(),
            [1].as_slice(),
            "pair 0: the source has 0 tokens, expected 1 to 64",
        ),
        (&[1], &long, "the target has 65 tokens"),
        (
            &[320],
            &[1],
            "the source has token id 320, but the embedding has 320 rows",
        ),
    ] {
        let message = model
            .log_probabilities(&[(source, target)], &mut |_| ())
            .unwrap_err()
            .to_string();
        assert!(message.contains(expected), "{message}");
    }
}
