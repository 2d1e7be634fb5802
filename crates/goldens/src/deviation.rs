//! The largest deviation of many comparisons.

/// Collects comparisons of one check.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Deviation {
    /// Comparisons made.
    pub compared: usize,
    /// Largest relative deviation; NaN once one was NaN.
    pub largest: f64,
}

impl Deviation {
    /// Compares two lists, each value relative to its own reference. Lists of different lengths deviate infinitely.
    pub fn relative(&mut self, found: &[f64], expected: &[f64]) {
        self.each(found, expected, f64::abs);
    }

    /// Compares two lists, each value relative to the largest reference, for values that may be near 0 by cancellation.
    pub fn relative_to_largest(&mut self, found: &[f64], expected: &[f64]) {
        let scale = expected.iter().fold(0.0f64, |most, e| most.max(e.abs()));
        self.each(found, expected, |_| scale);
    }

    fn each(&mut self, found: &[f64], expected: &[f64], scale: impl Fn(f64) -> f64) {
        if found.len() != expected.len() {
            self.largest = f64::INFINITY;
        }
        for (&found, &expected) in found.iter().zip(expected) {
            self.compared += 1;
            let difference = (found - expected).abs();
            let relative = if difference == 0.0 {
                0.0
            } else {
                difference / scale(expected)
            };
            if self.largest.is_nan() || relative <= self.largest {
                continue;
            }
            self.largest = relative;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(found: &[f64], expected: &[f64]) -> f64 {
        let mut deviation = Deviation::default();
        deviation.relative(found, expected);
        deviation.largest
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn deviations_by_hand() {
        assert_eq!(of(&[1.0, 0.0, 5.0], &[1.0, 0.0, 4.0]), 0.25);
        assert_eq!(of(&[1e-30], &[0.0]), f64::INFINITY);
        assert_eq!(of(&[1.0], &[1.0, 2.0]), f64::INFINITY);
        assert!(of(&[f64::NAN, 2.0], &[1.0, 1.0]).is_nan());
        let mut deviation = Deviation::default();
        deviation.relative_to_largest(&[0.0, 8.5], &[0.5, 8.0]);
        assert_eq!(
            deviation,
            Deviation {
                compared: 2,
                largest: 0.0625
            }
        );
    }
}
