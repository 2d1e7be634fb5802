//! The relative protocol: of two texts of one source, the pruned and the unpruned model's, which hallucinates more, omits more,
//! repeats more, and which is better aligned with the source?
//!
//! Source: the reference experiment (<https://arxiv.org/abs/2607.01444>), whose prompt, reading of replies and drawing of the order are
//! `secateur_datasets::reference_experiment::pairwise`'s. Which text is shown as A follows from the MD5 of seed and id. A judge may
//! prefer a position to a text, so both orders can be asked; what changes with the order is then a tie in the consistent
//! figures ([`super::figures`]).
//!
//! The experiment's published sample (`evaluation_samples_30.json`) names models in `resolved_answers`; in 20 of its 30 entries they
//! are the opposite of what its own `mapping` and `raw_answers` say, for all judges alike. [`Choices::named`] follows the mapping.

use secateur_datasets::reference_experiment::pairwise::{self, QUESTIONS, json_object, unpruned_is_a};
use secateur_metrics::judged::Named;
use secateur_metrics::position_bias::Position;
use serde::{Deserialize, Serialize};

use super::Watch;
use super::ask::ask_all;
use super::client::{Client, Question};
use super::messages::{Message, Protocol, after_thinking, brief};
use super::record::{Run, Summary, Unjudged, Verdict};
use crate::error::JudgeError;

/// Name and version.
pub const PROTOCOL: Protocol = Protocol {
    name: "relative",
    version: 1,
};

/// Two texts of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Triple<'a> {
    /// Decides the order, with the seed.
    pub id: &'a str,
    /// What both texts were written from.
    pub source: &'a str,
    /// The unpruned model's text.
    pub unpruned: &'a str,
    /// The pruned model's text.
    pub pruned: &'a str,
}

/// How pairs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelativeOptions {
    /// Seed of the order; the experiment's is 123.
    pub seed: i64,
    /// Whether every pair is also shown in the other order.
    pub both_orders: bool,
}

impl Default for RelativeOptions {
    fn default() -> Self {
        Self {
            seed: 123,
            both_orders: false,
        }
    }
}

/// The judge's letters, one per question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letters(pub [Letter; 4]);

/// A text by the place where it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Letter {
    /// The text shown first.
    A,
    /// The text shown second.
    B,
}

/// The judge's letters, and what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choices {
    /// Whether the unpruned model's text was shown as A.
    pub unpruned_is_a: bool,
    /// The letters, in the order of [`QUESTIONS`].
    pub letters: [Letter; 4],
}

impl Choices {
    /// Whose text is named in answer to question `index` of [`QUESTIONS`].
    #[must_use]
    pub fn named(&self, index: usize) -> Named {
        if (self.letters[index] == Letter::A) == self.unpruned_is_a {
            Named::Unpruned
        } else {
            Named::Pruned
        }
    }

    /// Where the text stood that is named in answer to question `index`.
    #[must_use]
    pub fn position(&self, index: usize) -> Position {
        match self.letters[index] {
            Letter::A => Position::First,
            Letter::B => Position::Second,
        }
    }
}

/// Verdicts on all pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct RelativeRun {
    /// One entry per pair, in the order that seed and id draw.
    pub drawn: Vec<Result<Verdict<Choices>, Unjudged>>,
    /// The same pairs in the other order; empty where only one was asked.
    pub swapped: Vec<Result<Verdict<Choices>, Unjudged>>,
    /// Both together.
    pub summary: Summary,
    /// Damaged entries that were set aside, and what stopped the run.
    pub messages: Vec<String>,
}

/// Judges pairs, in the drawn order and, if wanted, in the other. Two empty texts are not compared; one is.
///
/// # Errors
/// [`JudgeError::Cache`] or [`JudgeError::Thread`]. What goes wrong with a question is its own [`Unjudged`].
pub fn judge(
    client: &Client,
    triples: &[Triple<'_>],
    options: RelativeOptions,
    watch: &mut Watch<'_>,
) -> Result<RelativeRun, JudgeError> {
    let drawn: Vec<bool> = triples
        .iter()
        .map(|triple| unpruned_is_a(options.seed, triple.id))
        .collect();
    let other = drawn
        .iter()
        .map(|first| !first)
        .take(if options.both_orders { drawn.len() } else { 0 });
    let orders: Vec<bool> = drawn.iter().copied().chain(other).collect();
    // Both orders in one go, so that the same threads serve them.
    let asked = |(triple, &order): (&Triple<'_>, &bool)| {
        let both_empty = triple.unpruned.trim().is_empty() && triple.pruned.trim().is_empty();
        (!both_empty).then(|| question(triple, order))
    };
    let shown: Vec<Option<Question>> = triples.iter().cycle().zip(&orders).map(asked).collect();
    let Run {
        verdicts,
        summary,
        messages,
    } = ask_all(client, &shown, &read, watch)?;
    let mut verdicts: Vec<_> = verdicts
        .into_iter()
        .zip(&orders)
        .map(|(verdict, &unpruned_is_a)| verdict.map(|verdict| resolved(verdict, unpruned_is_a)))
        .collect();
    let swapped = verdicts.split_off(triples.len());
    Ok(RelativeRun {
        drawn: verdicts,
        swapped,
        summary,
        messages,
    })
}

fn resolved(verdict: Verdict<Letters>, unpruned_is_a: bool) -> Verdict<Choices> {
    Verdict {
        value: Choices {
            unpruned_is_a,
            letters: verdict.value.0,
        },
        reason: verdict.reason,
        record: verdict.record,
        cached: verdict.cached,
    }
}

/// What is asked of one pair.
#[must_use]
pub fn question(triple: &Triple<'_>, unpruned_is_a: bool) -> Question {
    let (a, b) = if unpruned_is_a {
        (triple.unpruned, triple.pruned)
    } else {
        (triple.pruned, triple.unpruned)
    };
    Question {
        protocol: PROTOCOL,
        messages: vec![
            Message::new("system", pairwise::SYSTEM),
            Message::new("user", pairwise::prompt(triple.source, a, b, false)),
        ],
    }
}

/// The letters in a reply. All four questions have to be answered.
///
/// # Errors
/// What is wrong with the reply.
pub fn read(reply: &str) -> Result<(Letters, String), String> {
    let told = |error: secateur_datasets::reference_experiment::ReferenceError| brief(&error.to_string());
    let object = json_object(after_thinking(reply)).map_err(told)?;
    let mut letters = [Letter::A; 4];
    for (letter, question) in letters.iter_mut().zip(QUESTIONS) {
        let said = object
            .get(question)
            .ok_or_else(|| format!("the JSON object has no `{question}`"))?;
        *letter = match pairwise::choice(said, false).map_err(told)? {
            "A" => Letter::A,
            _ => Letter::B,
        };
    }
    Ok((Letters(letters), String::new()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const REPLY: &str = r#"{"q1_hallucinations_more": "A", "q2_omission_more": "b", "q3_repetition_more": " B ", "q4_alignment_more": "A"}"#;

    #[test]
    fn letters_become_models_by_the_order() {
        use Named::{Pruned, Unpruned};
        let letters = read(REPLY).unwrap().0.0;
        assert_eq!(letters, [Letter::A, Letter::B, Letter::B, Letter::A]);
        let named = |unpruned_is_a| {
            let choices = Choices { unpruned_is_a, letters };
            [0, 1, 2, 3].map(|index| choices.named(index))
        };
        assert_eq!(named(true), [Unpruned, Pruned, Pruned, Unpruned]);
        assert_eq!(named(false), [Pruned, Unpruned, Unpruned, Pruned]);
    }

    #[test]
    fn all_four_questions_want_a_or_b() {
        for wrong in [
            REPLY.replace("\"b\"", "\"tie\""),
            REPLY.replace("q3_repetition_more", "q3"),
            REPLY.replace("\"A\"", "\"A.\""),
            REPLY.replace("\"A\"", "null"),
            REPLY.replace('{', ""),
            "A".to_owned(),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_order_is_what_the_prompt_shows() {
        let triple = Triple {
            id: "0",
            source: "document",
            unpruned: "whole",
            pruned: "cut",
        };
        let shown = |order| question(&triple, order).messages[1].content.clone();
        assert!(shown(true).contains("<<<A\nwhole\nA>>>") && shown(true).contains("<<<B\ncut\nB>>>"));
        assert!(shown(false).contains("<<<A\ncut\nA>>>") && shown(false).contains("<<<B\nwhole\nB>>>"));
    }
}
