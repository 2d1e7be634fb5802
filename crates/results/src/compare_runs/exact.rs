//! Every number: what a repeated run on the same machine must give again.

use std::collections::BTreeSet;

use secateur_metrics::value::Resamples;
use serde::Serialize;
use serde_json::{Value, json};

use super::answers::Lines;
use super::cells::CellId;
use crate::record::Record;

/// A number, or a word, that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumberChange {
    /// The cell.
    pub cell: CellId,
    /// Where: `metrics.accuracy.value`, `answers.item-3.scores.acc`.
    pub place: String,
    /// In A; `null` where A has none.
    pub a: Value,
    /// In B.
    pub b: Value,
}

/// Compares all of two records but key, inputs, layout and cost.
pub fn record(cell: &CellId, a: &Record, b: &Record, found: &mut Vec<NumberChange>) {
    let side = |record: &Record| {
        json!({
            "cell": record.cell,
            "metrics": record.metrics,
            "regressions": record.regressions,
            "diagrams": record.diagrams,
            "counts": record.counts,
            "warnings": record.warnings,
        })
    };
    let mut walk = Walk { cell, found };
    walk.values("", &side(a), &side(b));
}

/// Compares all fields of the answers.
pub fn answers(cell: &CellId, lines: &Lines, found: &mut Vec<NumberChange>) {
    let mut walk = Walk { cell, found };
    for (item, (a, b)) in lines {
        let side = |answer: &Option<Value>| answer.clone().unwrap_or(Value::Null);
        walk.values(&format!("answers.{item}"), &side(a), &side(b));
    }
}

struct Walk<'a> {
    cell: &'a CellId,
    found: &'a mut Vec<NumberChange>,
}

impl Walk<'_> {
    fn values(&mut self, place: &str, a: &Value, b: &Value) {
        match (a, b) {
            _ if a == b => {}
            (Value::Object(in_a), Value::Object(in_b)) => {
                let names: BTreeSet<&String> = in_a.keys().chain(in_b.keys()).collect();
                for name in names {
                    let side = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                    let (a, b) = (side(in_a), side(in_b));
                    let place = below(place, name);
                    if name == "resamples"
                        && let (Some(a), Some(b)) = (draws(&a), draws(&b))
                    {
                        self.resamples(&place, &a, &b);
                    } else {
                        self.values(&place, &a, &b);
                    }
                }
            }
            (Value::Array(in_a), Value::Array(in_b)) => {
                for index in 0..in_a.len().max(in_b.len()) {
                    let side = |list: &[Value]| list.get(index).cloned().unwrap_or_default();
                    let name = in_a.get(index).and_then(called).unwrap_or_else(|| index.to_string());
                    self.values(&below(place, &name), &side(in_a), &side(in_b));
                }
            }
            _ => self.push(place, a.clone(), b.clone()),
        }
    }

    /// A list of hundreds of draws is one number: the largest difference.
    fn resamples(&mut self, place: &str, a: &Resamples, b: &Resamples) {
        if a == b {
            return;
        }
        if a.0.len() != b.0.len() {
            self.push(&below(place, "draws"), json!(a.0.len()), json!(b.0.len()));
            return;
        }
        let differing = a.0.iter().zip(&b.0).filter(|(a, b)| a.to_bits() != b.to_bits());
        let furthest = differing.max_by(|x, y| (x.0 - x.1).abs().total_cmp(&(y.0 - y.1).abs()));
        if let Some((a, b)) = furthest {
            self.push(&below(place, "furthest draw"), json!(a), json!(b));
        }
    }

    fn push(&mut self, place: &str, a: Value, b: Value) {
        self.found.push(NumberChange {
            cell: self.cell.clone(),
            place: place.to_owned(),
            a,
            b,
        });
    }
}

fn below(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place}.{name}")
    }
}

/// Metrics are known by their names, changes of items by their kinds.
fn called(value: &Value) -> Option<String> {
    let name = value.get("name").or_else(|| value.get("kind"))?;
    name.as_str().map(str::to_owned)
}

fn draws(value: &Value) -> Option<Resamples> {
    serde_json::from_value(value.clone()).ok()
}
