//! `SelfCheckGPT`: does a model say the same when it is asked again?
//!
//! Manakul et al. 2023, <https://arxiv.org/abs/2303.08896>, for every sentence `r` of an answer and `N` sampled answers `S`:
//!
//! ```text
//! NLI:        1/N Σ_n p(contradiction | r, Sₙ),  p = exp(l_c) / (exp(l_e) + exp(l_c))
//! BERTScore:  1 − 1/N Σ_n max_k F1(r, s_nk),     s_nk the sentences of Sₙ
//! ```
//!
//! Lower is better: high where the samples disagree. NLI is 0 to 1. Cost: sentences × samples pairs, sentences × all sentences of the
//! samples for `BERTScore`. The answer's score is the mean over its sentences. The neutral class is left out before the softmax, as the
//! authors' two-class checkpoint has none. Known of the original: its code puts the sentence first and the sample second, against the paper's
//! equation (the sample as premise), and the published numbers are the code's; [`Order`] says which. Sentences of samples with at
//! most three words do not count for `BERTScore` (three spaCy tokens in the original); a sample without one is left out, where the
//! original fails.

use secateur_metrics::value::{Aspect, Definition, Direction};

use super::bert_score::BertScore;
use super::image::mean;
use super::nli::Nli;
use super::split;
use crate::error::JudgeError;
use crate::scorer::{Part, Reading};

/// By natural language inference.
pub const SELF_CHECK_NLI: Definition = Definition::new(
    "self_check_nli",
    "fraction",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// By `BERTScore`.
pub const SELF_CHECK_BERTSCORE: Definition = Definition::new(
    "self_check_bertscore",
    "distance",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);

/// Words of a sample's sentence that `BERTScore` leaves out.
const SHORTEST: usize = 3;

/// Which text of a pair comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As the authors' code has it.
    #[default]
    SentenceFirst,
    /// As their paper has it.
    SampleFirst,
}

/// An answer and what the model said when it was asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled<'a> {
    /// The answer that is checked.
    pub answer: &'a str,
    /// Answers drawn from the model for the same prompt.
    pub samples: Vec<&'a str>,
}

/// The mean over sentences; `None` without one.
#[must_use]
pub fn reduce(sentences: &[String], scores: &[Option<f64>]) -> Option<Reading> {
    let parts: Vec<Part> = sentences
        .iter()
        .zip(scores)
        .filter_map(|(text, score)| {
            score.map(|score| Part {
                text: text.clone(),
                score,
            })
        })
        .collect();
    let scores: Vec<f64> = parts.iter().map(|part| part.score).collect();
    Some(Reading {
        score: mean(&scores)?,
        parts,
    })
}

/// By natural language inference; `None` for an answer without a sentence or without a sample. `progress` counts distinct pairs of texts.
///
/// # Errors
/// If the model has no class of contradiction, or fails.
pub fn by_nli(
    nli: &mut Nli,
    answers: &[Sampled<'_>],
    order: Order,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Option<Reading>>, JudgeError> {
    if nli.labels().contradiction.is_none() {
        return Err(JudgeError::Unsuitable {
            judge: SELF_CHECK_NLI.name.to_owned(),
            found: "a model without a class of contradiction".to_owned(),
            expected: "one that tells entailment from contradiction".to_owned(),
        });
    }
    let sentences: Vec<Vec<String>> = answers.iter().map(|one| split::sentences(one.answer)).collect();
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (answer, sentences) in answers.iter().zip(&sentences) {
        for sentence in sentences {
            pairs.extend(answer.samples.iter().map(|&sample| match order {
                Order::SentenceFirst => (sentence.as_str(), sample),
                Order::SampleFirst => (sample, sentence.as_str()),
            }));
        }
    }
    let relations = nli.relations(&pairs, progress)?;
    let contradicted: Vec<f64> = relations
        .iter()
        .map(|relation| relation.contradiction / (relation.entailment + relation.contradiction))
        .collect();
    let mut rest = contradicted.as_slice();
    let one = |(answer, sentences): (&Sampled<'_>, &Vec<String>)| {
        let scores: Vec<Option<f64>> = sentences
            .iter()
            .map(|_| {
                let (own, after) = rest.split_at(answer.samples.len());
                rest = after;
                mean(own)
            })
            .collect();
        reduce(sentences, &scores)
    };
    Ok(answers.iter().zip(&sentences).map(one).collect())
}

/// By `BERTScore`'s F1, rescaled as that scorer is; `None` for an answer without a sentence or without a sample that has one.
/// `progress` counts distinct pairs of sentences.
///
/// # Errors
/// If the model fails.
pub fn by_bert_score(
    scorer: &mut BertScore,
    answers: &[Sampled<'_>],
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Option<Reading>>, JudgeError> {
    let split_answer = |one: &Sampled<'_>| {
        let long = |sample: &&str| -> Vec<String> {
            let sentences = split::sentences(sample);
            sentences.into_iter().filter(|s| split::words(s) > SHORTEST).collect()
        };
        let samples: Vec<Vec<String>> = one.samples.iter().map(long).filter(|s| !s.is_empty()).collect();
        (split::sentences(one.answer), samples)
    };
    let texts: Vec<(Vec<String>, Vec<Vec<String>>)> = answers.iter().map(split_answer).collect();
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (sentences, samples) in &texts {
        for sentence in sentences {
            pairs.extend(
                samples
                    .iter()
                    .flatten()
                    .map(|sampled| (sentence.as_str(), sampled.as_str())),
            );
        }
    }
    let scores = scorer.all_scores(&pairs, progress)?;
    let mut rest = scores.as_slice();
    let one = |(sentences, samples): &(Vec<String>, Vec<Vec<String>>)| {
        let mut of_sentence = || {
            let best = samples.iter().filter_map(|sample| {
                let (own, after) = rest.split_at(sample.len());
                rest = after;
                own.iter().flatten().map(|scores| scores.f1).reduce(f64::max)
            });
            let best: Vec<f64> = best.collect();
            mean(&best).map(|similarity| 1.0 - similarity)
        };
        let scores: Vec<Option<f64>> = sentences.iter().map(|_| of_sentence()).collect();
        reduce(sentences, &scores)
    };
    Ok(texts.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sentences_are_averaged_by_hand() {
        let sentences = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let reading = reduce(&sentences, &[Some(0.25), None, Some(0.75)]).unwrap();
        assert!((reading.score - 0.5).abs() < 1e-15);
        assert_eq!(reading.parts[1].text, "c");
        assert_eq!(reduce(&sentences, &[None, None, None]), None);
        assert_eq!(reduce(&[], &[]), None);
    }
}
