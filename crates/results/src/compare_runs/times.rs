//! Times, summed by model: single cells of small tasks take fractions of a second, and prove nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::record::Cost;
use crate::store::StoredRecord;

/// Sums below this are not judged, s.
pub const SHORTEST_SECONDS: f64 = 1.0;

/// What a change of times comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// Within the tolerance.
    Within,
    /// Takes longer than tolerated, or makes fewer tokens per second.
    Slower,
    /// Beyond the tolerance, the other way.
    Faster,
    /// Other machines, too short a time, or a repeated run.
    NotJudged,
}

/// Times of a model over the cells that both runs evaluated; cells that took another's answers cost nothing and do not enter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimeChange {
    /// The model.
    pub model: String,
    /// Cells.
    pub cells: usize,
    /// Wall-clock seconds of A's evaluations.
    pub seconds_a: f64,
    /// Of B's.
    pub seconds_b: f64,
    /// Tokens per second in A.
    pub tokens_per_second_a: f64,
    /// In B.
    pub tokens_per_second_b: f64,
    /// What it comes to.
    pub speed: Speed,
    /// Why it is not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Times of all models; `may_judge` says why they are not judged where they are not.
pub fn times(
    pairs: &[(&StoredRecord, &StoredRecord)],
    tolerance: f64,
    may_judge: &Result<(), String>,
) -> Vec<TimeChange> {
    let mut models: BTreeMap<&str, (usize, Cost, Cost)> = BTreeMap::new();
    for (a, b) in pairs {
        let costs = (&a.record.cost, &b.record.cost);
        if costs.0.seconds > 0.0 && costs.1.seconds > 0.0 {
            let (cells, in_a, in_b) = models.entry(&a.record.cell.model).or_default();
            *cells += 1;
            for (sum, cost) in [(in_a, costs.0), (in_b, costs.1)] {
                sum.seconds += cost.seconds;
                sum.tokens += cost.tokens;
            }
        }
    }
    let change = |(model, (cells, a, b)): (&str, (usize, Cost, Cost))| {
        let rate = |cost: &Cost| cost.tokens as f64 / cost.seconds;
        let mut change = TimeChange {
            model: model.to_owned(),
            cells,
            seconds_a: a.seconds,
            seconds_b: b.seconds,
            tokens_per_second_a: rate(&a),
            tokens_per_second_b: rate(&b),
            speed: Speed::NotJudged,
            note: None,
        };
        match may_judge {
            Err(why) => change.note = Some(why.clone()),
            Ok(()) if a.seconds.max(b.seconds) < SHORTEST_SECONDS => {
                change.note = Some(format!("less than {SHORTEST_SECONDS} s in both"));
            }
            Ok(()) => change.speed = speed(&change, tolerance),
        }
        change
    };
    models.into_iter().map(change).collect()
}

fn speed(change: &TimeChange, tolerance: f64) -> Speed {
    let beyond = |more: f64, less: f64| more > less * (1.0 + tolerance);
    let (seconds, rates) = (
        (change.seconds_a, change.seconds_b),
        (change.tokens_per_second_a, change.tokens_per_second_b),
    );
    if beyond(seconds.1, seconds.0) || beyond(rates.0, rates.1) {
        Speed::Slower
    } else if beyond(seconds.0, seconds.1) || beyond(rates.1, rates.0) {
        Speed::Faster
    } else {
        Speed::Within
    }
}

/// Times compare on one machine only. Manifests that do not name theirs are taken at their word: none.
///
/// # Errors
/// What differs, in words.
pub fn same_machine(a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>) -> Result<(), String> {
    let named = |manifest: &BTreeMap<String, Value>, place: [&str; 2]| {
        let value = manifest.get(place[0])?;
        let value = if place[1].is_empty() {
            value
        } else {
            value.get(place[1])?
        };
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    for place in [["device", ""], ["environment", "processor"], ["environment", "threads"]] {
        if let (Some(a), Some(b)) = (named(a, place), named(b, place))
            && a != b
        {
            let what = if place[1].is_empty() { place[0] } else { place[1] };
            return Err(format!("other machines: {what} `{a}` and `{b}`"));
        }
    }
    Ok(())
}
