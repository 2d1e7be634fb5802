//! Comparisons gathered by family, and typed access to the files' values.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde_json::{Map, Value};

use crate::Report;

/// The families of one file, in order of appearance.
pub(super) struct Tally {
    prefix: String,
    rows: Vec<Row>,
    skipped: Vec<(String, String)>,
    seen: BTreeSet<String>,
}

struct Row {
    name: String,
    compared: usize,
    /// Largest deviation and tolerance; `None` for exact comparisons.
    deviation: Option<(f64, f64)>,
    /// The first comparison that failed for another reason than its deviation.
    failure: Option<String>,
}

impl Tally {
    pub(super) fn new(prefix: String) -> Self {
        Self {
            prefix,
            rows: Vec::new(),
            skipped: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    fn row(&mut self, name: &str) -> &mut Row {
        let position = self.rows.iter().position(|row| row.name == name);
        let position = position.unwrap_or_else(|| {
            self.rows.push(Row {
                name: name.to_owned(),
                compared: 0,
                deviation: None,
                failure: None,
            });
            self.rows.len() - 1
        });
        &mut self.rows[position]
    }

    /// Compares a number; a metric that refuses the input, or a value that is none, fails the family.
    pub(super) fn number<E: Display>(&mut self, name: &str, found: Result<f64, E>, expected: f64, tolerance: f64) {
        let row = self.row(name);
        row.compared += 1;
        match found {
            Ok(found) if (found - expected).is_finite() => {
                let (largest, _) = row.deviation.unwrap_or_default();
                row.deviation = Some((largest.max((found - expected).abs()), tolerance));
            }
            Ok(found) => {
                let text = format!("found {found}, expected {expected}");
                row.failure.get_or_insert(text);
            }
            Err(error) => {
                row.failure.get_or_insert(error.to_string());
            }
        }
    }

    /// Compares what must be equal.
    pub(super) fn exact<T: PartialEq + std::fmt::Debug>(
        &mut self,
        name: &str,
        found: &T,
        expected: &T,
        place: impl Display,
    ) {
        let row = self.row(name);
        row.compared += 1;
        if found != expected {
            let text = format!("{place}: found {found:?}, expected {expected:?}");
            row.failure.get_or_insert(text);
        }
    }

    /// Lists what is not checked, once per name.
    pub(super) fn skip(&mut self, name: &str, reason: &str) {
        if self.seen.insert(name.to_owned()) {
            self.skipped.push((name.to_owned(), reason.to_owned()));
        }
    }

    pub(super) fn finish(self, report: &mut Report) {
        for row in self.rows {
            let name = format!("{}/{}", self.prefix, row.name);
            match (row.failure, row.deviation) {
                (Some(failure), Some(_)) => report.broken(name, failure),
                (failure, None) => report.exact(name, row.compared, failure),
                (None, Some((deviation, tolerance))) => {
                    report.numeric(name, row.compared, deviation, tolerance);
                }
            }
        }
        for (name, reason) in self.skipped {
            report.skipped(format!("{}/{name}", self.prefix), reason);
        }
    }
}

/// An object, with the place for the message.
pub(super) fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{place}: expected an object"))
}

/// A list.
pub(super) fn list<'a>(value: &'a Value, place: &str) -> Result<&'a [Value], String> {
    let list = value.as_array().map(Vec::as_slice);
    list.ok_or_else(|| format!("{place}: expected a list"))
}

/// A member of an object.
pub(super) fn member<'a>(object: &'a Map<String, Value>, key: &str, place: &str) -> Result<&'a Value, String> {
    object.get(key).ok_or_else(|| format!("{place}: `{key}` is missing"))
}

/// A finite number.
pub(super) fn number(value: &Value, place: &str) -> Result<f64, String> {
    value
        .as_f64()
        .filter(|number| number.is_finite())
        .ok_or_else(|| format!("{place}: expected a number, found {value}"))
}

/// A list of finite numbers.
pub(super) fn numbers(value: &Value, place: &str) -> Result<Vec<f64>, String> {
    list(value, place)?.iter().map(|value| number(value, place)).collect()
}

/// A count or index.
pub(super) fn count(value: &Value, place: &str) -> Result<usize, String> {
    value
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
        .ok_or_else(|| format!("{place}: expected a whole number from 0, found {value}"))
}

/// A list of counts or indices.
pub(super) fn counts(value: &Value, place: &str) -> Result<Vec<usize>, String> {
    list(value, place)?.iter().map(|value| count(value, place)).collect()
}

/// A string.
pub(super) fn string<'a>(value: &'a Value, place: &str) -> Result<&'a str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("{place}: expected a string, found {value}"))
}
