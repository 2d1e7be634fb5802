//! A ranking and a fraction to remove become the experts that stay.

use std::collections::{BTreeMap, BTreeSet};

use secateur_model::mask::{ExpertId, ExpertMask};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::PruningError;
use crate::methods::Budget;
use crate::ranking::{LayerRanking, Ranking};
use crate::shape::LayerShape;
use crate::statistics_file::hex;

/// What one layer keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedLayer {
    /// The layer before pruning.
    pub shape: LayerShape,
    /// Kept experts, best first.
    pub kept: Vec<ExpertId>,
}

/// Which experts of each layer stay. Plans of one ranking are nested: removing more keeps a subset.
///
/// ```
/// use secateur_pruning::methods::{Budget, Profile, find};
/// use secateur_pruning::plan::{Plan, Protected, experts_kept};
/// use secateur_pruning::ranking::rank;
/// use secateur_pruning::shape::LayerShape;
///
/// let shape = LayerShape::ungrouped(0, 32, 4);
/// assert_eq!(experts_kept(shape, Budget::Fraction, 0.25)?, 24);
/// assert!(experts_kept(shape, Budget::Fraction, 0.9).is_ok()); // 28 go, and a token needs the 4 that stay
/// assert!(experts_kept(shape, Budget::Fraction, 0.95).is_err()); // 2 would stay
///
/// let ranking = rank(find("random")?, Profile::Reference, 7, &[shape], &[])?;
/// let quarter = Plan::new(&ranking, &[shape], 0.25, &Protected::new())?.mask();
/// let half = Plan::new(&ranking, &[shape], 0.5, &Protected::new())?.mask();
/// assert!(half.kept[&0].iter().all(|expert| quarter.kept[&0].contains(expert)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Share of each layer's experts to remove, as asked for.
    pub fraction_removed: f64,
    /// In decoder order.
    pub layers: Vec<PlannedLayer>,
}

/// Experts of each layer that stay whatever their score: decoder layer → experts.
pub type Protected = BTreeMap<usize, BTreeSet<ExpertId>>;

/// How many experts a layer keeps: `E − floor(r·E + 1e-9)`, or `E//2`; with groups, that many of each group's `E/G`.
///
/// Needs nothing but the model's configuration, so call it for every layer before calibration starts.
///
/// # Errors
///
/// A fraction outside `[0, 1)`; an impossible layer; fewer kept experts than a token is routed to, in the whole layer or in the
/// groups that a token may choose from.
pub fn experts_kept(shape: LayerShape, budget: Budget, fraction: f64) -> Result<usize, PruningError> {
    shape.check()?;
    if !(0.0..1.0).contains(&fraction) {
        return Err(PruningError::FractionOutOfRange { found: fraction });
    }
    let per_group = match budget {
        Budget::Fraction => shape.group_size() - removed(shape.group_size(), fraction),
        Budget::Half => shape.group_size() / 2,
    };
    let kept = per_group * shape.groups;
    let largest = largest_fraction(shape);
    let LayerShape {
        layer,
        experts,
        top_k,
        topk_groups,
        ..
    } = shape;
    if kept < top_k {
        return Err(PruningError::FewerThanTopK {
            fraction,
            layer,
            experts,
            kept,
            top_k,
            largest,
        });
    }
    let reachable = topk_groups * per_group;
    if reachable < top_k {
        return Err(PruningError::FewerThanTopKInGroups {
            fraction,
            layer,
            kept_per_group: per_group,
            top_k,
            topk_groups,
            reachable,
            largest,
        });
    }
    Ok(kept)
}

/// `floor(r·E + 1e-9)`: 0.3 of 10 experts are 3, although 0.3·10 may round to just below.
#[allow(clippy::cast_sign_loss)]
fn removed(experts: usize, fraction: f64) -> usize {
    (fraction * experts as f64 + 1e-9).floor() as usize
}

/// Largest `r` for which the layer stays routable.
fn largest_fraction(shape: LayerShape) -> f64 {
    let per_group = shape.top_k.div_ceil(shape.topk_groups);
    1.0 - per_group.min(shape.group_size()) as f64 / shape.group_size() as f64
}

/// Checks a fraction for all layers.
///
/// # Errors
///
/// As [`experts_kept`], for the first layer that refuses.
pub fn check_fraction(shapes: &[LayerShape], budget: Budget, fraction: f64) -> Result<(), PruningError> {
    shapes
        .iter()
        .try_for_each(|&shape| experts_kept(shape, budget, fraction).map(drop))
}

impl Plan {
    /// Keeps the best experts of every layer, the `protected` ones before all others.
    ///
    /// # Errors
    ///
    /// As [`experts_kept`]; a ranking that does not name every expert of every layer once; more protected experts than places.
    pub fn new(
        ranking: &Ranking,
        shapes: &[LayerShape],
        fraction: f64,
        protected: &Protected,
    ) -> Result<Self, PruningError> {
        check_fraction(shapes, ranking.budget, fraction)?;
        check_ranking(ranking, shapes)?;
        let layers = shapes
            .iter()
            .zip(&ranking.layers)
            .map(|(&shape, layer)| {
                let total = experts_kept(shape, ranking.budget, fraction)?;
                Ok(PlannedLayer {
                    shape,
                    kept: keep(shape, layer, total, protected.get(&shape.layer))?,
                })
            })
            .collect::<Result<_, PruningError>>()?;
        Ok(Self {
            fraction_removed: fraction,
            layers,
        })
    }

    /// The mask to set: layers that keep all of their experts are not named, so that a plan that removes nothing is the empty mask.
    #[must_use]
    pub fn mask(&self) -> ExpertMask {
        let pruned = self.layers.iter().filter(|l| l.kept.len() < l.shape.experts);
        let sorted = |layer: &PlannedLayer| {
            let mut kept = layer.kept.clone();
            kept.sort_unstable();
            (layer.shape.layer, kept)
        };
        ExpertMask {
            kept: pruned.map(sorted).collect(),
        }
    }

    /// Experts kept per layer, in decoder order.
    #[must_use]
    pub fn experts_kept(&self) -> Vec<usize> {
        self.layers.iter().map(|l| l.kept.len()).collect()
    }
}

fn keep(
    shape: LayerShape,
    ranking: &LayerRanking,
    total: usize,
    protected: Option<&BTreeSet<ExpertId>>,
) -> Result<Vec<ExpertId>, PruningError> {
    let is_protected = |e: &ExpertId| protected.is_some_and(|p| p.contains(e));
    let (mut order, others): (Vec<ExpertId>, Vec<ExpertId>) = ranking.experts.iter().partition(|e| is_protected(e));
    order.extend(others);
    let per_group = total / shape.groups;
    let mut taken = vec![0; shape.groups];
    let mut kept = Vec::with_capacity(total);
    for expert in order {
        let places = &mut taken[expert.0 / shape.group_size()];
        if *places < per_group {
            *places += 1;
            kept.push(expert);
        } else if is_protected(&expert) {
            return Err(PruningError::TooManyProtected {
                layer: shape.layer,
                protected: protected.map_or(0, BTreeSet::len),
                kept: total,
            });
        }
    }
    Ok(kept)
}

/// Checks that a ranking names every expert of every layer once.
pub(crate) fn check_ranking(ranking: &Ranking, shapes: &[LayerShape]) -> Result<(), PruningError> {
    let wrong = |reason| {
        Err(PruningError::RankingDoesNotFit {
            method: ranking.method.clone(),
            reason,
        })
    };
    if ranking.layers.len() != shapes.len() {
        return wrong(format!(
            "it ranks {} layers, the model has {} expert layers",
            ranking.layers.len(),
            shapes.len()
        ));
    }
    for (layer, shape) in ranking.layers.iter().zip(shapes) {
        if layer.layer != shape.layer {
            return wrong(format!(
                "it ranks layer {} where the model has layer {}",
                layer.layer, shape.layer
            ));
        }
        if let Err(reason) = check_ids(&layer.experts, shape.experts) {
            return wrong(format!("layer {}: {reason}", shape.layer));
        }
        if layer.experts.len() != shape.experts {
            return wrong(format!(
                "layer {} names {} of {} experts",
                shape.layer,
                layer.experts.len(),
                shape.experts
            ));
        }
    }
    Ok(())
}

/// Checks that every id is below `experts` and none is repeated.
pub(crate) fn check_ids(ids: &[ExpertId], experts: usize) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (place, id) in ids.iter().enumerate() {
        if id.0 >= experts {
            return Err(format!(
                "place {place} names expert {}, but the experts are 0 to {}",
                id.0,
                experts - 1
            ));
        }
        if !seen.insert(id) {
            return Err(format!("expert {} is named twice", id.0));
        }
    }
    Ok(())
}

/// SHA-256 of a mask, hex: equal masks of one model are one cell. Made over lines `layer:kept,kept,…` in ascending order.
#[must_use]
pub fn mask_hash(mask: &ExpertMask) -> String {
    let mut hash = Sha256::new();
    for (layer, kept) in &mask.kept {
        let mut ids: Vec<usize> = kept.iter().map(|e| e.0).collect();
        ids.sort_unstable();
        let ids: Vec<String> = ids.iter().map(usize::to_string).collect();
        hash.update(format!("{layer}:{}\n", ids.join(",")));
    }
    hex(&hash.finalize())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::methods::{METHODS, Profile};
    use crate::ranking::rank;
    use crate::statistics::tests::sample;

    fn by_id(shapes: &[LayerShape], budget: Budget) -> Ranking {
        let layer = |s: &LayerShape| LayerRanking {
            layer: s.layer,
            experts: (0..s.experts).rev().map(ExpertId).collect(),
            scores: vec![],
        };
        Ranking {
            method: "by hand".into(),
            profile: Profile::Reference,
            seed: 0,
            domains: vec![],
            budget,
            layers: shapes.iter().map(layer).collect(),
        }
    }

    fn ids(plan: &Plan) -> Vec<usize> {
        plan.layers[0].kept.iter().map(|e| e.0).collect()
    }

    const GROUPED: LayerShape = LayerShape {
        layer: 2,
        experts: 12,
        top_k: 4,
        groups: 3,
        topk_groups: 2,
    };

    #[test]
    fn counts_follow_the_rule() {
        let kept =
            |experts, fraction| experts_kept(LayerShape::ungrouped(0, experts, 1), Budget::Fraction, fraction).unwrap();
        for (experts, fraction, expected) in [
            (16, 0.0, 16),
            (16, 0.125, 14),
            (16, 0.875, 2),
            (10, 0.3, 7),
            (10, 0.7, 3),
            (7, 0.5, 4),
            (60, 0.15, 51),
            (128, 0.375, 80),
            (3, 0.999, 1),
        ] {
            assert_eq!(kept(experts, fraction), expected, "{fraction} of {experts}");
        }
        assert_eq!(
            experts_kept(LayerShape::ungrouped(0, 9, 4), Budget::Half, 0.875).unwrap(),
            4
        );
    }

    #[test]
    fn what_would_not_route_is_refused_with_the_largest_fraction() {
        let told = |shape, budget, fraction| experts_kept(shape, budget, fraction).unwrap_err().to_string();
        let shape = LayerShape::ungrouped(5, 16, 4);
        let message = told(shape, Budget::Fraction, 0.875);
        assert_eq!(
            message,
            "removing 0.875 of layer 5's 16 experts keeps 2, but every token is routed to 4; \
             the largest fraction this layer allows is 0.75"
        );
        experts_kept(shape, Budget::Fraction, 0.75).unwrap();
        for fraction in [1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(told(shape, Budget::Fraction, fraction).contains("at least 0 and below 1"));
        }
        // Nine are left, three in each group, but the two groups that a token sees hold six; then two each, four.
        assert_eq!(experts_kept(GROUPED, Budget::Fraction, 0.25).unwrap(), 9);
        assert_eq!(experts_kept(GROUPED, Budget::Fraction, 0.5).unwrap(), 6);
        let five = LayerShape { top_k: 5, ..GROUPED };
        let message = told(five, Budget::Fraction, 0.5);
        assert!(
            message.contains("hold only 4") && message.contains("is 0.25"),
            "{message}"
        );
    }

    #[test]
    fn groups_lose_the_same_number() {
        let ranking = by_id(&[GROUPED], Budget::Fraction);
        let plan = Plan::new(&ranking, &[GROUPED], 0.5, &Protected::new()).unwrap();
        assert_eq!(ids(&plan), [11, 10, 7, 6, 3, 2]);
    }

    #[test]
    fn protected_experts_stay_or_the_plan_is_refused() {
        let shape = LayerShape::ungrouped(2, 4, 1);
        let ranking = by_id(&[shape], Budget::Fraction);
        let protected =
            |ids: &[usize]| Protected::from([(2, ids.iter().copied().map(ExpertId).collect::<BTreeSet<_>>())]);
        let plan = Plan::new(&ranking, &[shape], 0.5, &protected(&[0])).unwrap();
        assert_eq!(ids(&plan), [0, 3]);
        let error = Plan::new(&ranking, &[shape], 0.75, &protected(&[0, 1])).unwrap_err();
        assert!(error.to_string().contains("2 protected experts, but the plan keeps 1"));
    }

    #[test]
    fn every_method_gives_nested_plans_of_the_right_size() {
        let statistics = sample();
        let shapes = statistics.shapes();
        for method in METHODS {
            let ranking = rank(*method, Profile::Reference, 1, &shapes, &[&statistics]).unwrap();
            let mut wider: Option<Plan> = None;
            for (fraction, count) in [(0.0, 4), (0.25, 3), (0.3, 3), (0.5, 2)] {
                let plan = Plan::new(&ranking, &shapes, fraction, &Protected::new()).unwrap();
                assert_eq!(plan.experts_kept(), [count; 2], "{}", method.name());
                for (layer, wide) in plan.layers.iter().zip(wider.iter().flat_map(|w| &w.layers)) {
                    assert!(layer.kept.iter().all(|e| wide.kept.contains(e)));
                }
                wider = Some(plan);
            }
            assert!(Plan::new(&ranking, &shapes, 0.75, &Protected::new()).is_err());
        }
    }

    #[test]
    fn the_papers_random_keeps_half_at_every_fraction() {
        let shapes = [LayerShape::ungrouped(0, 9, 2)];
        let random = crate::methods::find("random").unwrap();
        let ranking = rank(random, Profile::Paper, 1, &shapes, &[]).unwrap();
        for fraction in [0.125, 0.875] {
            let plan = Plan::new(&ranking, &shapes, fraction, &Protected::new()).unwrap();
            assert_eq!(plan.experts_kept(), [4]);
        }
    }

    #[test]
    fn masks_are_ascending_empty_for_nothing_and_hashed_by_content() {
        let shapes = [LayerShape::ungrouped(1, 4, 1), LayerShape::ungrouped(3, 4, 1)];
        let ranking = by_id(&shapes, Budget::Fraction);
        let plan = |r| Plan::new(&ranking, &shapes, r, &Protected::new()).unwrap();
        assert_eq!(plan(0.0).mask(), ExpertMask::default());
        let mask = plan(0.5).mask();
        assert_eq!(mask.kept[&3], [2, 3].map(ExpertId));
        assert_eq!(mask_hash(&mask), mask_hash(&plan(0.6).mask()));
        assert_ne!(mask_hash(&mask), mask_hash(&plan(0.25).mask()));
        // printf '1:2,3\n3:2,3\n' | sha256sum
        assert_eq!(
            mask_hash(&mask),
            "c08ee2f60aac643ba0282bbb7ac24766ef1963853261980ac00f918088c5ef67"
        );
    }

    #[test]
    fn rankings_of_another_model_are_refused() {
        let shapes = [LayerShape::ungrouped(1, 4, 1)];
        let told = |change: &dyn Fn(&mut Ranking)| {
            let mut ranking = by_id(&shapes, Budget::Fraction);
            change(&mut ranking);
            Plan::new(&ranking, &shapes, 0.5, &Protected::new())
                .unwrap_err()
                .to_string()
        };
        assert!(told(&|r| r.layers.clear()).contains("ranks 0 layers"));
        assert!(told(&|r| r.layers[0].layer = 0).contains("layer 0 where the model has layer 1"));
        assert!(told(&|r| r.layers[0].experts[0] = ExpertId(4)).contains("expert 4"));
        assert!(told(&|r| r.layers[0].experts[0] = ExpertId(2)).contains("named twice"));
        assert!(told(&|r| r.layers[0].experts.truncate(2)).contains("2 of 4"));
    }
}
