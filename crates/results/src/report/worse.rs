//! "What gets worse": risk ratios and changes of single items of the method that stands for a model, a column per fraction.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::changes::Change;
use crate::charts::{percent, whole_percent};
use crate::naming::with_scorer;
use crate::risk_ratio::RiskRatio;
use crate::safe::words::plain;
use crate::shown::{FRACTIONS, Shown, some};

/// One model's section.
#[derive(Debug, Serialize)]
pub(super) struct Worse {
    model: String,
    method: String,
    why: String,
    /// Fractions in per cent.
    fractions: Vec<String>,
    /// Whether its records count changes.
    counted: bool,
    ratios: Vec<RatioRow>,
    changes: Vec<ChangeRow>,
}

/// The ratio of one metric on one task.
#[derive(Debug, Serialize)]
struct RatioRow {
    task: String,
    metric: String,
    unpruned: String,
    n: String,
    cells: Vec<String>,
}

/// One kind of loss on one task.
#[derive(Debug, Serialize)]
struct ChangeRow {
    task: String,
    kind: &'static str,
    by: String,
    at_risk: String,
    cells: Vec<String>,
    items: String,
}

pub(super) fn worse(shown: &[Shown], ratios: &[RiskRatio], changes: &[Change]) -> Vec<Worse> {
    shown.iter().map(|shown| of_model(shown, ratios, changes)).collect()
}

fn of_model(shown: &Shown, ratios: &[RiskRatio], changes: &[Change]) -> Worse {
    let ratios: Vec<&RiskRatio> = ratios
        .iter()
        .filter(|r| r.place.model == shown.model && r.place.method == shown.method)
        .collect();
    let changes: Vec<&Change> = changes
        .iter()
        .filter(|c| c.place.model == shown.model && c.place.method == shown.method)
        .collect();
    let fractions = ratios
        .iter()
        .map(|r| r.fraction)
        .chain(changes.iter().map(|c| c.fraction));
    let fractions: BTreeSet<u64> = fractions.map(f64::to_bits).collect();
    let fractions: Vec<f64> = fractions.into_iter().map(f64::from_bits).collect();
    let fractions = some(&fractions, FRACTIONS);
    Worse {
        model: shown.model.clone(),
        method: shown.method.clone(),
        why: shown.why.clone(),
        counted: !changes.is_empty(),
        ratios: ratio_rows(&ratios, &fractions),
        changes: change_rows(&changes, &fractions),
        fractions: fractions.into_iter().map(percent).collect(),
    }
}

/// Ratios of hallucination, in the order of tasks and of the record.
fn ratio_rows(ratios: &[&RiskRatio], fractions: &[f64]) -> Vec<RatioRow> {
    let mut rows: Vec<Vec<&RiskRatio>> = Vec::new();
    for ratio in ratios.iter().filter(|r| r.hallucination) {
        let same = |row: &&mut Vec<&RiskRatio>| row[0].task == ratio.task && row[0].metric == ratio.metric;
        match rows.iter_mut().find(same) {
            Some(row) => row.push(ratio),
            None => rows.push(vec![ratio]),
        }
    }
    let row = |row: Vec<&RiskRatio>| {
        let cell = |fraction: &f64| {
            row.iter()
                .find(|r| r.fraction == *fraction)
                .map_or_else(none, |r| ratio_cell(r))
        };
        let n = row.iter().filter_map(|r| r.found.ok()).map(|found| found.n).min();
        RatioRow {
            task: row[0].task.clone(),
            metric: with_scorer(&row[0].metric, &row[0].scorer),
            unpruned: plain(row[0].unpruned),
            n: n.map_or_else(none, |n| n.to_string()),
            cells: fractions.iter().map(cell).collect(),
        }
    };
    rows.into_iter().map(row).collect()
}

fn ratio_cell(ratio: &RiskRatio) -> String {
    match ratio.found {
        Ok(found) => format!(
            "{:.2} ({:.2} to {:.2})",
            found.value, found.interval.0, found.interval.1
        ),
        Err(why) => format!("undefined: {why}"),
    }
}

/// Losses that happen at a fraction shown, with what was won back.
fn change_rows(changes: &[&Change], fractions: &[f64]) -> Vec<ChangeRow> {
    let mut rows: BTreeMap<(&str, _, &str), Vec<&Change>> = BTreeMap::new();
    for change in changes {
        let loss = if change.kind.is_loss() {
            change.kind
        } else {
            change.kind.inverse()
        };
        rows.entry((&change.task, loss, &change.metric))
            .or_default()
            .push(change);
    }
    rows.retain(|_, row| row.iter().any(|c| c.count > 0.0 && fractions.contains(&c.fraction)));
    let row = |((task, loss, metric), row): ((&str, secateur_metrics::regressions::Kind, &str), Vec<&Change>)| {
        let find = |kind, fraction: f64| row.iter().find(|c| c.kind == kind && c.fraction == fraction);
        let cell = |fraction: &f64| {
            let lost = find(loss, *fraction).map_or_else(none, |c| share(c));
            match find(loss.inverse(), *fraction).filter(|c| c.count > 0.0) {
                Some(won) => format!("{lost}; back {} of {}", count(won.count), count(won.at_risk)),
                None => lost,
            }
        };
        let scorer = row.first().map_or("", |c| c.scorer.as_str());
        // Of the gentlest pruning that has some: the first to look at.
        let first = row.iter().find(|c| c.kind == loss && !c.items.is_empty());
        ChangeRow {
            task: task.to_owned(),
            kind: loss.words(),
            by: with_scorer(metric, scorer),
            at_risk: row
                .iter()
                .find(|c| c.kind == loss)
                .map_or_else(none, |c| count(c.at_risk)),
            cells: fractions.iter().map(cell).collect(),
            items: first.map_or_else(none, |c| {
                format!("{} % removed: {}", percent(c.fraction), c.items.join(", "))
            }),
        }
    };
    rows.into_iter().map(row).collect()
}

/// `31: 30 % (22 to 39)`.
fn share(change: &Change) -> String {
    match change.rate {
        None => "none at risk".to_owned(),
        Some(rate) => format!(
            "{}: {} % ({} to {})",
            count(change.count),
            whole_percent(rate.value),
            whole_percent(rate.low),
            whole_percent(rate.high)
        ),
    }
}

fn count(count: f64) -> String {
    plain((count * 10.0).round() / 10.0)
}

fn none() -> String {
    "–".to_owned()
}
