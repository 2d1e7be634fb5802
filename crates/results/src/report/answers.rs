//! The answer as the pages show it.

use serde::Serialize;

use crate::charts::capital;
use crate::safe::{End, SafeFraction, words};

/// How far one model can be pruned.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    model: String,
    best: Vec<String>,
    rows: Vec<(String, Vec<AnswerCell>)>,
}

/// One method in one domain.
#[derive(Debug, Serialize)]
struct AnswerCell {
    safe: String,
    interval: String,
    end: String,
}

/// A safe fraction with its numbers.
#[derive(Debug, Serialize)]
pub(super) struct SafeRow {
    model: String,
    method: String,
    domain: String,
    safe: String,
    interval: String,
    seeds: usize,
    kept: Vec<String>,
    reason: &'static str,
    end: String,
}

/// Domains as columns, the one that the model is pruned for first.
pub(super) fn places(safe: &[SafeFraction]) -> Vec<String> {
    let mut places: Vec<(bool, String)> = safe
        .iter()
        .map(|s| (s.in_domain != Some(true), words::domain(s)))
        .collect();
    places.sort();
    places.dedup();
    places.into_iter().map(|(_, place)| place).collect()
}

pub(super) fn answer(model: &str, methods: &[String], places: &[String], safe: &[SafeFraction]) -> Answer {
    let here: Vec<_> = safe.iter().filter(|s| s.model == model).collect();
    let rows = methods
        .iter()
        .filter(|m| here.iter().any(|s| s.method == **m))
        .map(|method| {
            let cell = |place: &String| {
                let found = here.iter().find(|s| s.method == *method && words::domain(s) == *place);
                found.map_or_else(no_cell, |s| cell(s))
            };
            (method.clone(), places.iter().map(cell).collect())
        });
    Answer {
        model: model.to_owned(),
        rows: rows.collect(),
        best: places.iter().filter_map(|place| best(place, &here)).collect(),
    }
}

/// The furthest safe methods of a domain, in a sentence.
fn best(place: &str, here: &[&SafeFraction]) -> Option<String> {
    let there: Vec<_> = here.iter().filter(|s| words::domain(s) == place).collect();
    let furthest = there.iter().map(|s| s.fraction).reduce(f64::max)?;
    let place = capital(place);
    if furthest == 0.0 {
        let few = there
            .iter()
            .filter(|s| words::reason(&s.end) == "not enough items")
            .count();
        let smallest = there
            .iter()
            .filter_map(|s| next(&s.end))
            .reduce(f64::min)
            .unwrap_or(0.0);
        let because = match few {
            0 => String::new(),
            few if few == there.len() => "; there are not enough items to tell".to_owned(),
            few => format!("; {few} of {} methods end for want of items", there.len()),
        };
        let smallest = words::share(smallest);
        return Some(format!(
            "{place}: with no method is a loss beyond the margins ruled out, even with the smallest share removed ({smallest}){because}."
        ));
    }
    let names: Vec<_> = there
        .iter()
        .filter(|s| s.fraction == furthest)
        .map(|s| s.method.as_str())
        .collect();
    Some(format!(
        "{place}: up to {} with {}.",
        words::share(furthest),
        names.join(", ")
    ))
}

/// The fraction at which it ends.
fn next(end: &End) -> Option<f64> {
    match end {
        End::Missed { fraction, .. } | End::Incomplete { fraction, .. } => Some(*fraction),
        End::Largest => None,
    }
}

fn no_cell() -> AnswerCell {
    AnswerCell {
        safe: "–".to_owned(),
        interval: String::new(),
        end: "not evaluated".to_owned(),
    }
}

fn cell(safe: &SafeFraction) -> AnswerCell {
    AnswerCell {
        safe: words::share(safe.fraction),
        interval: words::interval(safe),
        end: words::end(&safe.end),
    }
}

pub(super) fn row(safe: &SafeFraction) -> SafeRow {
    SafeRow {
        model: safe.model.clone(),
        method: safe.method.clone(),
        domain: words::domain(safe),
        safe: words::share(safe.fraction),
        interval: words::interval(safe),
        seeds: safe.seeds,
        kept: safe.kept.iter().map(words::criterion).collect(),
        reason: words::reason(&safe.end),
        end: words::end(&safe.end),
    }
}
