//! Records made by hand, for this crate's tests.

use std::collections::BTreeMap;

use secateur_metrics::regressions::{Kind, Regression};
use secateur_metrics::statistics::wilson;
use secateur_metrics::value::{Aspect, Direction, MetricValue, Paired, Resamples};

use crate::key::RecordKey;
use crate::record::{Cell, Cost, Record};

pub fn metric(name: &str, unit: &str, direction: Direction, aspect: Aspect, value: f64) -> MetricValue {
    MetricValue {
        name: name.to_owned(),
        unit: unit.to_owned(),
        direction,
        aspect,
        value,
        n: 200,
        items: 200,
        clusters: 200,
        interval: (value - 0.05, value + 0.05),
        scorer: "rules".to_owned(),
        interval_method: "wilson".to_owned(),
        resamples: draws((value - 0.05, value + 0.05)),
        paired: None,
    }
}

pub fn paired(difference: f64, interval: (f64, f64)) -> Paired {
    Paired {
        difference,
        interval,
        standard_error: Some((interval.1 - interval.0) / 4.0),
        p_value: 0.01,
        test: "paired_bootstrap".to_owned(),
        mid_p: None,
        wilcoxon_p: None,
        minimum_detectable: Some(0.7 * (interval.1 - interval.0)),
        n: 200,
        clusters: 200,
        right_to_wrong: None,
        wrong_to_right: None,
        resamples: draws(interval),
    }
}

/// A change of `count` of `at_risk` items.
pub fn regression(kind: Kind, count: usize, at_risk: usize) -> Regression {
    Regression {
        kind,
        metric: "accuracy".to_owned(),
        scorer: "rules".to_owned(),
        at_risk,
        count,
        interval: wilson(count, at_risk, 0.95).unwrap_or((0.0, 1.0)),
        items: (0..count.min(3)).map(|i| format!("item-{i}")).collect(),
    }
}

/// 401 draws between the ends, evenly, in an order that jumps.
fn draws((low, high): (f64, f64)) -> Resamples {
    let at = |i: usize| low + (high - low) * (i * 173 % 401) as f64 / 400.0;
    Resamples((0..401).map(|i| at(i) as f32).collect())
}

/// A record with an accuracy and an expected calibration error.
pub fn record(
    method: Option<&str>,
    fraction: f64,
    seed: u64,
    task: (&str, &str, &str),
    (accuracy, ece): (f64, f64),
) -> Record {
    let (task, domain, kind) = task;
    let mut utility = metric(
        "accuracy",
        "fraction",
        Direction::HigherIsBetter,
        Aspect::Utility,
        accuracy,
    );
    let mut reliability = metric("ece", "fraction", Direction::LowerIsBetter, Aspect::Reliability, ece);
    if method.is_some() {
        utility.paired = Some(paired(accuracy - 0.8, (accuracy - 0.82, accuracy - 0.78)));
        reliability.paired = Some(paired(ece - 0.2, (ece - 0.22, ece - 0.18)));
    }
    with_key(Record {
        schema: 2,
        key: String::new(),
        inputs: BTreeMap::new(),
        cell: Cell {
            model: "demo".to_owned(),
            family: "qwen3_moe".to_owned(),
            method: method.map(str::to_owned),
            profile: method.map(|_| "reference".to_owned()),
            fraction_removed: fraction,
            experts_kept: vec![8, 8],
            experts_total: vec![16, 16],
            seed,
            calibration: if method.is_some() { "corpus" } else { "" }.to_owned(),
            task: task.to_owned(),
            domain: domain.to_owned(),
            kind: kind.to_owned(),
            mask: String::new(),
        },
        metrics: vec![utility, reliability],
        regressions: None,
        diagrams: None,
        counts: BTreeMap::from([("evaluated".to_owned(), 200)]),
        cost: Cost {
            seconds: 1.5,
            tokens: 1000,
            peak_memory_bytes: 1 << 20,
        },
        warnings: Vec::new(),
    })
}

/// Gives a record the inputs and the key of its cell.
pub fn with_key(mut record: Record) -> Record {
    record.inputs = BTreeMap::from([("cell".to_owned(), record.cell.to_string())]);
    record.key = RecordKey::from_inputs(&record.inputs).to_string();
    record
}
