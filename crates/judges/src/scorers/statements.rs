//! What an answer says of statements, by natural language inference: K-QA's must-haves, atomic facts.
//!
//! ```text
//! whole:      e, c = p(entailment), p(contradiction) of (premise, statement)
//! sentences:  e, c = max_i over (sentence i of the premise, statement)
//! verdict:    the likeliest class (whole); entailed where e > 1/2 and e ≥ c, contradicted where c > 1/2, else neutral (sentences)
//! ```
//!
//! The shares are those of [`secateur_metrics::verdicts`]. K-QA itself has a language model as judge, with question and answer before it;
//! OLAPH's local form compares embeddings and is no inference, see there. An NLI model reads `premise` up to its length and no further, so
//! that long answers are better taken by `sentences`; that loses what only two sentences together say. An empty answer entails and
//! contradicts nothing.

use secateur_metrics::verdicts::Verdict;

use super::nli::{Nli, Relation};
use super::progress::Share;
use super::split;
use crate::error::JudgeError;

/// How a premise is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Premises {
    /// As it is, cut by the tokenizer.
    #[default]
    Whole,
    /// Sentence by sentence.
    Sentences,
}

/// A premise and the statements it is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'a> {
    /// The answer, or the source of an answer's facts.
    pub premise: &'a str,
    /// Statements or facts.
    pub statements: Vec<&'a str>,
}

/// A verdict with what it was made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// `e`.
    pub entailment: f64,
    /// `c`.
    pub contradiction: f64,
}

/// The verdict of one premise on one statement, by its largest class; the first of equals in the order entailment, neutral,
/// contradiction.
#[must_use]
pub fn whole(relation: &Relation) -> Judged {
    let Relation {
        entailment,
        neutral,
        contradiction,
    } = *relation;
    let rest = 1.0 - entailment - contradiction;
    // A model without a neutral class has its remaining mass there.
    let neutral = neutral.max(rest);
    let verdict = if entailment >= neutral && entailment >= contradiction {
        Verdict::Entailed
    } else if neutral >= contradiction {
        Verdict::Neutral
    } else {
        Verdict::Contradicted
    };
    Judged {
        verdict,
        entailment,
        contradiction,
    }
}

/// The verdict of the sentences of a premise on one statement.
#[must_use]
pub fn of_sentences(relations: &[Relation]) -> Judged {
    let largest = |value: fn(&Relation) -> f64| relations.iter().map(value).fold(0.0, f64::max);
    let (entailment, contradiction) = (largest(|r| r.entailment), largest(|r| r.contradiction));
    let verdict = if entailment > 0.5 && entailment >= contradiction {
        Verdict::Entailed
    } else if contradiction > 0.5 {
        Verdict::Contradicted
    } else {
        Verdict::Neutral
    };
    Judged {
        verdict,
        entailment,
        contradiction,
    }
}

/// Verdicts on every statement of every question, in order. `progress` counts questions.
///
/// # Errors
/// If the model fails.
pub fn judge(
    nli: &mut Nli,
    questions: &[Question<'_>],
    premises: Premises,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Judged>>, JudgeError> {
    let read = |question: &Question<'_>| match premises {
        _ if question.premise.trim().is_empty() => Vec::new(),
        Premises::Whole => vec![question.premise.to_owned()],
        Premises::Sentences => split::sentences(question.premise),
    };
    let read: Vec<Vec<String>> = questions.iter().map(read).collect();
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (question, premises) in questions.iter().zip(&read) {
        for &statement in &question.statements {
            pairs.extend(premises.iter().map(|premise| (premise.as_str(), statement)));
        }
    }
    let inputs = pairs.iter().collect::<std::collections::BTreeSet<_>>().len();
    let mut share = Share::new(questions.len(), inputs, progress);
    let relations = nli.relations(&pairs, &mut |finished| share.inputs(finished))?;
    share.finish();
    let mut rest = relations.as_slice();
    let verdicts = questions.iter().zip(&read).map(|(question, read)| {
        let mut one = || {
            let (own, after) = rest.split_at(read.len());
            rest = after;
            match (premises, own) {
                (Premises::Whole, [relation]) => whole(relation),
                _ => of_sentences(own),
            }
        };
        question.statements.iter().map(|_| one()).collect()
    });
    Ok(verdicts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(entailment: f64, neutral: f64, contradiction: f64) -> Relation {
        Relation {
            entailment,
            neutral,
            contradiction,
        }
    }

    #[test]
    fn the_likeliest_class_wins() {
        assert_eq!(whole(&relation(0.4, 0.35, 0.25)).verdict, Verdict::Entailed);
        assert_eq!(whole(&relation(0.3, 0.4, 0.3)).verdict, Verdict::Neutral);
        assert_eq!(whole(&relation(0.3, 0.2, 0.5)).verdict, Verdict::Contradicted);
        // Two classes, supported or not: what is not supported is not contradicted.
        assert_eq!(whole(&relation(0.4, 0.0, 0.0)).verdict, Verdict::Neutral);
        assert_eq!(whole(&relation(0.5, 0.0, 0.0)).verdict, Verdict::Entailed);
    }

    #[test]
    fn one_sentence_is_enough() {
        let entailed = of_sentences(&[relation(0.1, 0.8, 0.1), relation(0.7, 0.2, 0.1)]);
        assert_eq!((entailed.verdict, entailed.entailment), (Verdict::Entailed, 0.7));
        let both = of_sentences(&[relation(0.6, 0.4, 0.0), relation(0.0, 0.1, 0.9)]);
        assert_eq!(both.verdict, Verdict::Contradicted);
        assert_eq!(of_sentences(&[]).verdict, Verdict::Neutral);
    }
}
