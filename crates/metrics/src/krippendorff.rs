//! Krippendorff's α: how far observers agree beyond chance, whatever their number and whichever labels are missing.
//!
//! Source: K. Krippendorff, *Computing Krippendorff's Alpha-Reliability* (2011).
//!
//! ```text
//! α = 1 − D_o / D_e
//! D_o = 1/n     · Σ_u 1/(m_u − 1) · Σ_{i≠j} δ²(v_ui, v_uj)
//! D_e = 1/(n(n−1)) · Σ_{a≠b} δ²(v_a, v_b)
//! ```
//!
//! `m_u`: labels of unit `u`; units with fewer than two say nothing of agreement and are left out. `n`: all labels of the others;
//! `a`, `b` run over them. δ² is 1 for different labels of a nominal scale, `(a − b)²` on an interval scale.
//!
//! 1: full agreement; 0: what chance gives; below: systematic disagreement. Where all labels are equal, chance alone would
//! agree as well, and α is undefined. Where one label is rare, α is low although observers mostly agree: read it with
//! [`Alpha::observed_agreement`].

use crate::error::{MetricError, Result, finite};
use crate::statistics::{Bootstrap, bootstrap};
use crate::value::{Aspect, Definition, Direction};

const METRIC: &str = "krippendorff_alpha";

/// Agreement of judges on the same items.
pub const KRIPPENDORFF_ALPHA: Definition =
    Definition::new(METRIC, "coefficient", Direction::HigherIsBetter, Aspect::Diagnostic);

/// What a difference between two labels means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Labels are names: two differ or they do not.
    Nominal,
    /// Labels are numbers: differences count squared.
    Interval,
}

/// Agreement, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alpha {
    /// α.
    pub value: f64,
    /// 95 % percentile interval over units drawn again; none where α is undefined on too many draws.
    pub interval: Option<(f64, f64)>,
    /// Units with at least two labels.
    pub units: usize,
    /// Labels of these units.
    pub labels: usize,
    /// Share of equal labels among the pairs of labels of a unit, units weighted by their number of labels.
    pub observed_agreement: f64,
}

/// α alone, without an interval.
///
/// # Errors
/// As [`krippendorff`].
pub fn krippendorff_alpha(units: &[Vec<Option<f64>>], scale: Scale) -> Result<f64> {
    let table = Table::new(units)?;
    let all: Vec<usize> = (0..table.units.len()).collect();
    table
        .alpha(&all, scale)
        .ok_or_else(|| undefined("all labels are equal"))
}

/// α with a bootstrap interval. `units`: one list per unit, one entry per observer, `None` where the label is missing.
///
/// # Errors
/// If no unit has two labels, all labels are equal, or one is not finite.
pub fn krippendorff(units: &[Vec<Option<f64>>], scale: Scale, options: &Bootstrap) -> Result<Alpha> {
    let table = Table::new(units)?;
    let all: Vec<usize> = (0..table.units.len()).collect();
    let value = table
        .alpha(&all, scale)
        .ok_or_else(|| undefined("all labels are equal"))?;
    let drawn = bootstrap(all.len(), options, |indices| table.alpha(indices, scale));
    Ok(Alpha {
        value,
        interval: drawn.ok().map(|estimate| estimate.interval),
        units: all.len(),
        labels: table.units.iter().map(|unit| unit.labels).sum(),
        observed_agreement: 1.0 - table.observed(&all, Scale::Nominal),
    })
}

/// α alone.
///
/// # Errors
/// As [`krippendorff`].
pub fn alpha(units: &[Vec<Option<f64>>], scale: Scale) -> Result<f64> {
    let table = Table::new(units)?;
    let all: Vec<usize> = (0..table.units.len()).collect();
    table
        .alpha(&all, scale)
        .ok_or_else(|| undefined("all labels are equal"))
}

/// The units that can agree, as counts of labels.
struct Table {
    /// Different labels, ascending, shifted by their mean: squares of large numbers would lose their difference.
    labels: Vec<f64>,
    units: Vec<Unit>,
}

struct Unit {
    /// Index into the labels, and how often.
    counts: Vec<(usize, f64)>,
    labels: usize,
    /// `1/(m − 1) · Σ_{i≠j} δ²`, nominal and interval.
    disagreement: (f64, f64),
}

impl Table {
    fn new(units: &[Vec<Option<f64>>]) -> Result<Self> {
        // −0 and 0 are one label: the sum is 0.
        let given: Vec<Vec<f64>> = units
            .iter()
            .map(|unit| unit.iter().flatten().map(|label| label + 0.0).collect())
            .collect();
        let flat: Vec<f64> = given.concat();
        finite(METRIC, &flat)?;
        let pairable: Vec<Vec<f64>> = given.into_iter().filter(|unit| unit.len() > 1).collect();
        if pairable.is_empty() {
            return Err(undefined("no unit has labels of two observers"));
        }
        let mut labels = pairable.concat();
        let mean = labels.iter().sum::<f64>() / labels.len() as f64;
        labels.sort_by(f64::total_cmp);
        labels.dedup_by(|a, b| a.total_cmp(b).is_eq());
        let place = |label: f64| labels.partition_point(|&known| known < label);
        let shifted: Vec<f64> = labels.iter().map(|label| label - mean).collect();
        let units = pairable
            .iter()
            .map(|unit| Unit::new(unit.iter().map(|&label| place(label)), &shifted));
        let units = units.collect();
        Ok(Self { labels: shifted, units })
    }

    fn alpha(&self, indices: &[usize], scale: Scale) -> Option<f64> {
        let mut counts = vec![0.0; self.labels.len()];
        for &(label, count) in indices.iter().flat_map(|&index| &self.units[index].counts) {
            counts[label] += count;
        }
        let n: f64 = counts.iter().sum();
        let expected = match scale {
            Scale::Nominal => n * n - counts.iter().map(|count| count * count).sum::<f64>(),
            Scale::Interval => squared_differences(counts.iter().copied().zip(self.labels.iter().copied())),
        } / (n * (n - 1.0));
        let different = counts.iter().filter(|&&count| count > 0.0).count();
        (different > 1 && expected > 0.0).then(|| 1.0 - self.observed(indices, scale) / expected)
    }

    fn observed(&self, indices: &[usize], scale: Scale) -> f64 {
        let units = || indices.iter().map(|&index| &self.units[index]);
        let sum: f64 = units()
            .map(|unit| match scale {
                Scale::Nominal => unit.disagreement.0,
                Scale::Interval => unit.disagreement.1,
            })
            .sum();
        sum / units().map(|unit| unit.labels as f64).sum::<f64>()
    }
}

impl Unit {
    fn new(places: impl Iterator<Item = usize>, values: &[f64]) -> Self {
        let mut places: Vec<usize> = places.collect();
        places.sort_unstable();
        let counts: Vec<(usize, f64)> = places
            .chunk_by(|a, b| a == b)
            .map(|group| (group[0], group.len() as f64))
            .collect();
        let m = places.len() as f64;
        let unequal = m * m - counts.iter().map(|(_, count)| count * count).sum::<f64>();
        let squares = squared_differences(counts.iter().map(|&(place, count)| (count, values[place])));
        Self {
            labels: places.len(),
            disagreement: (unequal / (m - 1.0), squares / (m - 1.0)),
            counts,
        }
    }
}

/// `Σ_{a,b} n_a n_b (a − b)²` of (count, value), by deviations from their mean.
fn squared_differences(values: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let n: f64 = values.clone().map(|(count, _)| count).sum();
    let mean = values.clone().map(|(count, value)| count * value).sum::<f64>() / n;
    2.0 * n * values.map(|(count, value)| count * (value - mean).powi(2)).sum::<f64>()
}

fn undefined(reason: &str) -> MetricError {
    MetricError::Undefined {
        metric: METRIC,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn observers(rows: &[&str]) -> Vec<Vec<Option<f64>>> {
        let rows: Vec<Vec<Option<f64>>> = rows
            .iter()
            .map(|row| row.chars().map(|c| c.to_digit(10).map(f64::from)).collect())
            .collect();
        (0..rows[0].len())
            .map(|unit| rows.iter().map(|row| row[unit]).collect())
            .collect()
    }

    #[test]
    fn worked_examples_of_the_source() {
        let close = |rows: &[&str], scale, expected: f64| {
            let found = alpha(&observers(rows), scale).unwrap();
            assert!((found - expected).abs() < 5e-4, "{found} {expected}");
        };
        close(&["0100000010", "1110010000"], Scale::Nominal, 0.095);
        close(&["112243335441", "212223335444"], Scale::Nominal, 0.692);
        let four = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."];
        close(&four, Scale::Nominal, 0.743);
        close(&four, Scale::Interval, 0.849);
    }

    #[test]
    fn a_unit_with_one_label_says_nothing() {
        let with = observers(&["01101.", "01111.", ".....1"]);
        let without = observers(&["01101", "01111"]);
        let found = krippendorff(&with, Scale::Nominal, &Bootstrap::default()).unwrap();
        assert!((found.value - alpha(&without, Scale::Nominal).unwrap()).abs() < 1e-15);
        assert_eq!((found.units, found.labels), (5, 10));
        assert!((found.observed_agreement - 0.8).abs() < 1e-15);
        // One disagreement, counted both ways, among 10 labels, of which 3 and 7 are equal: 1 − 9·2/(2·3·7).
        assert!((found.value - (1.0 - 9.0 * 2.0 / 42.0)).abs() < 1e-15);
    }

    #[test]
    fn full_agreement_is_1_and_constant_labels_are_undefined() {
        assert!((alpha(&observers(&["0123", "0123"]), Scale::Interval).unwrap() - 1.0).abs() < 1e-15);
        assert!(alpha(&observers(&["000", "000"]), Scale::Nominal).is_err());
        assert!(alpha(&observers(&["01.", "..1"]), Scale::Nominal).is_err());
        assert!(alpha(&[vec![Some(f64::NAN), Some(1.0)]], Scale::Nominal).is_err());
        assert!(alpha(&[], Scale::Nominal).is_err());
    }

    #[test]
    fn an_interval_scale_does_not_depend_on_where_zero_is() {
        let units = observers(&["12345", "13355"]);
        let far: Vec<Vec<Option<f64>>> = units
            .iter()
            .map(|unit| unit.iter().map(|label| label.map(|label| 1e9 + label)).collect())
            .collect();
        let (a, b) = (
            alpha(&units, Scale::Interval).unwrap(),
            alpha(&far, Scale::Interval).unwrap(),
        );
        assert!((a - b).abs() < 1e-9);
    }

    #[test]
    fn the_interval_holds_the_value_and_repeats() {
        let units = observers(&["01101001110100101100", "01111001010100101101", "01101011110000101100"]);
        let found = krippendorff(&units, Scale::Nominal, &Bootstrap::default()).unwrap();
        let (low, high) = found.interval.unwrap();
        assert!(low < found.value && found.value < high && high <= 1.0);
        assert_eq!(
            found,
            krippendorff(&units, Scale::Nominal, &Bootstrap::default()).unwrap()
        );
    }
}
