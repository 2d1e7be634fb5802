//! 10⁵ records of a card's task: read, checked, hashed and made into items.
//!
//! `cargo bench --package secateur-datasets`

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use secateur_datasets::LoadOptions;
use secateur_datasets::tasks::find;

const ITEMS: usize = 100_000;

const CARD: &str = r#"
name = "colours"
version = 1
kind = "multiple_choice"
domain = "general"
about = "What colour is it?"
licence = "CC0-1.0"
[data]
file = "colours.jsonl"
id = "id"
[prompt]
template = "Question: {question}\nAnswer:"
[choices]
field = "choices"
label = "label"
[scoring]
metrics = ["acc", "acc_norm"]
"#;

fn parse(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let line = |i: usize| {
        let label = i % 4;
        format!(
            r#"{{"id":"c{i}","question":"Which colour has the part with number {i}?","choices":["red","blue","the old green","none"],"label":{label}}}"#
        )
    };
    let lines: Vec<String> = (0..ITEMS).map(line).collect();
    fs::write(folder.path().join("colours.toml"), CARD).unwrap();
    fs::write(folder.path().join("colours.jsonl"), lines.join("\n")).unwrap();
    let cards = [folder.path().to_path_buf()];
    let mut group = criterion.benchmark_group("datasets");
    group.sample_size(10).throughput(Throughput::Elements(ITEMS as u64));
    group.bench_function("load 100000 items", |bencher| {
        bencher.iter(|| {
            let task = find("colours", &cards).unwrap();
            let data = task.load(folder.path(), &LoadOptions::default()).unwrap();
            assert_eq!(black_box(data).items.len(), ITEMS);
        });
    });
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
