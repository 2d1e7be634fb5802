//! What charts of confidence are drawn from, as a plain value that a record can keep.

use serde::{Deserialize, Serialize};

use crate::calibration::{BINS, Bin, Binning, reliability_diagram};
use crate::error::Result;
use crate::selective::risk_coverage;

/// Most points of a risk–coverage curve that are kept.
pub const POINTS: usize = 100;

/// Reliability diagram and risk–coverage curve of the same items.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagrams {
    /// The [`BINS`] bins of equal width that have items, in order of confidence.
    pub reliability: Vec<Bin>,
    /// (coverage, risk), from the most confident items to all of them; at most [`POINTS`].
    pub risk_coverage: Vec<(f64, f64)>,
    /// Items.
    pub n: usize,
}

impl Diagrams {
    /// The diagrams of items with these confidences, of which these were right.
    ///
    /// # Errors
    /// If there are no items, the lists differ in length, or a confidence is outside [0, 1].
    pub fn new(confidences: &[f64], right: &[bool]) -> Result<Self> {
        let reliability = reliability_diagram(confidences, right, BINS, Binning::EqualWidth)?;
        let curve: Vec<(f64, f64)> = risk_coverage(confidences, right)?
            .into_iter()
            .map(|point| (point.coverage, point.risk))
            .collect();
        Ok(Self {
            reliability,
            risk_coverage: thinned(curve, POINTS),
            n: right.len(),
        })
    }
}

/// At most `most` points, the first and the last among them, the others equally far apart in the list.
fn thinned(curve: Vec<(f64, f64)>, most: usize) -> Vec<(f64, f64)> {
    if curve.len() <= most {
        return curve;
    }
    let last = curve.len() - 1;
    (0..most).map(|i| curve[(i * last) / (most - 1)]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_diagrams_are_of_the_same_items() {
        let diagrams = Diagrams::new(&[0.9, 0.6, 0.3], &[true, false, true]).unwrap();
        let counts: Vec<usize> = diagrams.reliability.iter().map(|bin| bin.count).collect();
        assert_eq!((counts.as_slice(), diagrams.n), ([1, 1, 1].as_slice(), 3));
        let expected = [(1.0 / 3.0, 0.0), (2.0 / 3.0, 0.5), (1.0, 1.0 / 3.0)];
        assert_eq!(diagrams.risk_coverage, expected);
        let json = serde_json::to_string(&diagrams).unwrap();
        assert_eq!(serde_json::from_str::<Diagrams>(&json).unwrap(), diagrams);
        assert!(Diagrams::new(&[], &[]).is_err() && Diagrams::new(&[2.0], &[true]).is_err());
    }

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let n = 1234;
        let confidences: Vec<f64> = (0..n).map(|i| f64::from(i) / f64::from(n)).collect();
        let right: Vec<bool> = (0..n).map(|i| i % 3 != 0).collect();
        let curve = Diagrams::new(&confidences, &right).unwrap().risk_coverage;
        assert_eq!(curve.len(), POINTS);
        assert!((curve[0].0 - 1.0 / f64::from(n)).abs() < 1e-15 && (curve[POINTS - 1].0 - 1.0).abs() < 1e-15);
        assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
