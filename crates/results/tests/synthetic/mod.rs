//! Made-up sweeps with the shape of real ones. The numbers mean nothing.
#![allow(dead_code, clippy::unwrap_used)] // each test uses a part

use std::collections::BTreeMap;

use secateur_metrics::curves::Diagrams;
use secateur_metrics::regressions::{Kind, Regressions, Respect, changes};
use secateur_metrics::statistics::{Bootstrap, Clusters};
use secateur_metrics::value::{Aspect, Direction, MetricValue, Paired, Resamples};
use secateur_results::key::RecordKey;
use secateur_results::ranking_file::{RankedLayer, RankingFile};
use secateur_results::record::{Cell, Cost, Record};

pub struct Sweep {
    pub name: &'static str,
    pub models: &'static [&'static str],
    pub methods: &'static [&'static str],
    pub fractions: &'static [f64],
    pub seeds: u64,
    pub layers: usize,
    pub experts: usize,
}

pub const FULL: Sweep = Sweep {
    name: "full",
    models: &["Qwen3-30B-A3B-Instruct-2507"],
    methods: &[
        "aimer",
        "ean",
        "ean-mean",
        "easy-ep",
        "easy-ep (paper)",
        "frequency",
        "gating",
        "msan",
        "random",
        "reap",
        "reap-sum",
        "routing-score",
        "weight-norm",
    ],
    fractions: &[0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875],
    seeds: 3,
    layers: 48,
    experts: 128,
};

pub const DEMO: Sweep = Sweep {
    name: "demo",
    models: &["demo-olmoe", "demo-qwen3-moe"],
    methods: &["ean", "easy-ep", "frequency", "gating", "random", "reap"],
    fractions: &[0.25, 0.5, 0.75, 0.875],
    seeds: 2,
    layers: 3,
    experts: 16,
};

const TASKS: [(&str, &str, &str); 8] = [
    ("pubmedqa", "biomedical", "classification"),
    ("medqa", "biomedical", "classification"),
    ("meqsum", "biomedical", "generation"),
    ("k-qa", "biomedical", "generation"),
    ("mmlu", "general", "classification"),
    ("hellaswag", "general", "classification"),
    ("demo-recall", "general", "generation"),
    ("demo-passages", "general", "generation"),
];

/// A number in 0…1 that depends on the text alone.
pub fn noise(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

fn metric(name: &str, scorer: &str, direction: Direction, aspect: Aspect, (base, value): (f64, f64)) -> MetricValue {
    let width = 0.035;
    let pruned = (base - value).abs() > 0.0;
    MetricValue {
        name: name.to_owned(),
        unit: "fraction".to_owned(),
        direction,
        aspect,
        value,
        n: 300,
        items: 300,
        clusters: 300,
        interval: (value - width, value + width),
        scorer: scorer.to_owned(),
        interval_method: "expanded_percentile".to_owned(),
        resamples: draws((value - width, value + width)),
        paired: pruned.then(|| Paired {
            difference: value - base,
            interval: (value - base - width, value - base + width),
            standard_error: Some(width / 2.0),
            p_value: 0.03,
            test: "paired_bootstrap".to_owned(),
            mid_p: None,
            wilcoxon_p: Some(0.04),
            minimum_detectable: Some(1.4 * width),
            n: 300,
            clusters: 300,
            right_to_wrong: None,
            wrong_to_right: None,
            resamples: draws((value - base - width, value - base + width)),
        }),
    }
}

/// 401 draws between the ends, evenly, in an order that jumps.
fn draws((low, high): (f64, f64)) -> Resamples {
    let at = |i: usize| low + (high - low) * (i * 173 % 401) as f64 / 400.0;
    Resamples((0..401).map(|i| at(i) as f32).collect())
}

fn record(model: &str, method: Option<&str>, fraction: f64, seed: u64, task: (&str, &str, &str)) -> Record {
    let (task, domain, kind) = task;
    let base = 0.55 + 0.3 * noise(&format!("{model}{task}"));
    let name = method.unwrap_or_default();
    let weak = if name == "random" { 1.6 } else { 0.5 + noise(name) };
    let place = if domain == "general" { 1.5 } else { 1.0 } * if kind == "generation" { 1.5 } else { 0.8 };
    let wobble = 0.03 * (noise(&format!("{name}{fraction}{seed}{task}")) - 0.5);
    let loss = if method.is_some() {
        0.55 * weak * place * fraction.powi(3) + wobble
    } else {
        0.0
    };
    let utility = (base * (1.0 - loss)).max(0.02);
    let error = 0.12 + 0.1 * noise(task);
    let reliability = (error + 0.5 * loss * (0.8 + noise(name))).clamp(0.0, 0.95);
    let profile = name.contains("(paper)");
    let inputs = BTreeMap::from([("cell".to_owned(), format!("{model}{name}{fraction}{seed}{task}"))]);
    Record {
        schema: 2,
        key: RecordKey::from_inputs(&inputs).to_string(),
        inputs,
        cell: Cell {
            model: model.to_owned(),
            family: "qwen3_moe".to_owned(),
            method: method.map(|m| m.trim_end_matches(" (paper)").to_owned()),
            profile: method.map(|_| if profile { "paper" } else { "reference" }.to_owned()),
            fraction_removed: fraction,
            experts_kept: vec![8; 3],
            experts_total: vec![16; 3],
            seed,
            calibration: method.map_or("", |_| "demo-biomedical").to_owned(),
            task: task.to_owned(),
            domain: domain.to_owned(),
            kind: kind.to_owned(),
            mask: String::new(),
        },
        metrics: vec![
            metric(
                "accuracy",
                "rules",
                Direction::HigherIsBetter,
                Aspect::Utility,
                (base, utility),
            ),
            of_reliability(task, kind, (error, reliability)),
        ],
        regressions: method.map(|_| regressions(&format!("{name}{fraction}{seed}{task}"), (base, loss.max(0.0)), kind)),
        diagrams: (kind == "classification").then(|| diagrams(&format!("{model}{name}{fraction}{seed}{task}"), loss)),
        counts: BTreeMap::from([("evaluated".to_owned(), 300)]),
        cost: Cost {
            seconds: 2.0,
            tokens: 9000,
            peak_memory_bytes: 1 << 28,
        },
        warnings: Vec::new(),
    }
}

/// Errors of calibration of choices, hallucinations of texts; one task in nats.
fn of_reliability(task: &str, kind: &str, values: (f64, f64)) -> MetricValue {
    let (name, scorer) = match (kind, task) {
        ("classification", _) => ("expected_calibration_error", "probabilities"),
        (_, "k-qa") => ("semantic_entropy", "probabilities"),
        (_, "meqsum") => (
            "unsupported_statements",
            "minicheck of org/a-small-checker, revision 0123abc",
        ),
        _ => ("hallucination_rate", "rules"),
    };
    let mut metric = metric(name, scorer, Direction::LowerIsBetter, Aspect::Reliability, values);
    if name == "semantic_entropy" {
        "nats".clone_into(&mut metric.unit);
    }
    metric
}

/// Items of which a share `base` is right before, and a share `loss` of those is lost.
fn regressions(about: &str, (base, loss): (f64, f64), kind: &str) -> Regressions {
    let kinds: &[(Kind, f64)] = if kind == "classification" {
        &[(Kind::RightToWrong, 1.0)]
    } else {
        &[
            (Kind::RightToWrong, 1.0),
            (Kind::SupportedToUnsupported, 0.8),
            (Kind::SoundToHallucinated, 0.9),
            (Kind::AnsweredToAbstained, 0.1),
            (Kind::AbstainedToInvented, 0.4),
            (Kind::AnsweredToEmpty, 0.05),
            (Kind::AnsweredToLooping, 0.5),
            (Kind::AnsweredToTruncated, 0.3),
        ]
    };
    let ids: Vec<String> = (0..300).map(|i| format!("item-{i}")).collect();
    let mut found = Vec::new();
    for (loss_kind, scale) in kinds {
        let items = ids.iter().map(|id| {
            let draw = |what: &str| noise(&format!("{about}{}{id}{what}", loss_kind.name()));
            let before = noise(&format!("{}{id}", loss_kind.name())) < base;
            let after = if before {
                draw("lost") > loss * scale
            } else {
                draw("won") < 0.1 * base
            };
            (id.as_str(), before, after)
        });
        let respect = Respect {
            loss: *loss_kind,
            metric: loss_kind.name(),
            scorer: "rules",
            items: items.collect(),
        };
        let both = changes(&respect, &Clusters::singletons(300), &Bootstrap::default()).unwrap();
        found.extend(both);
    }
    found.sort_by_key(|change| change.kind);
    Regressions { kinds: found }
}

/// 300 items, too confident by about the loss.
fn diagrams(about: &str, loss: f64) -> Diagrams {
    let confidences: Vec<f64> = (0..300)
        .map(|i| 0.25 + 0.75 * noise(&format!("{about}{i}")).sqrt())
        .collect();
    let right: Vec<bool> = confidences
        .iter()
        .enumerate()
        .map(|(i, confidence)| noise(&format!("{about}{i}right")) < confidence - 0.6 * loss)
        .collect();
    Diagrams::new(&confidences, &right).unwrap()
}

pub fn records(sweep: &Sweep) -> Vec<Record> {
    let mut records = Vec::new();
    for model in sweep.models {
        for task in TASKS {
            records.push(record(model, None, 0.0, 0, task));
            for method in sweep.methods {
                for fraction in sweep.fractions {
                    for seed in 0..sweep.seeds {
                        records.push(record(model, Some(method), *fraction, seed, task));
                    }
                }
            }
        }
    }
    records
}

/// Rankings of the first model; related methods have related scores.
pub fn rankings(sweep: &Sweep) -> Vec<RankingFile> {
    let mut rankings = Vec::new();
    for method in sweep.methods {
        for seed in 0..sweep.seeds {
            let layers = (0..sweep.layers).map(|layer| {
                let score = |expert: usize| {
                    let own = noise(&format!(
                        "{method}{layer}{expert}{}",
                        if *method == "random" { seed } else { 0 }
                    ));
                    let common = noise(&format!("{layer}{expert}"));
                    let share = if *method == "random" { 1.0 } else { 0.6 * noise(method) };
                    (share * own + (1.0 - share) * common).powf(1.0 + 3.0 * layer as f64 / sweep.layers as f64)
                };
                let scores: Vec<f64> = (0..sweep.experts).map(score).collect();
                let mut experts: Vec<usize> = (0..sweep.experts).collect();
                experts.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
                RankedLayer { layer, experts, scores }
            });
            rankings.push(RankingFile {
                model: sweep.models[0].to_owned(),
                method: (*method).to_owned(),
                profile: "reference".to_owned(),
                seed,
                calibration: "demo-biomedical".to_owned(),
                layers: layers.collect(),
            });
        }
    }
    rankings
}
