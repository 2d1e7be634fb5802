//! Perplexity per token, word and byte, and bits per byte, of texts scored by their log-likelihood.
//!
//! ```text
//! perplexity per unit = exp( − Σ ln p / Σ units ),  bits per byte = − Σ ln p / (ln 2 · Σ bytes)
//! ```
//!
//! Sums run over all texts before dividing, so that long texts weigh more. Only the per-byte and per-word forms can be
//! compared between tokenisers.

use crate::error::{MetricError, Result, not_empty};
use crate::text;
use crate::value::{Aspect, Definition, Direction, PROBABILITIES};

/// Perplexity per token.
pub const TOKEN_PERPLEXITY: Definition = utility("perplexity_per_token", "perplexity");
/// Perplexity per word.
pub const WORD_PERPLEXITY: Definition = utility("perplexity_per_word", "perplexity");
/// Perplexity per byte.
pub const BYTE_PERPLEXITY: Definition = utility("perplexity_per_byte", "perplexity");
/// Bits per byte.
pub const BITS_PER_BYTE: Definition = utility("bits_per_byte", "bits");

const fn utility(name: &'static str, unit: &'static str) -> Definition {
    Definition::new(name, unit, Direction::LowerIsBetter, Aspect::Utility).by(PROBABILITIES)
}

/// The log-likelihood of one text and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextLikelihood {
    /// Σ ln p of its tokens.
    pub log_probability: f64,
    /// Tokens scored.
    pub tokens: usize,
    /// Words, see [`words`].
    pub words: usize,
    /// UTF-8 bytes.
    pub bytes: usize,
}

impl TextLikelihood {
    /// Counts words and bytes of `text`.
    #[must_use]
    pub fn new(text: &str, log_probability: f64, tokens: usize) -> Self {
        Self {
            log_probability,
            tokens,
            words: words(text),
            bytes: text.len(),
        }
    }
}

/// Words as lm-evaluation-harness counts them: pieces between runs of white space, an empty one before or after it included.
#[must_use]
pub fn words(text: &str) -> usize {
    let runs = text
        .split(|c: char| !text::is_space(c))
        .filter(|run| !run.is_empty())
        .count();
    runs + 1
}

/// What the likelihoods are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Tokens scored.
    Token,
    /// Words.
    Word,
    /// UTF-8 bytes.
    Byte,
}

/// Perplexity of all texts together.
///
/// # Errors
/// If there is no text or no unit, or a log-likelihood is above 0 or not finite.
pub fn perplexity(texts: &[TextLikelihood], unit: Unit) -> Result<f64> {
    Ok(nats_per_unit(texts, unit)?.exp())
}

/// Bits per byte of all texts together.
///
/// # Errors
/// As [`perplexity`].
pub fn bits_per_byte(texts: &[TextLikelihood]) -> Result<f64> {
    Ok(nats_per_unit(texts, Unit::Byte)? / std::f64::consts::LN_2)
}

/// Mean negative log-likelihood per unit, nats.
///
/// # Errors
/// As [`perplexity`].
pub fn nats_per_unit(texts: &[TextLikelihood], unit: Unit) -> Result<f64> {
    let metric = "perplexity";
    not_empty(metric, texts)?;
    for (index, text) in texts.iter().enumerate() {
        let found = text.log_probability;
        if !(found.is_finite() && found <= 0.0) {
            return Err(MetricError::Value {
                metric,
                index,
                found,
                expected: "a finite log-probability, not above 0",
            });
        }
    }
    let units: usize = texts
        .iter()
        .map(|text| match unit {
            Unit::Token => text.tokens,
            Unit::Word => text.words,
            Unit::Byte => text.bytes,
        })
        .sum();
    if units == 0 {
        return Err(MetricError::Undefined {
            metric,
            reason: format!("the texts have no {unit:?}").to_lowercase(),
        });
    }
    let sum: f64 = texts.iter().map(|text| text.log_probability).sum();
    Ok(-sum / units as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Four tokens of probability 1/2 each, over two words of 7 bytes.
        let text = TextLikelihood::new("ab cdef", 4.0 * 0.5_f64.ln(), 4);
        assert_eq!((text.words, text.bytes), (2, 7));
        assert!((perplexity(&[text], Unit::Token).unwrap() - 2.0).abs() < 1e-12);
        assert!((perplexity(&[text], Unit::Word).unwrap() - 4.0).abs() < 1e-12);
        assert!((bits_per_byte(&[text]).unwrap() - 4.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn sums_before_it_divides() {
        let one = TextLikelihood::new("a", 0.25_f64.ln(), 1);
        let three = TextLikelihood::new("a b c", 0.0, 3);
        let value = perplexity(&[one, three], Unit::Token).unwrap();
        assert!((value - 4.0_f64.powf(0.25)).abs() < 1e-12);
        assert_eq!(words(" a "), 3);
        assert_eq!(words(""), 1);
    }

    #[test]
    fn a_probability_above_one_is_an_error() {
        let wrong = TextLikelihood::new("a", 0.1, 1);
        assert!(perplexity(&[wrong], Unit::Token).is_err());
        let nan = TextLikelihood::new("a", f64::NAN, 1);
        assert!(perplexity(&[nan], Unit::Token).is_err());
        assert!(perplexity(&[TextLikelihood::new("", 0.0, 0)], Unit::Byte).is_err());
        assert!(perplexity(&[], Unit::Byte).is_err());
    }
}
