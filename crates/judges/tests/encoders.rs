//! Encoders against transformers: every directory of `fixtures/encoders`, and what is refused.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use secateur_judges::encoder::{Encoder, EncoderOptions};
use secateur_judges::scorer::{Embedded, PairClassifier, TokenEmbedder};
use secateur_model::text::Truncation;
use secateur_model::{Device, DeviceKind, Precision};
use serde_json::Value;

/// Largest difference of f32 logits, in units of their spread over the pairs or of 1, whichever is larger. Sums are
/// taken in an order that depends on the machine's instructions.
const F32: f64 = 3e-5;
/// The same on other devices, whose elementary functions are others.
const ELSEWHERE: f64 = 1e-4;
/// Largest difference of f64 values; they leave the encoder as f32.
const F64: f64 = 2e-7;

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/encoders");
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut directories: Vec<PathBuf> = entries.filter(|path| path.join("golden.json").is_file()).collect();
    directories.sort();
    assert!(!directories.is_empty());
    directories
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/encoders")
        .join(name)
}

fn device(precision: Precision) -> Device {
    Device::open(DeviceKind::Cpu, precision).unwrap()
}

fn values(view: &TensorView<'_>) -> Vec<f64> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => bytes
            .chunks_exact(4)
            .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
            .collect(),
        Dtype::F64 => bytes
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

fn pairs(set: &Value) -> Vec<(&str, &str)> {
    set["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
        .collect()
}

fn options(set: &Value) -> EncoderOptions {
    EncoderOptions {
        max_length: set["max_length"].as_u64().map(|length| length as usize),
        truncation: match set["truncation"].as_str().unwrap() {
            "only_first" => Truncation::OnlyFirst,
            _ => Truncation::LongestFirst,
        },
        head: set["head"].as_str().map(str::to_owned),
        tokens_per_batch: 100,
    }
}

/// Mean over the classes of the deviation over the pairs.
fn spread(logits: &[f64], classes: usize) -> f64 {
    let pairs = (logits.len() / classes) as f64;
    let deviation = |class: usize| {
        let column = || logits.iter().skip(class).step_by(classes);
        let mean = column().sum::<f64>() / pairs;
        (column().map(|x| (x - mean).powi(2)).sum::<f64>() / pairs).sqrt()
    };
    (0..classes).map(deviation).sum::<f64>() / classes as f64
}

fn largest(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs());
    differences.fold(0.0, |largest, difference| {
        if difference.is_nan() {
            f64::INFINITY
        } else {
            f64::max(largest, difference)
        }
    })
}

#[test]
fn logits_are_those_of_transformers() {
    for directory in fixtures() {
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        let golden: Value = serde_json::from_str(&fs::read_to_string(directory.join("golden.json")).unwrap()).unwrap();
        let bytes = fs::read(directory.join("golden.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        for (at, set) in golden["pair_sets"].as_array().unwrap().iter().enumerate() {
            let expected = values(&tensors.tensor(&format!("logits.{at}")).unwrap());
            let pairs = pairs(set);
            for (precision, tolerance) in [(Precision::F32, F32), (Precision::F64, F64)] {
                let mut encoder = Encoder::open_with(&directory, &device(precision), &options(set)).unwrap();
                if set["head"].is_null() {
                    assert_eq!(encoder.labels(), strings(&golden["labels"]));
                }
                let mut finished = 0;
                let found = encoder.logits(&pairs, &mut |pairs| finished += pairs).unwrap();
                assert_eq!(finished, pairs.len());
                let difference = largest(&found.concat(), &expected);
                let unit = spread(&expected, encoder.labels().len()).max(1.0);
                println!("{name} {at} {}: {difference:.1e}", precision.name());
                assert!(
                    difference <= tolerance * unit,
                    "{name}, set {at}, {}: {difference}",
                    precision.name()
                );
            }
        }
    }
}

/// Where the build and the machine have them.
#[test]
fn other_devices_give_the_same_logits() {
    for kind in [DeviceKind::Ndarray, DeviceKind::Wgpu] {
        let device = match Device::open(kind, Precision::F32) {
            Ok(device) => device,
            Err(error) => {
                writeln!(std::io::stderr(), "skipped: {error}").unwrap();
                continue;
            }
        };
        for directory in fixtures() {
            let golden = fs::read_to_string(directory.join("golden.json")).unwrap();
            let golden: Value = serde_json::from_str(&golden).unwrap();
            let bytes = fs::read(directory.join("golden.safetensors")).unwrap();
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let Some(set) = golden["pair_sets"].as_array().unwrap().first() else {
                continue;
            };
            let expected = values(&tensors.tensor("logits.0").unwrap());
            let mut encoder = Encoder::open_with(&directory, &device, &options(set)).unwrap();
            let found = encoder.logits(&pairs(set), &mut |_| ()).unwrap();
            let difference = largest(&found.concat(), &expected);
            println!("{} {}: {difference:.1e}", directory.display(), kind.name());
            let unit = spread(&expected, encoder.labels().len()).max(1.0);
            assert!(
                difference <= ELSEWHERE * unit,
                "{}, {}: {difference}",
                directory.display(),
                kind.name()
            );
        }
    }
}

#[test]
fn hidden_states_are_those_of_transformers() {
    for directory in fixtures() {
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        let golden: Value = serde_json::from_str(&fs::read_to_string(directory.join("golden.json")).unwrap()).unwrap();
        let bytes = fs::read(directory.join("golden.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let texts = strings(&golden["texts"]);
        for (precision, tolerance) in [(Precision::F32, 3e-5), (Precision::F64, 5e-7)] {
            let mut encoder = Encoder::open(&directory, &device(precision)).unwrap();
            assert_eq!(encoder.layers() as u64 + 1, golden["hidden_states"].as_u64().unwrap());
            for layer in 0..=encoder.layers() {
                let found = encoder.embed(&texts, layer).unwrap();
                for (text, ids) in found.iter().zip(golden["text_ids"].as_array().unwrap()) {
                    let ids: Vec<u64> = ids.as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
                    assert_eq!(text.ids.iter().map(|&id| u64::from(id)).collect::<Vec<_>>(), ids);
                    assert_eq!(text.states.len(), ids.len() * text.hidden);
                }
                let states: Vec<f32> = found.into_iter().flat_map(|text| text.states).collect();
                let expected = values(&tensors.tensor(&format!("states.{layer}")).unwrap());
                let difference = largest(&states, &expected);
                let unit = expected.iter().fold(1.0, |unit, x| f64::max(unit, x.abs() / 4.0));
                println!("{name} after {layer} {}: {difference:.1e}", precision.name());
                assert!(difference <= tolerance * unit, "{name} after {layer}: {difference}");
            }
        }
    }
}

/// To the last bit, alone or among others, in any order, in batches of any size.
#[test]
fn results_do_not_depend_on_the_batch() {
    for directory in fixtures() {
        let golden: Value = serde_json::from_str(&fs::read_to_string(directory.join("golden.json")).unwrap()).unwrap();
        let open = |tokens_per_batch| {
            let options = EncoderOptions {
                tokens_per_batch,
                ..EncoderOptions::default()
            };
            Encoder::open_with(&directory, &device(Precision::F32), &options).unwrap()
        };
        let (mut large, mut small) = (open(4096), open(1));
        if let Some(set) = golden["pair_sets"].as_array().unwrap().first() {
            let pairs = pairs(set);
            let reversed: Vec<_> = pairs.iter().rev().copied().collect();
            let together = large.logits(&pairs, &mut |_| ()).unwrap();
            assert_eq!(
                together,
                small.logits(&pairs, &mut |_| ()).unwrap(),
                "{}",
                directory.display()
            );
            let mut turned = large.logits(&reversed, &mut |_| ()).unwrap();
            turned.reverse();
            assert_eq!(together, turned, "{}", directory.display());
        }
        let texts = strings(&golden["texts"]);
        let last = large.layers();
        assert_eq!(large.embed(&texts, last).unwrap(), small.embed(&texts, last).unwrap());
    }
}

#[test]
fn special_tokens_are_marked() {
    let mut encoder = Encoder::open(&fixture("bert-nli"), &device(Precision::F32)).unwrap();
    let Embedded { special, ids, .. } = encoder.embed(&["No patient died."], 0).unwrap().remove(0);
    assert_eq!(special.len(), ids.len());
    assert!(special[0] && special[special.len() - 1] && !special[1..special.len() - 1].contains(&true));
}

#[test]
fn without_a_head_there_are_no_logits() {
    let mut encoder = Encoder::open(&fixture("bert-bare"), &device(Precision::F32)).unwrap();
    assert!(encoder.labels().is_empty());
    let message = encoder.logits(&[("a", "b")], &mut |_| ()).unwrap_err().to_string();
    assert!(
        message.ends_with("found no classifier; expected a checkpoint with a classification head"),
        "{message}"
    );
    let message = encoder.embed(&["a"], 9).unwrap_err().to_string();
    assert!(
        message.ends_with("found 2 layers; expected 9 or more, as states after layer 9 are wanted"),
        "{message}"
    );
}

/// A copy of a fixture with one change.
fn changed(name: &str, change: impl FnOnce(&Path)) -> String {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    change(copy.path());
    let error = Encoder::open(copy.path(), &device(Precision::F32)).unwrap_err();
    error.to_string().replace(&copy.path().display().to_string(), "DIR")
}

fn with_field(name: &str, field: &str, value: Value) -> String {
    changed(name, |directory| {
        let file = directory.join("config.json");
        let mut config: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        config[field] = value;
        fs::write(file, config.to_string()).unwrap();
    })
}

fn with_tensors(change: impl Fn(&mut Vec<(String, Vec<usize>, Vec<u8>)>)) -> String {
    changed("bert-nli", |directory| {
        let file = directory.join("model.safetensors");
        let bytes = fs::read(&file).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let floats = tensors.iter().filter(|(_, view)| view.dtype() == Dtype::F32);
        let mut list: Vec<_> = floats
            .map(|(name, view)| (name.to_owned(), view.shape().to_vec(), view.data().to_vec()))
            .collect();
        change(&mut list);
        let views: Vec<(&str, TensorView<'_>)> = list
            .iter()
            .map(|(name, shape, data)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap()))
            .collect();
        fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
    })
}

#[test]
fn hostile_configs_are_refused_in_one_clear_message() {
    let bert = |field: &str, value: Value| with_field("bert-nli", field, value);
    assert_eq!(
        bert("num_attention_heads", 5.into()),
        "DIR/config.json: field `num_attention_heads` is 5, expected a divisor of hidden_size, 32"
    );
    assert!(
        bert("hidden_act", "swiglu".into())
            .starts_with("DIR/config.json: field `hidden_act` is \"swiglu\", expected one of gelu,")
    );
    assert!(
        bert("model_type", "electra".into())
            .contains("found model_type `electra`; expected one of bert, roberta, xlm-roberta, albert")
    );
    assert!(bert("intermediate_size", 40.into()).contains("config.json implies [40, 32]"));
    assert!(bert("num_hidden_layers", 4_000_000_000_u64.into()).contains("num_hidden_layers"));
    assert!(bert("hidden_size", Value::Null).contains("`hidden_size` is null"));
    assert!(bert("is_decoder", true.into()).contains("`is_decoder` is true, expected false"));
    assert!(bert("id2label", serde_json::json!({"0": "a", "2": "b"})).contains("`id2label`"));
    assert!(bert("id2label", serde_json::json!({"0": "a"})).contains("tensor `classifier.weight` is [3, 32]"));
    assert!(bert("type_vocab_size", 1.into()).contains("token_type_embeddings"));
    assert!(bert("vocab_size", 10.into()).contains("word_embeddings"));
    assert!(bert("architectures", serde_json::json!(["BertForTokenClassification"])).contains("`architectures`"));
    assert!(with_field("deberta-v3", "pos_att_type", "p2p".into()).contains("not `p2p`"));
    assert!(with_field("deberta-v3", "position_buckets", 300.into()).contains("`position_buckets` is 300"));
    assert!(with_field("albert-groups", "num_hidden_groups", 9.into()).contains("`num_hidden_groups` is 9"));
    assert!(with_field("roberta-nli", "pad_token_id", 65.into()).contains("`pad_token_id` is 65"));
    assert!(with_field("t5", "feed_forward_proj", "gated-maxout".into()).contains("`feed_forward_proj`"));
    assert!(
        with_field("t5", "relative_attention_num_buckets", 3.into()).contains("`relative_attention_num_buckets` is 3")
    );
}

#[test]
fn hostile_tensors_are_refused_in_one_clear_message() {
    let missing = with_tensors(|list| list.retain(|(name, ..)| !name.ends_with("layer.1.output.dense.bias")));
    assert!(
        missing.contains("tensor `bert.encoder.layer.1.output.dense.bias` [32] is in none"),
        "{missing}"
    );
    let extra = with_tensors(|list| list.push(("bert.encoder.extra.weight".into(), vec![1], vec![0; 4])));
    assert!(
        extra.contains("found tensor `bert.encoder.extra.weight`, which nothing computes with"),
        "{extra}"
    );
    let nan = with_tensors(|list| list[3].2[..4].copy_from_slice(&f32::NAN.to_le_bytes()));
    assert!(nan.contains("holds NaN at element 0"), "{nan}");
    let unused = with_tensors(|list| {
        let tensor = list.iter_mut().find(|(name, ..)| name.starts_with("cls.")).unwrap();
        tensor.2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        list.retain(|(name, ..)| name != "classifier.bias");
    });
    assert!(unused.contains("tensor `classifier.bias`"), "{unused}");
}

#[test]
fn wishes_that_cannot_be_granted_are_refused() {
    let open = |name: &str, options: &EncoderOptions| {
        Encoder::open_with(&fixture(name), &device(Precision::F32), options)
            .unwrap_err()
            .to_string()
    };
    let long = |max_length| EncoderOptions {
        max_length: Some(max_length),
        ..EncoderOptions::default()
    };
    assert!(open("roberta-nli", &long(65)).contains("expected at most 64"));
    assert!(open("roberta-nli", &long(4)).contains("a length of 4 tokens leaves no room beside the 4 special tokens"));
    let head = EncoderOptions {
        head: Some("quad".into()),
        ..EncoderOptions::default()
    };
    assert!(open("alignscore", &head).contains("found head `quad`; expected tri, bin or reg"));
    // Distances have no end.
    assert!(Encoder::open_with(&fixture("deberta-v3"), &device(Precision::F32), &long(4000)).is_ok());
    // Only the first text may be cut, and the second alone is too long.
    let first = EncoderOptions {
        truncation: Truncation::OnlyFirst,
        ..long(20)
    };
    let mut encoder = Encoder::open_with(&fixture("bert-nli"), &device(Precision::F32), &first).unwrap();
    let long = "one two three ".repeat(20);
    let message = encoder.logits(&[("a", &long)], &mut |_| ()).unwrap_err().to_string();
    assert!(
        message.starts_with("the tokenizer cannot encode a text of 280 characters"),
        "{message}"
    );
}

#[test]
fn options_that_decide_logits_are_part_of_the_hash() {
    let hash = |options: &EncoderOptions| {
        let encoder = Encoder::open_with(&fixture("alignscore"), &device(Precision::F32), options).unwrap();
        encoder.sha256().to_owned()
    };
    let usual = EncoderOptions::default();
    assert_eq!(hash(&usual).len(), 64);
    assert_eq!(
        hash(&usual),
        hash(&EncoderOptions {
            tokens_per_batch: 7,
            ..usual.clone()
        })
    );
    let other = EncoderOptions {
        head: Some("bin".into()),
        ..usual.clone()
    };
    assert_ne!(hash(&usual), hash(&other));
    assert_ne!(
        hash(&usual),
        hash(&EncoderOptions {
            max_length: Some(30),
            ..usual.clone()
        })
    );
}
