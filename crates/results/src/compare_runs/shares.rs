//! Shares of items: `McNemar`'s exact test of the items that flipped, or a paired bootstrap of the flips where items share documents.
//!
//! Records do not name the scores behind a metric. A score of zeros and ones is taken for a share's own if its mean is the metric's value in
//! both runs; where several are, the one of the most flips, so that the test claims too little rather than too much.

use std::collections::BTreeSet;

use secateur_metrics::measure_paired::proportion;
use secateur_metrics::statistics::{Bootstrap, Clusters};
use secateur_metrics::value::{Definition, MetricValue};
use serde_json::Value;

use super::answers::Lines;
use super::metrics::Tested;

/// Tests a share of run A against that of run B.
///
/// # Errors
/// Why there can be no test, in words.
pub fn test((metric, other): (&MetricValue, &MetricValue), lines: &Lines) -> Result<Tested, String> {
    if metric.n != other.n {
        return Err("other items enter it".to_owned());
    }
    let both: Vec<(&Value, &Value)> = lines.values().filter_map(|(a, b)| a.as_ref().zip(b.as_ref())).collect();
    let scores = both.iter().filter_map(|(answer, _)| answer["scores"].as_object());
    let names: BTreeSet<&String> = scores.flat_map(|scores| scores.keys()).collect();
    let outcomes = names.into_iter().filter_map(|name| column(&both, name));
    let own = outcomes.filter(|found| is_value(&found.a, metric) && is_value(&found.b, other));
    let found = own
        .max_by_key(Outcomes::flips)
        .ok_or("no score of the answers gives its value")?;
    let definition = Definition::new("share", "fraction", metric.direction, metric.aspect);
    let clusters = Clusters::by_name(found.documents);
    let paired = proportion(&definition, &found.a, &found.b, &clusters, &Bootstrap::default());
    let paired = paired.map_err(|e| e.to_string())?;
    Ok(Tested {
        p_value: paired.p_value,
        test: paired.test,
    })
}

/// Right or wrong, item by item, in A and in B, with the document of each item.
struct Outcomes<'a> {
    a: Vec<bool>,
    b: Vec<bool>,
    documents: Vec<Option<&'a str>>,
}

impl Outcomes<'_> {
    fn flips(&self) -> usize {
        self.a.iter().zip(&self.b).filter(|(a, b)| a != b).count()
    }
}

/// A score of the items that have it in both runs; `None` if it is not zeros and ones.
fn column<'a>(both: &[(&'a Value, &'a Value)], name: &str) -> Option<Outcomes<'a>> {
    let mut found = Outcomes {
        a: Vec::new(),
        b: Vec::new(),
        documents: Vec::new(),
    };
    for (a, b) in both {
        let (Some(in_a), Some(in_b)) = (a["scores"][name].as_f64(), b["scores"][name].as_f64()) else {
            continue;
        };
        if ![in_a, in_b].iter().all(|score| [0.0, 1.0].contains(score)) {
            return None;
        }
        found.a.push(in_a == 1.0);
        found.b.push(in_b == 1.0);
        found.documents.push(a["fields"]["cluster"].as_str());
    }
    Some(found)
}

fn is_value(outcomes: &[bool], metric: &MetricValue) -> bool {
    let right = outcomes.iter().filter(|right| **right).count();
    outcomes.len() == metric.n && (right as f64 / outcomes.len().max(1) as f64 - metric.value).abs() < 1e-12
}
