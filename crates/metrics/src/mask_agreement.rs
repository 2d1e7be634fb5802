//! How alike two sets of kept experts are, and whether the masks of several ratios come from one ranking.
//!
//! A mask is one list of kept expert ids per `MoE` layer, best first, without repetition. Layers are
//! compared one by one, the first with the first.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{MetricError, Result, not_empty, same_length};

const METRIC: &str = "mask_agreement";

/// Kept expert ids, `[layers][kept]`, best first.
pub type Layers = [Vec<usize>];

/// Two masks against each other, averaged over layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Mean of `|A ∩ B| / |A|`.
    pub overlap_mean: f64,
    /// The layer with the least overlap.
    pub overlap_min: f64,
    /// Mean of `|A ∩ B| / |A ∪ B|`.
    pub jaccard_mean: f64,
    /// Mean of the length of the common beginning, divided by `|A|`.
    pub common_prefix_mean: f64,
}

/// Compares two masks of the same model.
///
/// # Errors
/// If the masks have no layers, differ in their number, or a layer of `a` keeps nothing or an expert twice.
pub fn agreement(a: &Layers, b: &Layers) -> Result<Agreement> {
    check(a, b)?;
    let n = a.len() as f64;
    let mut sums = Agreement {
        overlap_mean: 0.0,
        overlap_min: f64::INFINITY,
        jaccard_mean: 0.0,
        common_prefix_mean: 0.0,
    };
    for (a, b) in a.iter().zip(b) {
        let (set_a, set_b) = (set(a), set(b));
        let both = set_a.intersection(&set_b).count() as f64;
        let overlap = both / set_a.len() as f64;
        let prefix = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        sums.overlap_mean += overlap / n;
        sums.overlap_min = sums.overlap_min.min(overlap);
        sums.jaccard_mean += both / set_a.union(&set_b).count() as f64 / n;
        sums.common_prefix_mean += prefix as f64 / a.len() as f64 / n;
    }
    Ok(sums)
}

/// Layers in which the smaller mask is not what a shorter cut of the larger one's ranking would keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NestingViolations {
    /// Layers in which it keeps an expert that the larger mask dropped.
    pub subset: usize,
    /// Layers in which its list is not the beginning of the larger mask's list.
    pub prefix: usize,
    /// Layers compared.
    pub layers: usize,
}

/// Compares a mask with a smaller one of the same model.
///
/// # Errors
/// As [`agreement`].
pub fn nesting_violations(larger: &Layers, smaller: &Layers) -> Result<NestingViolations> {
    check(larger, smaller)?;
    let mut violations = NestingViolations {
        layers: larger.len(),
        ..NestingViolations::default()
    };
    for (larger, smaller) in larger.iter().zip(smaller) {
        violations.subset += usize::from(!set(smaller).is_subset(&set(larger)));
        violations.prefix += usize::from(!larger.starts_with(smaller));
    }
    Ok(violations)
}

/// How far the experts of one list stand from their places in another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankShift {
    /// Largest distance.
    pub max: usize,
    /// Mean distance.
    pub mean: f64,
    /// Share of experts at another place.
    pub moved_fraction: f64,
    /// Experts that the other list does not have; they enter none of the above.
    pub not_in_other: usize,
}

/// Distance of every expert of `listed` to its place in `other`, over all layers.
///
/// # Errors
/// As [`agreement`], or if no expert is in both.
pub fn rank_shift(other: &Layers, listed: &Layers) -> Result<RankShift> {
    check(other, listed)?;
    let (mut shifts, mut not_in_other) = (Vec::new(), 0);
    for (other, listed) in other.iter().zip(listed) {
        let places: BTreeMap<usize, usize> = other
            .iter()
            .enumerate()
            .map(|(place, &expert)| (expert, place))
            .collect();
        for (place, expert) in listed.iter().enumerate() {
            match places.get(expert) {
                Some(&there) => shifts.push(there.abs_diff(place)),
                None => not_in_other += 1,
            }
        }
    }
    let Some(&max) = shifts.iter().max() else {
        return Err(MetricError::Undefined {
            metric: METRIC,
            reason: "the lists have no expert in common".into(),
        });
    };
    let n = shifts.len() as f64;
    Ok(RankShift {
        max,
        mean: shifts.iter().sum::<usize>() as f64 / n,
        moved_fraction: shifts.iter().filter(|&&shift| shift > 0).count() as f64 / n,
        not_in_other,
    })
}

/// Groups masks that can come from one ranking: each is put into the first group whose first mask
/// its lists are beginnings of, in every layer. Give the largest masks first; the result holds
/// positions in `masks`.
///
/// # Errors
/// As [`agreement`].
pub fn scoring_runs(masks: &[&Layers]) -> Result<Vec<Vec<usize>>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, mask) in masks.iter().enumerate() {
        let mut home = None;
        for (g, group) in groups.iter().enumerate() {
            if nesting_violations(masks[group[0]], mask)?.prefix == 0 {
                home = Some(g);
                break;
            }
        }
        match home {
            Some(g) => groups[g].push(i),
            None => groups.push(vec![i]),
        }
    }
    Ok(groups)
}

fn set(layer: &[usize]) -> BTreeSet<usize> {
    layer.iter().copied().collect()
}

fn check(a: &Layers, b: &Layers) -> Result<()> {
    not_empty(METRIC, a)?;
    same_length(METRIC, "layers", b.len(), a.len())?;
    for (layer, kept) in a.iter().enumerate() {
        if kept.is_empty() || set(kept).len() != kept.len() {
            let reason = format!("layer {layer} keeps no expert, or one of them twice");
            return Err(MetricError::Undefined { metric: METRIC, reason });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    fn masks() -> [Vec<Vec<usize>>; 3] {
        [
            vec![vec![3, 1, 0, 2], vec![5, 4, 6, 7]],
            vec![vec![3, 1], vec![5, 4]],
            vec![vec![1, 3], vec![5, 9]],
        ]
    }

    #[test]
    fn agreement_by_hand() {
        let [_, a, b] = masks();
        let found = agreement(&a, &b).unwrap();
        // Layer 0 keeps the same two, in another order; layer 1 shares the first of two.
        assert_eq!(found.overlap_mean, 0.75);
        assert_eq!(found.overlap_min, 0.5);
        assert!((found.jaccard_mean - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(found.common_prefix_mean, 0.25);
    }

    #[test]
    fn nesting_and_runs_by_hand() {
        let [all, a, b] = masks();
        assert_eq!(
            nesting_violations(&all, &a).unwrap(),
            NestingViolations {
                subset: 0,
                prefix: 0,
                layers: 2
            }
        );
        assert_eq!(
            nesting_violations(&all, &b).unwrap(),
            NestingViolations {
                subset: 1,
                prefix: 2,
                layers: 2
            }
        );
        assert_eq!(scoring_runs(&[&all, &b, &a]).unwrap(), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn rank_shifts_by_hand() {
        let [all, _, b] = masks();
        let found = rank_shift(&all, &b).unwrap();
        assert_eq!((found.max, found.not_in_other), (1, 1));
        assert!((found.mean - 2.0 / 3.0).abs() < 1e-15 && (found.moved_fraction - 2.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn masks_of_different_models_are_refused() {
        assert!(agreement(&[], &[]).is_err());
        assert!(agreement(&[vec![1]], &[vec![1], vec![2]]).is_err());
        assert!(agreement(&[vec![]], &[vec![1]]).is_err());
        assert!(agreement(&[vec![1, 1]], &[vec![1]]).is_err());
        assert!(rank_shift(&[vec![1]], &[vec![2]]).is_err());
    }
}
