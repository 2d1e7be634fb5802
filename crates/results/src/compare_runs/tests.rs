#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::fixture::{record, with_key};
use crate::key::RecordKey;
use crate::store::{Answers, SweepIdentity};

const TASK: (&str, &str, &str) = ("colours", "biomedical", "classification");

/// Twenty items, of which the first `right` are right.
fn answers(right: usize) -> Vec<Value> {
    let one = |i: usize| {
        json!({
            "item": format!("c{i:02}"),
            "output": { "choices": { "predicted": usize::from(i >= right) } },
            "scores": { "acc": f64::from(u8::from(i < right)) },
        })
    };
    (0..20).map(one).collect()
}

fn cell(method: Option<&str>, seed: u64, right: usize) -> Record {
    let accuracy = right as f64 / 20.0;
    let fraction = if method.is_some() { 0.5 } else { 0.0 };
    let mut record = record(method, fraction, seed, TASK, (accuracy, 0.2));
    for metric in &mut record.metrics {
        (metric.n, metric.items, metric.clusters) = (20, 20, 20);
    }
    record
}

struct Run(tempfile::TempDir);

impl Run {
    fn new(cells: &[(Record, Vec<Value>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &SweepIdentity::new("tiny", "{}")).unwrap();
        for (record, answers) in cells {
            let record = with_key(record.clone());
            let key = RecordKey::parse(&record.key).unwrap();
            let mut writer = store.begin_answers(&key).unwrap();
            for answer in answers {
                writer.append(answer).unwrap();
            }
            store.publish(&record, Answers::Own(writer)).unwrap();
        }
        Self(folder)
    }

    fn against(&self, other: &Self, settings: &Settings) -> Comparison {
        let open = |run: &Self| Store::open_existing(run.0.path()).unwrap();
        compare_runs(&open(self), &open(other), settings).unwrap()
    }
}

fn run(right: usize) -> Run {
    Run::new(&[
        (cell(None, 0, 16), answers(16)),
        (cell(Some("reap"), 0, right), answers(right)),
    ])
}

#[test]
fn a_run_equals_itself() {
    let a = run(12);
    let found = a.against(&a, &Settings::default());
    assert_eq!(found.outcome, Outcome::Equal);
    assert_eq!(
        (found.compared.cells, found.compared.answers, found.compared.metrics),
        (2, 40, 4)
    );
    assert!(found.text(20).contains("equal, or within doubt"), "{}", found.text(20));
    let exact = Settings {
        exact: true,
        ..Settings::default()
    };
    assert_eq!(a.against(&a, &exact).numbers, Some(Vec::new()));
}

#[test]
fn flips_are_tested_and_greedy_answers_compared_exactly() {
    let found = run(14).against(&run(4), &Settings::default());
    assert_eq!(found.outcome, Outcome::Regression);
    let change = &found.answers[0];
    assert_eq!(
        (change.items.len(), change.of, change.items[0].as_str()),
        (10, 20, "c04")
    );
    assert_eq!(
        (change.first.what, change.first.a.as_str(), change.first.b.as_str()),
        ("choice", "0", "1")
    );
    let metric = &found.metrics[0];
    assert_eq!(
        (metric.metric.as_str(), metric.test.as_str()),
        ("accuracy", "mcnemar_exact")
    );
    // Ten flips of ten the same way: 2 · 2⁻¹⁰; Holm's family is the four metrics of the two cells.
    let p = metric.p_value.unwrap();
    assert!((p - 2.0 / 1024.0).abs() < 1e-12);
    assert!((metric.p_holm.unwrap() - 4.0 * p).abs() < 1e-12);
    assert_eq!(metric.verdict, Verdict::Worse);
    // The other way it is better, and the answers differ all the same.
    let back = run(4).against(&run(14), &Settings::default());
    assert_eq!(
        (back.metrics[0].verdict, back.outcome),
        (Verdict::Better, Outcome::Regression)
    );
}

#[test]
fn one_flip_is_in_doubt_as_a_metric() {
    let found = run(14).against(&run(13), &Settings::default());
    assert_eq!(found.metrics[0].verdict, Verdict::InDoubt);
    assert!(found.text(20).contains("1 in doubt"), "{}", found.text(20));
}

#[test]
fn a_missing_cell_is_incomplete_and_says_what_is_there_instead() {
    let a = run(12);
    let b = Run::new(&[
        (cell(None, 0, 16), answers(16)),
        (cell(Some("reap"), 1, 12), answers(12)),
    ]);
    let found = a.against(&b, &Settings::default());
    assert_eq!(found.outcome, Outcome::Incomplete);
    assert_eq!(found.missing[0].instead.as_deref(), Some("seed 1 instead of 0"));
    assert_eq!(found.extra.len(), 1);
}

#[test]
fn counts_times_and_lost_metrics_are_regressions() {
    let a = run(12);
    let changed = |change: &dyn Fn(&mut Record)| {
        let mut pruned = cell(Some("reap"), 0, 12);
        change(&mut pruned);
        Run::new(&[(cell(None, 0, 16), answers(16)), (pruned, answers(12))])
    };
    let counted = a.against(
        &changed(&|r| r.counts.extend([("empty".into(), 1)])),
        &Settings::default(),
    );
    assert_eq!(
        (counted.outcome, counted.counts[0].a, counted.counts[0].b),
        (Outcome::Regression, None, Some(1))
    );
    let lost = a.against(&changed(&|r| r.metrics.truncate(1)), &Settings::default());
    assert_eq!(
        (lost.outcome, lost.metrics[0].verdict),
        (Outcome::Regression, Verdict::Worse)
    );
    // 3 s and then 4.5 s.
    let slower = changed(&|r| r.cost.seconds = 3.0);
    let found = a.against(&slower, &Settings::default());
    assert_eq!(
        (found.outcome, found.times[0].speed),
        (Outcome::Regression, Speed::Slower)
    );
    let tolerant = Settings {
        tolerance_time: 0.6,
        ..Settings::default()
    };
    assert_eq!(a.against(&slower, &tolerant).outcome, Outcome::Equal);
}

#[test]
fn means_and_whole_statistics_are_tested_on_kept_resamples() {
    let mut worse = cell(Some("reap"), 0, 12);
    let ece = &mut worse.metrics[1];
    ece.value = 0.5;
    let paired = ece.paired.as_mut().unwrap();
    for (index, draw) in paired.resamples.0.iter_mut().enumerate() {
        *draw += if index % 2 == 0 { 0.29 } else { 0.31 };
    }
    let mut same = cell(Some("reap"), 0, 12);
    for record in [&mut worse, &mut same] {
        let metric = &mut record.metrics[1];
        metric.interval_method = "expanded_percentile".into();
        let paired = metric.paired.as_mut().unwrap();
        (paired.n, paired.clusters) = (20, 20);
    }
    let a = Run::new(&[(cell(None, 0, 16), answers(16)), (same, answers(12))]);
    let b = Run::new(&[(cell(None, 0, 16), answers(16)), (worse, answers(12))]);
    let found = a.against(&b, &Settings::default());
    let metric = &found.metrics[0];
    assert_eq!(
        (metric.metric.as_str(), metric.test.as_str()),
        ("ece", "paired_bootstrap")
    );
    assert_eq!(metric.verdict, Verdict::Worse, "{metric:?}");
    assert!(found.answers.is_empty() && found.outcome == Outcome::Regression);
}

#[test]
fn every_number_is_named_by_its_place() {
    let mut changed = cell(Some("reap"), 0, 12);
    changed.metrics[1].interval.0 += 1e-9;
    let b = Run::new(&[(cell(None, 0, 16), answers(16)), (changed, answers(12))]);
    let a = run(12);
    assert_eq!(a.against(&b, &Settings::default()).outcome, Outcome::Equal);
    let exact = Settings {
        exact: true,
        ..Settings::default()
    };
    let found = a.against(&b, &exact);
    let places: Vec<_> = found
        .numbers
        .iter()
        .flatten()
        .map(|number| number.place.as_str())
        .collect();
    assert_eq!(
        (places, found.outcome),
        (vec!["metrics.ece.interval.0"], Outcome::Regression)
    );
    assert!(found.text(20).contains("metrics.ece.interval.0"));
}
