//! Does an answer name only drugs, people and figures that its source holds (or its references, where there is no source)?
//!
//! Beside what looks like a name, every short reference of the task counts as one: a disease that is the answer to another question
//! is a wrong disease here, although it is written in lower case. A task can name more in an item's field `terms`, separated by `;`.

use std::collections::BTreeSet;

use secateur_datasets::item::{Body, Generate, Item};
use secateur_metrics::support::{self, ENTITY_SUPPORT, NUMBER_SUPPORT, SUPPORT, Support};
use secateur_metrics::value::{Aspect, Definition, Direction};

use super::from_bool;
use super::words::words;
use crate::answer::Answer;
use crate::summary::{Estimate, Metric};

/// Share of answers with at least one name or number that is not supported. An answer without any has none.
const UNSUPPORTED_ANSWER_RATE: Definition = Definition::new(
    "unsupported_answer_rate",
    "fraction",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);

/// Longest reference that counts as a name, in words.
const LONGEST_NAME: usize = 4;

/// Names that the items of a task hold: short references with a letter, and the field `terms`.
pub(super) fn names(items: &[Item]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for item in items {
        let Body::Generate(question) = &item.body else {
            continue;
        };
        let is_name = |text: &&String| {
            text.chars().filter(|c| c.is_alphabetic()).count() > 2 && words(text).len() <= LONGEST_NAME
        };
        names.extend(question.references.iter().filter(is_name).cloned());
        let terms = item.fields.get("terms").map_or("", String::as_str);
        let terms = terms.split(';').map(str::trim);
        names.extend(terms.filter(|term| !term.is_empty()).map(String::from));
    }
    names.into_iter().collect()
}

/// Scores of one answer; shares only where it names anything. Against nothing (an unanswerable item without a source) every
/// name is unsupported.
pub(super) fn score(text: &str, question: &Generate, names: &[String], answer: &mut Answer) {
    let known: Vec<&str> = match &question.source {
        Some(source) => vec![source],
        None => question.references.iter().map(String::as_str).collect(),
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let entities = support::entities::support(text, &known, &names);
    let numbers = support::numbers::support(text, &known);
    let both = entities.clone().and(numbers.clone());
    for (kind, found) in [("entities", &entities), ("numbers", &numbers), ("mentions", &both)] {
        let supported = found.mentions - found.unsupported.len();
        let counts = [("supported", supported), ("all", found.mentions)];
        for (prefix, count) in counts {
            let value = count as f64;
            answer.scores.insert(format!("{prefix}_{kind}"), value);
        }
    }
    let unsupported = from_bool(!both.unsupported.is_empty());
    answer.scores.insert("unsupported_answer".into(), unsupported);
    let Support { unsupported, .. } = both;
    answer.unsupported = unsupported;
}

/// What is reported: shares are over all mentions of all answers together.
pub(super) fn metrics() -> [Metric; 4] {
    [
        Metric::proportion(UNSUPPORTED_ANSWER_RATE, "unsupported_answer"),
        share(SUPPORT, ["supported_mentions", "all_mentions"]),
        share(ENTITY_SUPPORT, ["supported_entities", "all_entities"]),
        share(NUMBER_SUPPORT, ["supported_numbers", "all_numbers"]),
    ]
}

fn share(definition: Definition, columns: [&'static str; 2]) -> Metric {
    let value = |rows: &[&[f64]]| {
        let sum = |i: usize| rows.iter().map(|row| row[i]).sum::<f64>();
        (sum(1) > 0.0).then(|| sum(0) / sum(1))
    };
    Metric {
        definition,
        estimate: Estimate::whole(columns.to_vec(), value),
    }
}
