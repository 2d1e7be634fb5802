//! `HaRiM⁺`: how probable a text is given its source, and how little of that its language alone explains.
//!
//! Son et al. 2022, <https://arxiv.org/abs/2211.12118>, with `p_s = p(yₜ | y₍<ₜ₎, source)` and `p_l` the same with an empty
//! source, over the `L` tokens of the text:
//!
//! ```text
//! HaRiM  = 1/L Σₜ (1 − p_s) · (1 − (p_s − p_l)) / 2         risk, 0 to 1: lower is better
//! HaRiM⁺ = 1/L Σₜ ln p_s + λ · (1 − HaRiM),  λ = 7         at most 7: higher is better
//! ```
//!
//! The paper reads both from a summariser (BART); any model that gives token probabilities with and without the source can take
//! its place, and the numbers of two models cannot be compared.
//!
//! Known error of the published scorer: it sets `p_s` and `p_l` to 0 at the padding of a batch, where the bracket of the second
//! term then is 1 − (1 − 0)(1 − 0)/2 = 1/2, and adds these up with the others. A text beside one with `k` more tokens gains
//! `λ k / 2L`: with λ = 7, a text half as long as its neighbour gains 3.5, more than scores of real texts differ by. There is no
//! padding here.

use crate::error::{MetricError, Result, not_empty, same_length};
use crate::value::{Aspect, Definition, Direction};

/// The score.
pub const HARIM_PLUS: Definition = reliability("harim_plus", "score", Direction::HigherIsBetter);
/// Its hallucination risk alone.
pub const HARIM: Definition = reliability("harim", "risk", Direction::LowerIsBetter);

/// The paper's weight of the second term.
pub const LAMBDA: f64 = 7.0;

const fn reliability(name: &'static str, unit: &'static str, direction: Direction) -> Definition {
    Definition::new(name, unit, direction, Aspect::Reliability)
}

/// The score and its two terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Harim {
    /// `1/L Σ ln p_s`, nats; what `BARTScore` (<https://arxiv.org/abs/2106.11520>) is.
    pub mean_log_probability: f64,
    /// Hallucination risk, 0 to 1.
    pub risk: f64,
    /// `HaRiM⁺`.
    pub plus: f64,
}

/// The score of a text from ln p of its tokens given the source, and given an empty source. `lambda` is [`LAMBDA`] in the paper.
///
/// # Errors
/// If there is no token, the two lists differ in length, a log-probability is above 0 or not finite, or λ is negative or not
/// finite.
pub fn harim(given_source: &[f64], given_nothing: &[f64], lambda: f64) -> Result<Harim> {
    let metric = HARIM_PLUS.name;
    not_empty(metric, given_source)?;
    same_length(
        metric,
        "log-probabilities with an empty source",
        given_nothing.len(),
        given_source.len(),
    )?;
    if !(lambda.is_finite() && lambda >= 0.0) {
        return Err(MetricError::Option {
            metric,
            option: "lambda",
            found: lambda.to_string(),
            expected: "a number of at least 0",
        });
    }
    log_probabilities(metric, given_source)?;
    log_probabilities(metric, given_nothing)?;
    let count = given_source.len() as f64;
    let risk = given_source.iter().zip(given_nothing).map(|(with, without)| {
        let (with, without) = (with.exp(), without.exp());
        (1.0 - with) * (1.0 - (with - without)) / 2.0
    });
    let risk = risk.sum::<f64>() / count;
    let mean_log_probability = given_source.iter().sum::<f64>() / count;
    Ok(Harim {
        mean_log_probability,
        risk,
        plus: mean_log_probability + lambda * (1.0 - risk),
    })
}

fn log_probabilities(metric: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().position(|value| !(value.is_finite() && *value <= 0.0)) {
        None => Ok(()),
        Some(index) => Err(MetricError::Value {
            metric,
            index,
            found: values[index],
            expected: "a finite log-probability, not above 0",
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Two tokens: p_s 1/2 and 1/4, p_l 1/4 and 3/4.
        // Risk: (1/2 · 3/4 / 2 + 3/4 · 3/2 / 2) / 2 = (3/16 + 9/16) / 2 = 3/8.
        let found = harim(&[0.5_f64.ln(), 0.25_f64.ln()], &[0.25_f64.ln(), 0.75_f64.ln()], LAMBDA).unwrap();
        assert!((found.risk - 0.375).abs() < 1e-15);
        let mean = f64::midpoint(0.5_f64.ln(), 0.25_f64.ln());
        assert!((found.mean_log_probability - mean).abs() < 1e-15);
        assert!((found.plus - (mean + 7.0 * 0.625)).abs() < 1e-14);
    }

    #[test]
    fn its_ends() {
        // Certain with the source, impossible without: no risk, and the highest score.
        let best = harim(&[0.0], &[-800.0], LAMBDA).unwrap();
        assert_eq!((best.risk, best.plus), (0.0, LAMBDA));
        // Impossible with the source, certain without: all risk.
        assert!((harim(&[-800.0], &[0.0], LAMBDA).unwrap().risk - 1.0).abs() < 1e-15);
    }

    #[test]
    fn what_has_no_value_is_an_error() {
        assert!(harim(&[], &[], LAMBDA).is_err());
        assert!(harim(&[-1.0], &[], LAMBDA).is_err());
        assert!(harim(&[0.1], &[-1.0], LAMBDA).is_err());
        assert!(harim(&[-1.0], &[f64::NEG_INFINITY], LAMBDA).is_err());
        assert!(harim(&[-1.0], &[-1.0], f64::NAN).is_err());
    }
}
