//! Shares of statements that an answer entails or contradicts, from verdicts that a model or a person gave.
//!
//! K-QA (Manes et al. 2024, <https://arxiv.org/abs/2401.14493>, section 4), for one answer:
//!
//! ```text
//! comprehensiveness = 100 · #{must-have statements entailed} / #{must-have statements}
//! hallucination     = 100 · #{statements contradicted} / #{must-have and nice-to-have statements}
//! contradictions    = #{statements contradicted}
//! ```
//!
//! `FActScore` (Min et al. 2023, <https://arxiv.org/abs/2305.14251>), for the `n` atomic facts of one answer, with the length penalty
//! of its authors' code (γ = 10, 0 without penalty):
//!
//! ```text
//! precision = #{facts supported} / n · exp(1 − γ / n) where n ≤ γ, without the factor where n > γ
//! ```
//!
//! Where the denominator is 0 there is no value; the published code says 0. The same measures by words alone are in
//! [`crate::statements`].

use crate::value::{Aspect, Definition, Direction};

/// Comprehensiveness by natural language inference, percent, averaged over questions.
pub const COMPREHENSIVENESS: Definition = Definition::new(
    "comprehensiveness_nli",
    "percent",
    Direction::HigherIsBetter,
    Aspect::Utility,
);
/// Hallucination by natural language inference, percent, averaged over questions.
pub const HALLUCINATION: Definition = Definition::new(
    "hallucination_nli",
    "percent",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// Contradicted statements by natural language inference, averaged over questions.
pub const CONTRADICTIONS: Definition = Definition::new(
    "contradicted_statements_nli",
    "statements_per_answer",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);
/// Share of an answer's atomic facts that its source supports, averaged over answers.
pub const FACT_PRECISION: Definition = Definition::new(
    "fact_precision_nli",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Reliability,
);

/// Facts below which `FActScore`'s code lowers the precision.
pub const LENGTH_PENALTY: usize = 10;

/// What an answer says of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It implies it.
    Entailed,
    /// Neither.
    Neutral,
    /// Both cannot be true.
    Contradicted,
}

fn count(verdicts: &[Verdict], wanted: Verdict) -> usize {
    verdicts.iter().filter(|verdict| **verdict == wanted).count()
}

fn percent(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| 100.0 * part as f64 / of as f64)
}

/// Of the must-have statements.
#[must_use]
pub fn comprehensiveness(must_have: &[Verdict]) -> Option<f64> {
    percent(count(must_have, Verdict::Entailed), must_have.len())
}

/// Of all statements, must-have and nice-to-have.
#[must_use]
pub fn hallucination(all: &[Verdict]) -> Option<f64> {
    percent(count(all, Verdict::Contradicted), all.len())
}

/// Of all statements, must-have and nice-to-have.
#[must_use]
pub fn contradictions(all: &[Verdict]) -> usize {
    count(all, Verdict::Contradicted)
}

/// Share of facts that are supported; `penalty` is γ, [`LENGTH_PENALTY`] or 0.
#[must_use]
pub fn fact_precision(facts: &[Verdict], penalty: usize) -> Option<f64> {
    let share = percent(count(facts, Verdict::Entailed), facts.len())? / 100.0;
    if facts.len() > penalty {
        return Some(share);
    }
    Some(share * (1.0 - penalty as f64 / facts.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Contradicted, Entailed, Neutral};

    #[test]
    fn by_hand() {
        let verdicts = [Entailed, Neutral, Contradicted, Entailed, Neutral];
        assert_eq!(comprehensiveness(&verdicts), Some(40.0));
        assert_eq!(hallucination(&verdicts), Some(20.0));
        assert_eq!(contradictions(&verdicts), 1);
        assert_eq!(fact_precision(&verdicts, 0), Some(0.4));
        let penalised = fact_precision(&verdicts, LENGTH_PENALTY).unwrap_or_default();
        assert!((penalised - 0.4 * (-1.0_f64).exp()).abs() < 1e-15);
        assert_eq!(fact_precision(&[Entailed; 11], LENGTH_PENALTY), Some(1.0));
        assert_eq!(fact_precision(&[Entailed; 10], LENGTH_PENALTY), Some(1.0));
    }

    #[test]
    fn nothing_asked_is_no_value() {
        assert_eq!((comprehensiveness(&[]), hallucination(&[])), (None, None));
        assert_eq!(fact_precision(&[], LENGTH_PENALTY), None);
    }
}
