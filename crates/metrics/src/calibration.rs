//! Does an answer held with confidence 0.8 turn out right in 80 % of cases?
//!
//! Source: Naeini et al. 2015 (ECE, MCE); Nixon et al. 2019 (bins of equal mass).
//!
//! ```text
//! ECE = Σ_b n_b/N · |accuracy_b − confidence_b|,  MCE = max_b |accuracy_b − confidence_b|
//! ```

use serde::{Deserialize, Serialize};

use crate::error::{MetricError, Result, not_empty, probabilities, same_length};
use crate::ties::tied;
use crate::value::{Aspect, Definition, Direction, PROBABILITIES};

/// Expected calibration error, bins of equal width.
pub const ECE: Definition = reliability("expected_calibration_error");
/// Expected calibration error, bins of equal mass.
pub const ECE_EQUAL_MASS: Definition = reliability("expected_calibration_error_equal_mass");
/// Maximum calibration error.
pub const MCE: Definition = reliability("maximum_calibration_error");

const fn reliability(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::LowerIsBetter, Aspect::Reliability).by(PROBABILITIES)
}

/// Bins of the errors that records keep and of the diagrams beside them.
pub const BINS: usize = 10;

/// One bar of a reliability diagram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Position among all bins, empty ones counted.
    pub index: usize,
    /// Lower end of the confidences, excluded (the first bin includes 0); for bins of equal mass the least confidence in it.
    pub lower: f64,
    /// Upper end, included.
    pub upper: f64,
    /// Items.
    pub count: usize,
    /// Share of them that are right.
    pub accuracy: f64,
    /// Their mean confidence.
    pub confidence: f64,
}

impl Bin {
    fn gap(&self) -> f64 {
        (self.accuracy - self.confidence).abs()
    }
}

/// How items are put into bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binning {
    /// `bins` intervals of equal width over [0, 1], closed on the right. Edge `i` is `i · (1/bins)` in f64.
    EqualWidth,
    /// `bins` runs of equally many items in order of confidence, the first ones one longer where they don't divide. Items of
    /// equal confidence that fall on either side of an edge share their rights evenly, so that their order is no matter.
    EqualMass,
}

/// ECE over `bins` bins of equal width.
///
/// # Errors
/// If there are no items or bins, the lists differ in length, or a confidence is outside [0, 1].
///
/// # Examples
/// ```
/// use secateur_metrics::calibration::expected_calibration_error;
///
/// // Four answers held with 0.8, two of them right; one held with 0.5, wrong.
/// let error = expected_calibration_error(&[0.8, 0.8, 0.8, 0.8, 0.5], &[true, true, false, false, false], 10)?;
/// assert!((error - (4.0 * 0.3 + 0.5) / 5.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn expected_calibration_error(confidences: &[f64], right: &[bool], bins: usize) -> Result<f64> {
    let diagram = reliability_diagram(confidences, right, bins, Binning::EqualWidth)?;
    Ok(expected(&diagram))
}

/// ECE over `bins` bins of equal mass.
///
/// # Errors
/// As [`expected_calibration_error`].
pub fn expected_calibration_error_equal_mass(confidences: &[f64], right: &[bool], bins: usize) -> Result<f64> {
    let diagram = reliability_diagram(confidences, right, bins, Binning::EqualMass)?;
    Ok(expected(&diagram))
}

/// MCE over `bins` bins of equal width.
///
/// # Errors
/// As [`expected_calibration_error`].
pub fn maximum_calibration_error(confidences: &[f64], right: &[bool], bins: usize) -> Result<f64> {
    let diagram = reliability_diagram(confidences, right, bins, Binning::EqualWidth)?;
    Ok(maximum(&diagram))
}

/// Σ `n_b/N` · gap of a diagram's bins.
#[must_use]
pub fn expected(diagram: &[Bin]) -> f64 {
    let n: usize = diagram.iter().map(|bin| bin.count).sum();
    diagram.iter().map(|bin| bin.count as f64 / n as f64 * bin.gap()).sum()
}

/// The largest gap of a diagram's bins.
#[must_use]
pub fn maximum(diagram: &[Bin]) -> f64 {
    diagram.iter().map(Bin::gap).fold(0.0, f64::max)
}

/// The bins that have items, in order of confidence.
///
/// # Errors
/// As [`expected_calibration_error`].
pub fn reliability_diagram(confidences: &[f64], right: &[bool], bins: usize, binning: Binning) -> Result<Vec<Bin>> {
    let metric = "calibration error";
    not_empty(metric, confidences)?;
    same_length(metric, "outcomes", right.len(), confidences.len())?;
    probabilities(metric, confidences)?;
    if bins == 0 {
        return Err(MetricError::Option {
            metric,
            option: "bins",
            found: "0".into(),
            expected: "at least 1",
        });
    }
    let items = sorted_with_shared_ties(confidences, right);
    Ok(match binning {
        Binning::EqualWidth => equal_width(&items, bins),
        Binning::EqualMass => equal_mass(&items, bins),
    })
}

/// (confidence, share right among the items of that confidence), ascending. The sum over a group of ties is exact.
fn sorted_with_shared_ties(confidences: &[f64], right: &[bool]) -> Vec<(f64, f64)> {
    let mut items: Vec<(f64, f64)> = confidences
        .iter()
        .zip(right)
        .map(|(&confidence, &right)| (confidence, f64::from(u8::from(right))))
        .collect();
    items.sort_by(|a, b| a.0.total_cmp(&b.0));
    for group in items.chunk_by_mut(|a, b| tied(a.0, b.0)) {
        let mean = group.iter().map(|item| item.1).sum::<f64>() / group.len() as f64;
        for item in group {
            item.1 = mean;
        }
    }
    items
}

fn equal_width(items: &[(f64, f64)], bins: usize) -> Vec<Bin> {
    let width = 1.0 / bins as f64;
    let edge = |i: usize| if i == bins { 1.0 } else { i as f64 * width };
    let inner: Vec<f64> = (1..bins).map(edge).collect();
    let index = |confidence: f64| inner.partition_point(|&edge| edge < confidence);
    items
        .chunk_by(|a, b| index(a.0) == index(b.0))
        .map(|members| {
            let i = index(members[0].0);
            summarise(i, edge(i), edge(i + 1), members)
        })
        .collect()
}

fn equal_mass(items: &[(f64, f64)], bins: usize) -> Vec<Bin> {
    let (size, longer) = (items.len() / bins, items.len() % bins);
    let mut rest = items;
    let mut diagram = Vec::new();
    for index in 0..bins {
        let (members, others) = rest.split_at(size + usize::from(index < longer));
        rest = others;
        if let (Some(first), Some(last)) = (members.first(), members.last()) {
            diagram.push(summarise(index, first.0, last.0, members));
        }
    }
    diagram
}

fn summarise(index: usize, lower: f64, upper: f64, members: &[(f64, f64)]) -> Bin {
    let mean = |part: fn(&(f64, f64)) -> f64| members.iter().map(part).sum::<f64>() / members.len() as f64;
    Bin {
        index,
        lower,
        upper,
        count: members.len(),
        accuracy: mean(|item| item.1),
        confidence: mean(|item| item.0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // Two bins: {0.2 wrong, 0.4 right} has gap |1/2 − 0.3|, {0.9 right} gap 0.1.
        let (confidences, right) = ([0.2, 0.4, 0.9], [false, true, true]);
        let expected = 2.0 / 3.0 * 0.2 + 1.0 / 3.0 * 0.1;
        let found = expected_calibration_error(&confidences, &right, 2).unwrap();
        assert!((found - expected).abs() < 1e-15);
        let most = maximum_calibration_error(&confidences, &right, 2).unwrap();
        assert!((most - 0.2).abs() < 1e-15);
    }

    #[test]
    fn edges_belong_to_the_lower_bin_and_zero_to_the_first() {
        let confidences = [0.0, 0.25, 0.5, 0.75, 1.0];
        let diagram = reliability_diagram(&confidences, &[true; 5], 4, Binning::EqualWidth).unwrap();
        let found: Vec<(usize, usize)> = diagram.iter().map(|bin| (bin.index, bin.count)).collect();
        assert_eq!(found, [(0, 2), (1, 1), (2, 1), (3, 1)]);
    }

    #[test]
    fn order_of_items_does_not_matter_even_with_ties() {
        let confidences = [0.5, 0.5, 0.5, 0.5, 0.9];
        let right = [true, false, false, true, true];
        let backward: Vec<bool> = [true, true, false, false, true].to_vec();
        for binning in [Binning::EqualWidth, Binning::EqualMass] {
            let one = reliability_diagram(&confidences, &right, 3, binning).unwrap();
            let two = reliability_diagram(&confidences, &backward, 3, binning).unwrap();
            assert_eq!(one, two);
            assert_eq!(one.iter().map(|bin| bin.count).sum::<usize>(), 5);
            assert!((0.0..=1.0).contains(&expected(&one)));
            assert!(expected(&one) <= maximum(&one) + 1e-15);
        }
    }

    #[test]
    fn what_is_no_probability_is_an_error() {
        for wrong in [f64::NAN, -0.1, 1.1] {
            assert!(expected_calibration_error(&[wrong], &[true], 10).is_err());
        }
        assert!(expected_calibration_error(&[], &[], 10).is_err());
        assert!(expected_calibration_error(&[0.5], &[true], 0).is_err());
        assert!(expected_calibration_error(&[0.5], &[], 10).is_err());
    }
}
