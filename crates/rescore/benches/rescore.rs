//! 10⁵ kept answers: 40 000 choices by log-likelihood, 30 000 answers that name a letter, 30 000 texts of about 60 tokens by ROUGE.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use secateur_datasets::item::{Body, Choice, Generate, Item};
use secateur_evaluation::answer::{Answer, ChoiceAnswer, Continuation, Output, Scores, TextAnswer};
use secateur_evaluation::engine::{Finish, Score};
use secateur_evaluation::summary::Bootstrap;
use secateur_rescore::choice::{Scorings, Wish, scorings};
use secateur_rescore::kept::Unknown;
use secateur_rescore::score::rescore;
use secateur_rescore::{Batch, Kept};

const WORDS: [&str; 16] = [
    "patients",
    "treated",
    "with",
    "aspirin",
    "showed",
    "a",
    "lower",
    "risk",
    "of",
    "stroke",
    "than",
    "the",
    "control",
    "group",
    "after",
    "12 months",
];

/// Numbers that look random and are the same each time.
fn draw(seed: usize) -> usize {
    seed.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
        >> 33
}

fn text(seed: usize, words: usize) -> String {
    let word = |i| WORDS[draw(seed * 101 + i) % WORDS.len()];
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

fn kept(line: usize, body: Body, output: Output) -> Kept {
    let id = line.to_string();
    Kept {
        line,
        item: Item {
            id: id.clone(),
            body,
            fields: BTreeMap::new(),
        },
        answer: Answer {
            item: id,
            prompt: String::new(),
            output,
            scores: Scores::new(),
            flags: BTreeSet::new(),
            unsupported: Vec::new(),
            fields: BTreeMap::new(),
        },
        recorded: Scores::new(),
        doc: None,
    }
}

fn choice(line: usize) -> Kept {
    let choices: Vec<String> = (0..4).map(|i| text(line + i, 3)).collect();
    let continuations: Vec<String> = choices.iter().map(|text| format!(" {text}")).collect();
    let scored = |(i, text): (usize, &String)| Continuation {
        context: None,
        text: text.clone(),
        score: Some(Score {
            log_probability: -((draw(line * 7 + i) % 1000) as f64) / 50.0 - 0.1,
            is_greedy: false,
            tokens: 3,
        }),
        unscorable: None,
    };
    let gold = vec![draw(line) % 4];
    let output = Output::Choices(ChoiceAnswer {
        continuations: continuations.iter().enumerate().map(scored).collect(),
        gold: gold.clone(),
        predicted: None,
    });
    let body = Body::Choice(Choice {
        context: String::new(),
        continuations,
        choices,
        gold,
        ..Choice::default()
    });
    kept(line, body, output)
}

fn said(line: usize, text: String, reference: String) -> Kept {
    let output = Output::Text(TextAnswer {
        text,
        finish: Finish::EndToken,
        tokens: 0,
        prompt_tokens: 0,
        mean_log_probability: None,
        references: vec![reference.clone()],
        unanswerable: false,
        parsed: None,
        probe_log_probability: None,
        samples: Vec::new(),
    });
    let body = Body::Generate(Generate {
        messages: Vec::new(),
        prefix: None,
        references: vec![reference],
        source: None,
        unanswerable: false,
    });
    kept(line, body, output)
}

fn letter(line: usize) -> Kept {
    let name = |seed: usize| char::from(b'A' + (draw(seed) % 4) as u8).to_string();
    let answer = match line % 3 {
        0 => format!("{}. {}", name(line), text(line, 4)),
        1 => format!("The answer is ({}).", name(line)),
        _ => name(line),
    };
    said(line, answer, name(line + 1))
}

fn batch(task: &str, n: usize, make: impl Fn(usize) -> Kept) -> Batch {
    Batch {
        path: PathBuf::from("bench"),
        model: "model".into(),
        task: task.into(),
        filter: "none".into(),
        kept: (1..=n).map(make).collect(),
        skipped: Vec::new(),
        unknown: Unknown {
            finish: true,
            source: true,
            choice_lengths: false,
            tokens: true,
        },
        notes: Vec::new(),
    }
}

fn mixed() -> Vec<(Batch, Scorings)> {
    let with = |batch: Batch, metrics: &[&str]| {
        let wish = Wish {
            metrics: metrics.iter().map(ToString::to_string).collect(),
            task: None,
        };
        let scorings = scorings(&batch, &wish);
        (batch, scorings)
    };
    vec![
        with(batch("choices", 40_000, choice), &[]),
        with(
            batch("letters", 30_000, letter),
            &["accuracy", "accuracy_paper", "macro_f1", "unparsable_rate"],
        ),
        with(
            batch("texts", 30_000, |line| said(line, text(line, 60), text(line + 1, 60))),
            &["rouge_1", "rouge_2", "rouge_l"],
        ),
    ]
}

fn scores(criterion: &mut Criterion) {
    let batches = mixed();
    let mut group = criterion.benchmark_group("rescore 100000 items");
    group.sample_size(10);
    for (name, resamples) in [("scores and metrics", 1), ("with intervals of 1000 resamples", 1000)] {
        let bootstrap = Bootstrap {
            resamples,
            ..Bootstrap::default()
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for (batch, scorings) in &batches {
                    black_box(rescore(batch, scorings, &bootstrap, false).unwrap());
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, scores);
criterion_main!(benches);
