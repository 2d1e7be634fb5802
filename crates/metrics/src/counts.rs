//! Precision, recall and F1 from counts that are summed over items first (micro-averaged).

use std::ops::AddAssign;

pub use crate::classification::PrecisionRecallF1;

/// What was said, what was wanted, and what of both is the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Said and wanted.
    pub right: usize,
    /// Said.
    pub said: usize,
    /// Wanted.
    pub wanted: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.right += other.right;
        self.said += other.said;
        self.wanted += other.wanted;
    }
}

impl Counts {
    /// Shares of the sums; 0 where 0/0, as in scikit-learn with `zero_division=0` and in `SciFact`'s evaluator.
    #[must_use]
    pub fn scores(self) -> PrecisionRecallF1 {
        let share = |of: usize| {
            if of == 0 { 0.0 } else { self.right as f64 / of as f64 }
        };
        PrecisionRecallF1::new(share(self.said), share(self.wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_come_before_shares() {
        let mut all = Counts {
            right: 1,
            said: 2,
            wanted: 1,
        };
        all += Counts {
            right: 0,
            said: 0,
            wanted: 3,
        };
        let scores = all.scores();
        assert!((scores.precision - 0.5).abs() < 1e-15 && (scores.recall - 0.25).abs() < 1e-15);
        assert!((scores.f1 - 1.0 / 3.0).abs() < 1e-15);
        assert!(Counts::default().scores().f1.abs() < 1e-15);
    }
}
