//! A number from 0 to 5, and how far it is from the reference.

use secateur_metrics::reference_experiment::similarity;

use crate::answer::Scores;
use crate::score::{Mismatch, from_bool};

/// Ends of the scale of similarity.
const SCALE: (f64, f64) = (0.0, 5.0);

/// Squared errors of one item.
pub(super) fn scores(text: &str, reference: &str) -> Result<Scores, Mismatch> {
    let gold = number(reference).ok_or_else(|| Mismatch {
        found: format!("the reference {reference:?}"),
        expected: "a number from 0 to 5".into(),
    })?;
    let said = number(text);
    let worst = (gold - SCALE.0).max(SCALE.1 - gold);
    let error = said.map_or(worst, |said| said - gold);
    let paper = similarity::mean_squared_error(&[reference.to_owned()], &[text.to_owned()]);
    let paper = paper.map_err(|error| Mismatch {
        found: error.to_string(),
        expected: "a reference and an answer".into(),
    })?;
    Ok(Scores::from([
        ("squared_error".to_owned(), error * error),
        ("squared_error_paper".to_owned(), paper),
        ("unparsable".to_owned(), from_bool(said.is_none())),
    ]))
}

/// The one number of a text, if it is on the scale. A number said twice is one.
fn number(text: &str) -> Option<f64> {
    let mut found: Option<f64> = None;
    let runs = text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
    for run in runs {
        let run = run.trim_end_matches(['.', '-']);
        if !run.contains(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let value: f64 = run.parse().ok()?;
        if found.is_some_and(|other| (other - value).abs() > 0.0) {
            return None;
        }
        found = Some(value);
    }
    found.filter(|value| (SCALE.0..=SCALE.1).contains(value))
}
