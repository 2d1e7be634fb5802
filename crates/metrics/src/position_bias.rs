//! Position bias: does a judge choose between two texts by where they stand?
//!
//! Asked once, a judge without bias names the text shown first about as often as the other, if the order was drawn. Asked again
//! with the order changed, it names the same *text*; one that names the same *position* has chosen by position. The second is
//! the stronger evidence: the first also moves where the better text happened to stand first more often.
//!
//! Source for both: Wang et al., *Large Language Models are not Fair Evaluators* (<https://arxiv.org/abs/2305.17926>), who call the
//! share of changed verdicts the conflict rate.

use crate::error::Result;
use crate::judged::sign_test;
use crate::statistics::{CONFIDENCE, wilson};
use crate::value::{Aspect, Definition, Direction};

/// Share of verdicts that name the text shown first.
pub const FIRST_SHARE: Definition = diagnostic("judge_first_position_share");
/// Share of pairs whose verdict changes when the texts change places.
pub const FLIP_RATE: Definition = diagnostic("judge_flip_rate");

const fn diagnostic(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::LowerIsBetter, Aspect::Diagnostic).by("judge")
}

/// Where the named text stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// First: `A`.
    First,
    /// Second: `B`.
    Second,
}

/// A share with its interval, and the sign test of both positions against each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstShare {
    /// Verdicts for the first text.
    pub first: usize,
    /// Verdicts.
    pub n: usize,
    /// `first / n`.
    pub share: f64,
    /// 95 %, Wilson's.
    pub interval: (f64, f64),
    /// Two-sided exact sign test against 1/2.
    pub p_value: f64,
}

/// Verdicts that changed with the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flips {
    /// Pairs that changed, the first position named both times.
    pub first_twice: usize,
    /// Pairs that changed, the second position named both times.
    pub second_twice: usize,
    /// Pairs judged in both orders.
    pub n: usize,
    /// Share that changed.
    pub rate: f64,
    /// 95 %, Wilson's.
    pub interval: (f64, f64),
    /// Two-sided exact sign test of `first_twice` against `second_twice`: is the bias to one side?
    pub p_value: f64,
}

/// How often the first text is named.
///
/// # Errors
/// If there are no verdicts.
pub fn first_share(named: &[Position]) -> Result<FirstShare> {
    let first = named.iter().filter(|&&at| at == Position::First).count();
    let interval = wilson(first, named.len(), CONFIDENCE)?;
    Ok(FirstShare {
        first,
        n: named.len(),
        share: first as f64 / named.len() as f64,
        interval,
        p_value: sign_test(first, named.len() - first),
    })
}

/// What changes with the order. Each entry: the position named in one order, and in the other.
///
/// # Errors
/// If there are no pairs.
pub fn flips(pairs: &[(Position, Position)]) -> Result<Flips> {
    let twice = |at: Position| pairs.iter().filter(|&&pair| pair == (at, at)).count();
    let (first_twice, second_twice) = (twice(Position::First), twice(Position::Second));
    let changed = first_twice + second_twice;
    let interval = wilson(changed, pairs.len(), CONFIDENCE)?;
    Ok(Flips {
        first_twice,
        second_twice,
        n: pairs.len(),
        rate: changed as f64 / pairs.len() as f64,
        interval,
        p_value: sign_test(first_twice, second_twice),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use Position::{First, Second};

    #[test]
    fn by_hand() {
        let found = first_share(&[First, First, First, Second]).unwrap();
        assert_eq!((found.first, found.n), (3, 4));
        // 2·(1 + 4)/16.
        assert!((found.share - 0.75).abs() < 1e-15 && (found.p_value - 10.0 / 16.0).abs() < 1e-12);
        assert!(found.interval.0 < 0.75 && found.interval.1 > 0.75);
    }

    #[test]
    fn the_same_position_twice_is_another_text() {
        let steady = [(First, Second), (Second, First)];
        assert!(flips(&steady).unwrap().rate.abs() < 1e-15);
        let found = flips(&[(First, First), (First, First), (Second, Second), (First, Second)]).unwrap();
        assert_eq!((found.first_twice, found.second_twice, found.n), (2, 1, 4));
        assert!((found.rate - 0.75).abs() < 1e-15 && (found.p_value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_no_number() {
        assert!(first_share(&[]).is_err() && flips(&[]).is_err());
    }
}
