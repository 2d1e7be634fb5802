//! Prefill, decoding, calibration, export, and one cell of a sweep: on a demo model, and on a random one whose products take most of
//! the time.
//!
//! `cargo bench --package secateur --bench passes`

#![allow(missing_docs, clippy::unwrap_used)]

mod random;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use secateur_datasets::LoadOptions;
use secateur_datasets::tasks::find;
use secateur_evaluation::evaluate::{EvaluationOptions, evaluate};
use secateur_evaluation::local::LocalEngine;
use secateur_model::checkpoint::Checkpoint;
use secateur_model::export::{ExportOptions, export};
use secateur_model::families::naming_of;
use secateur_model::generate::GenerateOptions;
use secateur_model::mask::{ExpertId, ExpertMask};
use secateur_model::observe::{MoeObservation, MoeObserver};
use secateur_model::{Device, DeviceKind, Model, ModelError, Precision};
use secateur_pruning::calibration::calibrate;
use secateur_pruning::statistics::{Provenance, Statistic};

const SEQUENCES: usize = 4;
const LENGTH: usize = 128;
const PROMPT: usize = 32;
const NEW: usize = 8;

/// Of a task with few-shot examples.
const HEADER: usize = 600;
const QUESTIONS: usize = 48;
const OPTIONS: usize = 4;
const ANSWERS: usize = 16;

fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../datasets/demo")
        .join(path)
}

fn load(checkpoint: &Checkpoint) -> Model {
    let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
    Model::load(checkpoint, &device).unwrap()
}

/// `[4][128]`.
fn sequences(vocabulary: usize) -> Vec<Vec<u32>> {
    let id = |place: usize| (4 + place * 7919 % (vocabulary - 4)) as u32;
    (0..SEQUENCES)
        .map(|row| (row * LENGTH..(row + 1) * LENGTH).map(id).collect())
        .collect()
}

fn models(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    random::write(folder.path());
    for (name, directory) in [
        ("demo-olmoe", demo("models/demo-olmoe")),
        ("random", folder.path().into()),
    ] {
        let checkpoint = Checkpoint::open(&directory).unwrap();
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1));
        passes(&mut group, &checkpoint);
        few_shot(&mut group, &checkpoint);
        exports(&mut group, &checkpoint);
        group.finish();
    }
}

/// Looks at nothing.
struct Blind;

impl MoeObserver for Blind {
    fn observe(&mut self, _: &MoeObservation<'_>) -> Result<(), ModelError> {
        Ok(())
    }
}

fn passes(group: &mut BenchmarkGroup<'_, WallTime>, checkpoint: &Checkpoint) {
    group.bench_function("load", |bencher| bencher.iter(|| load(checkpoint)));
    let mut model = load(checkpoint);
    let sequences = sequences(model.vocabulary());
    let all: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    group.throughput(Throughput::Elements((SEQUENCES * LENGTH) as u64));
    group.bench_function("prefill", |bencher| {
        bencher.iter(|| model.largest_logits(&all).unwrap());
    });
    group.bench_function("layers, one sequence at a time", |bencher| {
        bencher.iter(|| {
            for sequence in &all {
                model.observe(sequence, &mut Blind).unwrap();
            }
        });
    });
    // What all methods by their own definition need of tokens.
    let statistics: BTreeSet<Statistic> = Statistic::ALL
        .iter()
        .copied()
        .filter(|s| !s.is_of_weights() && *s != Statistic::EveryExpertOutputNorm)
        .collect();
    group.bench_function("calibration, one sequence at a time", |bencher| {
        bencher.iter(|| calibrate(&mut model, &sequences, Provenance::default(), &statistics, &mut |_| {}).unwrap());
    });
    for batch in [1, SEQUENCES] {
        let requests: Vec<GenerateOptions> = sequences[..batch]
            .iter()
            .map(|sequence| greedy(&sequence[..PROMPT]))
            .collect();
        group.throughput(Throughput::Elements((batch * NEW) as u64));
        group.bench_function(
            format!("{NEW} tokens behind prompts of {PROMPT}, {batch} side by side"),
            |bencher| {
                bencher.iter(|| model.generate(&requests, &|_, _| Ok(false), &mut |_| {}).unwrap());
            },
        );
    }
}

/// Log-likelihoods of four options of each of 48 questions, all behind the same examples, and answers to some of them.
fn few_shot(group: &mut BenchmarkGroup<'_, WallTime>, checkpoint: &Checkpoint) {
    let model = load(checkpoint);
    let id = |place: usize| (4 + place * 7919 % (model.vocabulary() - 4)) as u32;
    let header: Vec<u32> = (0..HEADER).map(id).collect();
    let (mut contexts, mut options) = (Vec::new(), Vec::new());
    for question in 0..QUESTIONS {
        let own = HEADER + 211 * question..;
        contexts.push(
            [
                &header[..],
                &own.clone().take(100 + question % 7).map(id).collect::<Vec<_>>(),
            ]
            .concat(),
        );
        options.push(
            (0..OPTIONS)
                .map(|option| own.clone().skip(120 + 10 * option).take(5).map(id).collect())
                .collect(),
        );
    }
    let options: Vec<Vec<Vec<u32>>> = options;
    let requests: Vec<(&[u32], &[u32])> = (contexts.iter().zip(&options))
        .flat_map(|(context, options)| options.iter().map(|option| (context.as_slice(), option.as_slice())))
        .collect();
    group.throughput(Throughput::Elements(QUESTIONS as u64));
    group.bench_function(
        format!("{QUESTIONS} questions behind a header of {HEADER} tokens"),
        |bencher| {
            bencher.iter(|| model.score(&requests, &mut |_| {}).unwrap());
        },
    );
    let answers: Vec<GenerateOptions> = contexts[..ANSWERS].iter().map(|context| greedy(context)).collect();
    group.throughput(Throughput::Elements(ANSWERS as u64));
    group.bench_function(
        format!("{ANSWERS} answers of {NEW} tokens behind a header of {HEADER} tokens"),
        |bencher| {
            bencher.iter(|| model.generate(&answers, &|_, _| Ok(false), &mut |_| {}).unwrap());
        },
    );
}

fn greedy(prompt: &[u32]) -> GenerateOptions {
    GenerateOptions {
        prompt: prompt.to_vec(),
        max_new_tokens: NEW,
        end_tokens: Vec::new(),
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
    }
}

/// Half of each layer's experts stay.
fn exports(group: &mut BenchmarkGroup<'_, WallTime>, checkpoint: &Checkpoint) {
    let folder = tempfile::tempdir().unwrap();
    let model = load(checkpoint);
    let layers = model.moe_layers().iter();
    let half = layers.map(|layer| (layer.layer, (0..layer.experts / 2).map(ExpertId).collect()));
    let mask = ExpertMask { kept: half.collect() };
    let naming = naming_of(model.family()).unwrap();
    let options = ExportOptions {
        overwrite: true,
        ..ExportOptions::default()
    };
    let destination = folder.path().join("pruned");
    let bytes: usize = checkpoint.tensors().map(|tensor| tensor.range.len()).sum();
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("export of a half", |bencher| {
        bencher.iter(|| export(checkpoint, &mask, naming, &options, &destination).unwrap());
    });
}

/// One cell: a task of 120 questions with four choices, asked, scored, and with intervals.
fn cell(criterion: &mut Criterion) {
    let directory = demo("models/demo-olmoe");
    let checkpoint = Checkpoint::open(&directory).unwrap();
    let mut engine = LocalEngine::new(load(&checkpoint), &directory).unwrap();
    let task = find("demo_bio_choice", &[demo("tasks")]).unwrap();
    let data = task.load(&demo("tasks"), &LoadOptions::default()).unwrap();
    let mut options = EvaluationOptions::default();
    options.prompt.chat_template = false;
    let mut group = criterion.benchmark_group("demo-olmoe");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(2))
        .throughput(Throughput::Elements(data.items.len() as u64));
    group.bench_function("one cell of choices", |bencher| {
        bencher.iter(|| evaluate(&mut engine, &task.spec(), &data.items, &options, &mut ()).unwrap());
    });
    group.finish();
}

criterion_group!(benches, models, cell);
criterion_main!(benches);
