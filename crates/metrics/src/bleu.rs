//! BLEU of a sentence and of a corpus, on the scale 0–100.
//!
//! Source: Papineni et al. 2002; smoothing as in Chen & Cherry 2014; equal to sacreBLEU 2.6.
//!
//! ```text
//! BLEU = 100 · BP · exp( 1/N · Σ_{n=1..N} ln p_n ),  BP = min(1, exp(1 − r/c))
//! ```
//!
//! `p_n`: share of the predictions' n-grams that the references have, each counted at most as often as one reference has it;
//! `c`: tokens predicted; `r`: tokens of the reference closest in length, the shorter of two equally close.

use std::collections::BTreeMap;

use crate::error::{MetricError, Result, not_empty, same_length};
use crate::text;
use crate::value::{Aspect, Definition, Direction};

pub use crate::bleu_tokens::Tokenizer;

/// Corpus BLEU.
pub const BLEU: Definition = Definition::new("bleu", "points", Direction::HigherIsBetter, Aspect::Utility);

/// What stands in for a precision of 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Smoothing {
    /// Nothing: one precision of 0 makes the score 0.
    None,
    /// This many matches instead of none; 0.1 is usual.
    Floor(f64),
    /// This many matches and n-grams more for every n above 1; 1 is usual.
    AddK(f64),
    /// 1/2, 1/4, … of a match for the first, second, … order without one (NIST).
    #[default]
    Exponential,
}

/// How BLEU is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Compare lower-cased texts.
    pub lowercase: bool,
    /// How text is cut.
    pub tokenizer: Tokenizer,
    /// What stands in for a precision of 0.
    pub smoothing: Smoothing,
    /// Leave out the orders for which the prediction is too short; right for sentences, wrong for corpora.
    pub effective_order: bool,
    /// N, the longest n-gram; 4 is usual.
    pub max_order: usize,
}

impl Default for Options {
    /// The corpus settings of sacreBLEU: case kept, `13a`, exponential smoothing, all four orders.
    fn default() -> Self {
        Self {
            lowercase: false,
            tokenizer: Tokenizer::default(),
            smoothing: Smoothing::default(),
            effective_order: false,
            max_order: 4,
        }
    }
}

impl Options {
    /// The usual settings for one sentence: as for a corpus, with effective order.
    #[must_use]
    pub fn sentence() -> Self {
        Self {
            effective_order: true,
            ..Self::default()
        }
    }
}

/// What BLEU needs to know of a segment; sums of it give the BLEU of any set of segments, so a bootstrap needs no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Tokens predicted.
    pub prediction_length: usize,
    /// Tokens of the closest reference.
    pub reference_length: usize,
    /// Matching n-grams per order, `[max_order]`.
    pub matches: Vec<usize>,
    /// Predicted n-grams per order, `[max_order]`.
    pub totals: Vec<usize>,
}

/// BLEU and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// BLEU, 0–100.
    pub score: f64,
    /// Precision per order after smoothing, 0–100; all 0 where nothing matched at all.
    pub precisions: Vec<f64>,
    /// Brevity penalty, 0–1.
    pub brevity_penalty: f64,
    /// Tokens predicted.
    pub prediction_length: usize,
    /// Tokens of the closest references.
    pub reference_length: usize,
    /// Matching n-grams per order, with what add-k smoothing added.
    pub matches: Vec<f64>,
    /// Predicted n-grams per order, with what add-k smoothing added.
    pub totals: Vec<f64>,
}

/// BLEU of one prediction against its references, with [`Options::sentence`].
///
/// # Errors
/// If there is no reference.
pub fn sentence<S: AsRef<str>>(prediction: &str, references: &[S]) -> Result<Score> {
    let options = Options::sentence();
    Ok(score(&counts(prediction, references, &options)?, &options))
}

/// BLEU of a corpus. `references[i]` are those of `predictions[i]`.
///
/// # Errors
/// If there is nothing to score, the lists differ in length, or a prediction has no reference.
pub fn corpus<P: AsRef<str>, S: AsRef<str>>(
    predictions: &[P],
    references: &[Vec<S>],
    options: &Options,
) -> Result<Score> {
    not_empty("BLEU", predictions)?;
    same_length("BLEU", "reference sets", references.len(), predictions.len())?;
    let segments = predictions
        .iter()
        .zip(references)
        .map(|(prediction, references)| counts(prediction.as_ref(), references, options))
        .collect::<Result<Vec<_>>>()?;
    sum(&segments).map(|total| score(&total, options))
}

/// The counts of one segment.
///
/// # Errors
/// If there is no reference.
pub fn counts<S: AsRef<str>>(prediction: &str, references: &[S], options: &Options) -> Result<Counts> {
    if references.is_empty() {
        return Err(MetricError::Undefined {
            metric: "BLEU",
            reason: "a prediction without a reference".into(),
        });
    }
    // White space at the end goes first: it decides whether a last dash is one at a line break.
    let tokens = |text: &str| {
        let text = text.trim_end_matches(text::is_space);
        if options.lowercase {
            options.tokenizer.tokens(&text.to_lowercase())
        } else {
            options.tokenizer.tokens(text)
        }
    };
    let said = tokens(prediction);
    let wanted: Vec<Vec<String>> = references.iter().map(|r| tokens(r.as_ref())).collect();
    let reference_length = wanted
        .iter()
        .map(Vec::len)
        .min_by_key(|length| (length.abs_diff(said.len()), *length))
        .unwrap_or_default();
    let (mut matches, mut totals) = (Vec::new(), Vec::new());
    for n in 1..=options.max_order {
        let mut allowed: BTreeMap<&[String], usize> = BTreeMap::new();
        for reference in &wanted {
            for (ngram, count) in ngrams(reference, n) {
                let most = allowed.entry(ngram).or_default();
                *most = count.max(*most);
            }
        }
        let said = ngrams(&said, n);
        matches.push(
            said.iter()
                .map(|(ngram, count)| *count.min(allowed.get(ngram).unwrap_or(&0)))
                .sum(),
        );
        totals.push(said.values().sum());
    }
    Ok(Counts {
        prediction_length: said.len(),
        reference_length,
        matches,
        totals,
    })
}

/// The counts of several segments together.
///
/// # Errors
/// If there is none, or they were made with different orders.
pub fn sum<'a>(segments: impl IntoIterator<Item = &'a Counts>) -> Result<Counts> {
    let mut segments = segments.into_iter();
    let mut total = segments.next().ok_or(MetricError::Empty { metric: "BLEU" })?.clone();
    for segment in segments {
        same_length("BLEU", "orders", segment.matches.len(), total.matches.len())?;
        total.prediction_length += segment.prediction_length;
        total.reference_length += segment.reference_length;
        let pairs = total.matches.iter_mut().zip(&segment.matches);
        pairs.for_each(|(sum, count)| *sum += count);
        let pairs = total.totals.iter_mut().zip(&segment.totals);
        pairs.for_each(|(sum, count)| *sum += count);
    }
    Ok(total)
}

/// BLEU from counts.
#[must_use]
pub fn score(counts: &Counts, options: &Options) -> Score {
    let order = counts.matches.len();
    let mut result = Score {
        score: 0.0,
        precisions: vec![0.0; order],
        brevity_penalty: brevity_penalty(counts.prediction_length, counts.reference_length),
        prediction_length: counts.prediction_length,
        reference_length: counts.reference_length,
        matches: counts.matches.iter().map(|&count| count as f64).collect(),
        totals: counts.totals.iter().map(|&count| count as f64).collect(),
    };
    if counts.matches.iter().all(|&count| count == 0) {
        return result;
    }
    let mut effective = order;
    let mut halved = 1.0;
    for n in 0..order {
        if let Smoothing::AddK(k) = options.smoothing
            && n > 0
        {
            result.matches[n] += k;
            result.totals[n] += k;
        }
        let (matches, total) = (result.matches[n], result.totals[n]);
        if total == 0.0 {
            break;
        }
        if options.effective_order {
            effective = n + 1;
        }
        let matches = if matches > 0.0 {
            matches
        } else {
            match options.smoothing {
                Smoothing::Exponential => {
                    halved /= 2.0;
                    halved
                }
                Smoothing::Floor(floor) => floor,
                Smoothing::None | Smoothing::AddK(_) => 0.0,
            }
        };
        result.precisions[n] = 100.0 * matches / total;
    }
    let used = &result.precisions[..effective];
    // ln 0 = −∞ makes the score 0, as it should.
    let logarithm = used.iter().map(|p| p.ln()).sum::<f64>() / effective as f64;
    result.score = result.brevity_penalty * logarithm.exp();
    result
}

fn brevity_penalty(prediction: usize, reference: usize) -> f64 {
    if prediction >= reference {
        1.0
    } else if prediction == 0 {
        0.0
    } else {
        (1.0 - reference as f64 / prediction as f64).exp()
    }
}

fn ngrams(tokens: &[String], n: usize) -> BTreeMap<&[String], usize> {
    let mut counts = BTreeMap::new();
    for ngram in tokens.windows(n) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Words 4/5, pairs 2/4, triples 1/3, quadruples 0/2 → 1/2 match by exponential smoothing.
        let said = "the old mill by river";
        let value = sentence(said, &["the old mill on river"]).unwrap();
        let expected = 100.0 * (0.8_f64 * 0.5 * (1.0 / 3.0) * 0.25).powf(0.25);
        assert!((value.score - expected).abs() < 1e-9);
        // One word less than the reference: exp(1 − 5/4).
        let short = sentence("the old mill by", &["the old mill by river"]).unwrap();
        assert!((short.score - 100.0 * (-0.25_f64).exp()).abs() < 1e-9);
    }

    #[test]
    fn a_text_is_worth_100_against_itself_in_any_order_of_segments() {
        let texts = ["one two three four five", "six seven eight nine"];
        let references: Vec<Vec<&str>> = texts.iter().map(|text| vec![*text]).collect();
        let one = corpus(&texts, &references, &Options::default()).unwrap();
        assert!((one.score - 100.0).abs() < 1e-9);
        let said = ["one two three five four", "six nine eight seven"];
        let forward = corpus(&said, &references, &Options::default()).unwrap();
        let backward = corpus(
            &[said[1], said[0]],
            &[references[1].clone(), references[0].clone()],
            &Options::default(),
        );
        assert_eq!(forward, backward.unwrap());
    }

    #[test]
    fn smoothing_only_changes_what_is_zero() {
        let of = |smoothing| {
            let options = Options {
                smoothing,
                ..Options::default()
            };
            let said = ["the old mill"];
            corpus(&said, &[vec!["an old mill here"]], &options).unwrap().score
        };
        assert!(of(Smoothing::None).abs() < 1e-12);
        assert!(of(Smoothing::Floor(0.1)).abs() < 1e-12, "no n-gram of order 4 at all");
        let empty = sentence("", &["x"]).unwrap();
        assert!(empty.score.abs() < 1e-12 && empty.brevity_penalty.abs() < 1e-12);
    }

    #[test]
    fn without_a_reference_there_is_no_score() {
        assert!(sentence::<&str>("x", &[]).is_err());
        assert!(corpus::<&str, &str>(&[], &[], &Options::default()).is_err());
    }
}
