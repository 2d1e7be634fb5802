//! Pairs of sentences (36 to 76 tokens: two sentences of `PubMed` abstracts have 55 on average) and longer ones (64 to 128) through
//! encoders of base size and of `MiniLM`'s with random weights.
//!
//! `cargo bench --package secateur-judges --bench encoder`. With `ENCODER_BENCH_DIR` the checkpoints and pairs stay there, so that
//! `benchmarks/goldens/time_judges.py` can run transformers on the same.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use safetensors::tensor::{Dtype, TensorView};
use secateur_judges::encoder::Encoder;
use secateur_judges::scorer::PairClassifier;
use secateur_model::{Device, DeviceKind, Precision};
use serde_json::json;

const WORDS: usize = 2000;

/// Width, width inside, layers.
#[derive(Clone, Copy)]
struct Size(usize, usize, usize);

const BASE: Size = Size(768, 3072, 12);
/// As MiniLM-L6.
const SMALL: Size = Size(384, 1536, 6);
const PAIRS: usize = 96;

/// Tokens of a pair, special ones included: fewest, and how many lengths there are.
const SENTENCES: (usize, usize) = (36, 41);
const LONGER: (usize, usize) = (64, 65);

/// xorshift: any stream of numbers will do.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn weight(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

fn dense(list: &mut Vec<(String, Vec<usize>)>, name: &str, outputs: usize, inputs: usize) {
    list.push((format!("{name}.weight"), vec![outputs, inputs]));
    list.push((format!("{name}.bias"), vec![outputs]));
}

fn norm(list: &mut Vec<(String, Vec<usize>)>, name: &str, width: usize) {
    list.push((format!("{name}.weight"), vec![width]));
    list.push((format!("{name}.bias"), vec![width]));
}

fn embeddings(list: &mut Vec<(String, Vec<usize>)>, prefix: &str, width: usize) {
    for (name, rows) in [("word", WORDS), ("position", 512), ("token_type", 2)] {
        list.push((
            format!("{prefix}.embeddings.{name}_embeddings.weight"),
            vec![rows, width],
        ));
    }
    norm(list, &format!("{prefix}.embeddings.LayerNorm"), width);
}

fn bert(Size(hidden, inner, layers): Size) -> Vec<(String, Vec<usize>)> {
    let mut list = Vec::new();
    embeddings(&mut list, "bert", hidden);
    for layer in 0..layers {
        let name = format!("bert.encoder.layer.{layer}");
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            dense(&mut list, &format!("{name}.attention.{part}"), hidden, hidden);
        }
        norm(&mut list, &format!("{name}.attention.output.LayerNorm"), hidden);
        dense(&mut list, &format!("{name}.intermediate.dense"), inner, hidden);
        dense(&mut list, &format!("{name}.output.dense"), hidden, inner);
        norm(&mut list, &format!("{name}.output.LayerNorm"), hidden);
    }
    dense(&mut list, "bert.pooler.dense", hidden, hidden);
    dense(&mut list, "classifier", 3, hidden);
    list
}

fn albert(Size(hidden, inner, _): Size) -> Vec<(String, Vec<usize>)> {
    let mut list = Vec::new();
    embeddings(&mut list, "albert", 128);
    dense(&mut list, "albert.encoder.embedding_hidden_mapping_in", hidden, 128);
    let name = "albert.encoder.albert_layer_groups.0.albert_layers.0";
    for part in ["query", "key", "value", "dense"] {
        dense(&mut list, &format!("{name}.attention.{part}"), hidden, hidden);
    }
    norm(&mut list, &format!("{name}.attention.LayerNorm"), hidden);
    dense(&mut list, &format!("{name}.ffn"), inner, hidden);
    dense(&mut list, &format!("{name}.ffn_output"), hidden, inner);
    norm(&mut list, &format!("{name}.full_layer_layer_norm"), hidden);
    dense(&mut list, "albert.pooler", hidden, hidden);
    dense(&mut list, "classifier", 3, hidden);
    list
}

fn write_checkpoint(directory: &Path, model_type: &str, size: Size, tensors: Vec<(String, Vec<usize>)>) {
    let Size(hidden, inner, layers) = size;
    let class = if model_type == "albert" {
        "AlbertForSequenceClassification"
    } else {
        "BertForSequenceClassification"
    };
    fs::create_dir_all(directory).unwrap();
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, shape)| {
            let count = shape.iter().product();
            let is_norm = name.ends_with("orm.weight");
            let value = |noise: &mut Noise| if is_norm { 1.0 } else { 0.07 * noise.weight() };
            let bytes = (0..count).flat_map(|_| value(&mut noise).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        (
            name.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    fs::write(
        directory.join("model.safetensors"),
        safetensors::serialize(views, None).unwrap(),
    )
    .unwrap();
    let config = json!({
        "model_type": model_type, "architectures": [class], "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": 12, "intermediate_size": inner, "vocab_size": WORDS, "max_position_embeddings": 512,
        "embedding_size": 128, "num_hidden_groups": 1, "inner_group_num": 1, "type_vocab_size": 2, "pad_token_id": 0,
        "hidden_act": if model_type == "albert" { "gelu_new" } else { "gelu" },
        "id2label": {"0": "entailment", "1": "neutral", "2": "contradiction"},
    });
    fs::write(directory.join("config.json"), config.to_string()).unwrap();
    let mut vocabulary = json!({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3});
    for word in 4..WORDS {
        vocabulary[format!("w{word}")] = json!(word);
    }
    let special = |id: &str, kind: u32| json!({"SpecialToken": {"id": id, "type_id": kind}});
    let text = |id: &str, kind: u32| json!({"Sequence": {"id": id, "type_id": kind}});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)],
            "pair": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1), special("[SEP]", 1)],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
            },
        },
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    });
    fs::write(directory.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let roles = json!({"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]",
        "cls_token": "[CLS]", "sep_token": "[SEP]", "model_max_length": 512,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"]});
    fs::write(directory.join("tokenizer_config.json"), roles.to_string()).unwrap();
}

fn pairs((fewest, lengths): (usize, usize)) -> Vec<(String, String)> {
    let mut noise = Noise(42);
    (0..PAIRS)
        .map(|_| {
            let words = fewest - 3 + noise.below(lengths);
            let second = 10 + noise.below(20);
            let mut text = |count: usize| {
                (0..count).fold(String::new(), |mut text, _| {
                    let _ = write!(text, "w{} ", 4 + noise.below(WORDS - 4));
                    text
                })
            };
            (text(words - second), text(second))
        })
        .collect()
}

/// Seconds of all cores that this process has used; `None` where the system does not say.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn main() {
    let kept = std::env::var_os("ENCODER_BENCH_DIR").map(PathBuf::from);
    let temporary = tempfile::tempdir().unwrap();
    let root = kept.unwrap_or_else(|| temporary.path().to_path_buf());
    let sentences = pairs(SENTENCES);
    let longer = pairs(LONGER);
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("sentences.json"), json!(sentences).to_string()).unwrap();
    fs::write(root.join("longer.json"), json!(longer).to_string()).unwrap();
    let mut criterion = Criterion::default().configure_from_args();
    for (name, model_type, size, tensors) in [
        ("bert-small", "bert", SMALL, bert(SMALL)),
        ("bert-base", "bert", BASE, bert(BASE)),
        ("albert-base", "albert", BASE, albert(BASE)),
    ] {
        let directory = root.join(name);
        write_checkpoint(&directory, model_type, size, tensors);
        let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
        let mut encoder = Encoder::open(&directory, &device).unwrap();
        let mut group = criterion.benchmark_group("encoder");
        group.sample_size(10).measurement_time(Duration::from_secs(10));
        for (length, texts) in [("sentences", &sentences), ("longer", &longer)] {
            let pairs: Vec<(&str, &str)> = texts.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            encoder.logits(&pairs[..8], &mut |_| ()).unwrap();
            let (begin, cpu) = (Instant::now(), cpu_seconds());
            let logits = encoder.logits(&pairs, &mut |_| ()).unwrap();
            let seconds = begin.elapsed().as_secs_f64();
            let spent = cpu_seconds().zip(cpu).map_or(f64::NAN, |(end, begin)| end - begin);
            println!(
                "{name}, {length}: {:.0} pairs per minute, {:.3} CPU seconds per pair",
                60.0 * PAIRS as f64 / seconds,
                spent / PAIRS as f64
            );
            fs::write(directory.join(format!("{length}.json")), json!(logits).to_string()).unwrap();
            group.throughput(Throughput::Elements(16));
            group.bench_function(format!("{name}/{length}"), |bencher| {
                bencher.iter(|| encoder.logits(&pairs[..16], &mut |_| ()).unwrap());
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
