//! How far a model can be pruned before a loss cannot be ruled out.
//!
//! The safe fraction of a curve is the largest fraction such that, there and at every smaller fraction evaluated, the lower end
//! of the retention's 95 % interval lies above `1 − margin`. It depends on which fractions were evaluated, and on the number of
//! items: few items give wide intervals and a small safe fraction.

use secateur_metrics::value::Aspect;

use crate::aggregate::{Aggregate, Curve, Quadrant};
use crate::retention::Estimate;

/// The loss of retention that is accepted unless told otherwise.
pub const DEFAULT_MARGIN: f64 = 0.05;

/// Where a curve stops being safe.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The first fraction that is not safe.
    pub fraction: f64,
    /// Retention there.
    pub estimate: Estimate,
    /// Utility or reliability.
    pub aspect: Aspect,
    /// The task that lost most, and its retention.
    pub task: (String, Estimate),
}

/// How far a method can go in a quadrant: both aspects are safe.
#[derive(Debug, Clone, PartialEq)]
pub struct SafeFraction {
    /// The model.
    pub model: String,
    /// The method.
    pub method: String,
    /// Where.
    pub quadrant: Quadrant,
    /// Largest safe fraction; 0 if not even the smallest one evaluated is.
    pub fraction: f64,
    /// Retention there, by aspect; 1 at fraction 0.
    pub utility: Option<Estimate>,
    /// As `utility`.
    pub reliability: Option<Estimate>,
    /// What ends it; `None` if every fraction evaluated is safe.
    pub end: Option<End>,
    /// Largest fraction evaluated.
    pub largest: f64,
}

/// Safe fractions of every model, method and quadrant, in the order of the curves.
#[must_use]
pub fn safe_fractions(all: &Aggregate, margin: f64) -> Vec<SafeFraction> {
    let mut found: Vec<SafeFraction> = Vec::new();
    for curve in &all.curves {
        let known = found.iter().any(|f| same_place(f, curve));
        if !known {
            let curves: Vec<_> = all
                .curves
                .iter()
                .filter(|c| (&c.model, &c.method, &c.quadrant) == (&curve.model, &curve.method, &curve.quadrant))
                .collect();
            found.push(safe_fraction(&curves, margin));
        }
    }
    found
}

fn same_place(found: &SafeFraction, curve: &Curve) -> bool {
    found.model == curve.model && found.method == curve.method && found.quadrant == curve.quadrant
}

/// `curves`: the aspects of one quadrant, at least one.
fn safe_fraction(curves: &[&Curve], margin: f64) -> SafeFraction {
    let ends: Vec<_> = curves.iter().filter_map(|c| end(c, margin)).collect();
    let end = ends.into_iter().min_by(|a, b| a.fraction.total_cmp(&b.fraction));
    let limit = end.as_ref().map_or(f64::INFINITY, |e| e.fraction);
    // Where an aspect lacks a point, the other one cannot vouch for it.
    let evaluated = |fraction: f64| curves.iter().all(|c| c.points.iter().any(|p| p.fraction == fraction));
    let fractions = || curves[0].points.iter().map(|p| p.fraction);
    let fraction = fractions()
        .take_while(|f| *f < limit && evaluated(*f))
        .last()
        .unwrap_or(0.0);
    let at = |aspect: Aspect| {
        let curve = curves.iter().find(|c| c.aspect == aspect)?;
        let point = curve.points.iter().find(|p| p.fraction == fraction)?;
        Some(point.estimate)
    };
    SafeFraction {
        model: curves[0].model.clone(),
        method: curves[0].method.clone(),
        quadrant: curves[0].quadrant.clone(),
        fraction,
        utility: at(Aspect::Utility),
        reliability: at(Aspect::Reliability),
        end,
        largest: fractions().next_back().unwrap_or(0.0),
    }
}

fn end(curve: &Curve, margin: f64) -> Option<End> {
    let unsafe_here = |low: f64| low <= 1.0 - margin;
    let point = curve
        .points
        .iter()
        .find(|p| p.fraction > 0.0 && unsafe_here(p.estimate.low))?;
    let worst = point.tasks.iter().min_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    Some(End {
        fraction: point.fraction,
        estimate: point.estimate,
        aspect: curve.aspect,
        task: (worst.0.clone(), *worst.1),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::aggregate::aggregate;
    use crate::fixture::record;

    const A: (&str, &str, &str) = ("a", "general", "generation");

    fn safe(points: &[(f64, f64, f64)], margin: f64) -> SafeFraction {
        let mut records = vec![record(None, 0.0, 0, A, (0.8, 0.2))];
        for (fraction, accuracy, ece) in points {
            records.push(record(Some("reap"), *fraction, 0, A, (*accuracy, *ece)));
        }
        safe_fractions(&aggregate(&records).unwrap(), margin).pop().unwrap()
    }

    #[test]
    fn a_recovery_after_a_loss_does_not_count() {
        let found = safe(&[(0.25, 0.8, 0.2), (0.5, 0.4, 0.2), (0.75, 0.8, 0.2)], 0.05);
        assert_eq!(found.fraction, 0.25);
        let end = found.end.unwrap();
        assert_eq!((end.fraction, end.aspect), (0.5, Aspect::Utility));
        assert_eq!(end.task.0, "a");
        assert_eq!(found.largest, 0.75);
    }

    #[test]
    fn the_interval_and_not_the_value_decides() {
        // Accuracy 0.79 keeps 0.9875 with lower end 0.77 / 0.8 = 0.9625.
        assert_eq!(safe(&[(0.5, 0.79, 0.2)], 0.05).fraction, 0.5);
        assert_eq!(safe(&[(0.5, 0.79, 0.2)], 0.03).fraction, 0.0);
    }

    #[test]
    fn reliability_can_end_it_before_utility() {
        let found = safe(&[(0.25, 0.8, 0.6), (0.5, 0.1, 0.6)], 0.05);
        assert_eq!(found.fraction, 0.0);
        assert_eq!(found.end.unwrap().aspect, Aspect::Reliability);
    }

    #[test]
    fn nothing_ends_a_curve_that_stays_up() {
        let found = safe(&[(0.25, 0.8, 0.2), (0.5, 0.8, 0.2)], 0.05);
        assert_eq!((found.fraction, found.end), (0.5, None));
    }
}
