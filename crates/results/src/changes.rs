//! Regressions of single items, seeds put together, and diagrams: what records keep beside metrics.

use std::collections::BTreeMap;

use secateur_metrics::curves::Diagrams;
use secateur_metrics::regressions::{Kind, Regression};

use crate::aggregate::{has_several_corpora, method_label};
use crate::record::Record;
use crate::retention::{Estimate, over_seeds};
use crate::safe::lines::{Lines, Place};

/// One kind of change on one task at one fraction.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Model, method, domain.
    pub place: Place,
    /// Share of each layer's experts removed.
    pub fraction: f64,
    /// The task.
    pub task: String,
    /// The kind.
    pub kind: Kind,
    /// The metric that says which state an item is in.
    pub metric: String,
    /// What made it.
    pub scorer: String,
    /// Calibration seeds.
    pub seeds: usize,
    /// Items at risk. The unpruned model decides it, so that it differs between seeds only where items lack a state.
    pub at_risk: f64,
    /// Items that changed, mean over seeds.
    pub count: f64,
    /// Share of the items at risk, mean over seeds; `None` where none are.
    pub rate: Option<Estimate>,
    /// Ids of the first that changed, of the smallest seed.
    pub items: Vec<String>,
}

/// All changes, by model, method, domain, fraction, task and kind.
#[must_use]
pub fn changes(records: &[Record]) -> Vec<Change> {
    let lines = Lines::new(records);
    let mut all = Vec::new();
    for (place, line) in &lines.lines {
        for (&bits, tasks) in &line.cells {
            for (task, cells) in tasks {
                let mut kinds: BTreeMap<(Kind, &str), Vec<&Regression>> = BTreeMap::new();
                for record in cells.values() {
                    for change in record.regressions.iter().flat_map(|all| &all.kinds) {
                        kinds.entry((change.kind, &change.metric)).or_default().push(change);
                    }
                }
                let seeds = kinds.into_values();
                all.extend(seeds.map(|seeds| over(place, f64::from_bits(bits), task, &seeds)));
            }
        }
    }
    all
}

/// `seeds` are not empty, and of one kind and metric.
fn over(place: &Place, fraction: f64, task: &str, seeds: &[&Regression]) -> Change {
    let count = seeds.len() as f64;
    let estimate = |seed: &&Regression| {
        seed.rate().map(|value| Estimate {
            value,
            low: seed.interval.0,
            high: seed.interval.1,
        })
    };
    let rates: Option<Vec<Estimate>> = seeds.iter().map(estimate).collect();
    let held = |rate: Estimate| Estimate {
        low: rate.low.max(0.0),
        high: rate.high.min(1.0),
        ..rate
    };
    Change {
        place: place.clone(),
        fraction,
        task: task.to_owned(),
        kind: seeds[0].kind,
        metric: seeds[0].metric.clone(),
        scorer: seeds[0].scorer.clone(),
        seeds: seeds.len(),
        at_risk: seeds.iter().map(|seed| seed.at_risk as f64).sum::<f64>() / count,
        count: seeds.iter().map(|seed| seed.count as f64).sum::<f64>() / count,
        rate: rates.and_then(|rates| over_seeds(&rates)).map(held),
        items: seeds[0].items.clone(),
    }
}

/// Diagrams of one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagramsOf<'a> {
    /// The model.
    pub model: &'a str,
    /// The method's label; `None` for the unpruned model.
    pub method: Option<String>,
    /// Share of each layer's experts removed.
    pub fraction: f64,
    /// Calibration seed.
    pub seed: u64,
    /// The task.
    pub task: &'a str,
    /// `biomedical` or `general`.
    pub domain: &'a str,
    /// What is drawn.
    pub diagrams: &'a Diagrams,
}

/// All diagrams, by model, task, method (the unpruned model first), fraction and seed.
#[must_use]
pub fn diagrams(records: &[Record]) -> Vec<DiagramsOf<'_>> {
    let several = has_several_corpora(records);
    let mut all: Vec<_> = records.iter().filter_map(|record| of(record, several)).collect();
    all.sort_by(|a, b| {
        let place = |d: &DiagramsOf<'_>| {
            let line = (
                d.model.to_owned(),
                d.domain.to_owned(),
                d.task.to_owned(),
                d.method.clone(),
            );
            (line, d.fraction.to_bits(), d.seed)
        };
        place(a).cmp(&place(b))
    });
    all
}

fn of(record: &Record, several_corpora: bool) -> Option<DiagramsOf<'_>> {
    Some(DiagramsOf {
        model: &record.cell.model,
        method: method_label(&record.cell, several_corpora),
        fraction: record.cell.fraction_removed,
        seed: record.cell.seed,
        task: &record.cell.task,
        domain: &record.cell.domain,
        diagrams: record.diagrams.as_ref()?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::{record, regression};
    use secateur_metrics::regressions::Regressions;

    const A: (&str, &str, &str) = ("a", "biomedical", "classification");

    #[test]
    fn seeds_are_averaged_and_do_not_shrink_the_interval() {
        let with = |seed: u64, count: usize| {
            let mut record = record(Some("reap"), 0.5, seed, A, (0.5, 0.2));
            record.regressions = Some(Regressions {
                kinds: vec![
                    regression(Kind::RightToWrong, count, 100),
                    regression(Kind::WrongToRight, 0, 0),
                ],
            });
            record
        };
        let records = [
            record(None, 0.0, 0, A, (0.8, 0.2)),
            with(0, 20),
            with(1, 20),
            with(2, 20),
        ];
        let all = changes(&records);
        assert_eq!(all.len(), 2);
        let loss = &all[0];
        assert_eq!(
            (loss.kind, loss.seeds, loss.count, loss.at_risk),
            (Kind::RightToWrong, 3, 20.0, 100.0)
        );
        let one = changes(&records[..2]).remove(0).rate.unwrap();
        let rate = loss.rate.unwrap();
        assert!((rate.low - one.low).abs() < 1e-12 && (rate.high - one.high).abs() < 1e-12);
        assert_eq!(all[1].rate, None);
        assert!(
            changes(&[
                record(None, 0.0, 0, A, (0.8, 0.2)),
                record(Some("reap"), 0.5, 0, A, (0.5, 0.2))
            ])
            .is_empty()
        );
    }
}
