//! The rules by which experts are picked, on the host: exact ties, groups, dropped experts.

use crate::error::ModelError;
use crate::mask::ExpertId;
use crate::spec::{GroupScore, GroupSpec};

/// Picks the experts of a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection<'a> {
    pub(crate) top_k: usize,
    /// Added to the scores for picking only.
    pub(crate) bias: Option<&'a [f64]>,
    pub(crate) groups: Option<GroupSpec>,
    /// `None` keeps all.
    pub(crate) kept: Option<&'a [bool]>,
}

impl Selection<'_> {
    /// Adds the experts picked for one token's `scores`, score descending, ties to the lower index.
    pub(crate) fn select(&self, scores: &[f64], place: &str, selected: &mut Vec<ExpertId>) -> Result<(), ModelError> {
        let kept = |e: &usize| self.kept.is_none_or(|kept| kept[*e]);
        let mut candidates: Vec<usize> = (0..scores.len()).filter(kept).collect();
        if let Some(bad) = candidates.iter().map(|&e| scores[e]).find(|score| !score.is_finite()) {
            return Err(ModelError::NotFinite {
                place: format!("{place}: router"),
                found: bad.to_string(),
            });
        }
        let choice = |e: usize| scores[e] + self.bias.map_or(0.0, |bias| bias[e]);
        if let Some(groups) = self.groups.filter(|groups| groups.groups > 1) {
            candidates = best_groups(&candidates, groups, &choice);
        }
        // Stable orders: the lower index wins a tie.
        candidates.sort_by(|&a, &b| choice(b).total_cmp(&choice(a)));
        candidates.truncate(self.top_k);
        if self.bias.is_some() {
            candidates.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        }
        selected.extend(candidates.into_iter().map(ExpertId));
        Ok(())
    }
}

/// Experts of the best groups, ascending. Groups are equal contiguous parts of the experts that there are, which are the groups of
/// the checkpoint that only has those.
fn best_groups(experts: &[usize], groups: GroupSpec, choice: &dyn Fn(usize) -> f64) -> Vec<usize> {
    let size = (experts.len() / groups.groups).max(1);
    let score = |group: &[usize]| {
        let mut best: Vec<f64> = group.iter().map(|&e| choice(e)).collect();
        best.sort_by(|a, b| b.total_cmp(a));
        let counted = match groups.score {
            GroupScore::Max => 1,
            GroupScore::SumOfTopTwo => 2,
        };
        best.iter().take(counted).sum::<f64>()
    };
    let scores: Vec<f64> = experts.chunks(size).map(score).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order.truncate(groups.chosen);
    order.sort_unstable();
    order
        .iter()
        .filter_map(|&group| experts.chunks(size).nth(group))
        .flatten()
        .copied()
        .collect()
}

/// Two experts per token, `[tokens * 2]`, and their weights: each a softmax over the logits near its own. The two do not sum to 1.
///
/// Source: `sparsemixer` of `PhimoeForCausalLM` in transformers 5.23, at inference.
pub(crate) fn two_by_sparsemixer(
    logits: &[f64],
    experts: usize,
    jitter: f64,
    place: &str,
) -> Result<(Vec<ExpertId>, Vec<f64>), ModelError> {
    let (mut selected, mut weights) = (Vec::new(), Vec::new());
    for token in logits.chunks_exact(experts) {
        if let Some(bad) = token.iter().find(|l| l.is_nan() || **l == f64::INFINITY) {
            return Err(ModelError::NotFinite {
                place: format!("{place}: router"),
                found: bad.to_string(),
            });
        }
        let (first, first_weight) = best_of(token, token, jitter);
        let mut rest = token.to_vec();
        rest[first] = f64::NEG_INFINITY;
        let (second, second_weight) = best_of(&rest, token, jitter);
        let mut both = [(first, first_weight), (second, second_weight)];
        both.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for (expert, weight) in both {
            selected.push(ExpertId(expert));
            weights.push(weight);
        }
    }
    Ok((selected, weights))
}

/// The largest of `logits`, and its share among those within twice the jitter of it, relative to the size of the `original` logit.
fn best_of(logits: &[f64], original: &[f64], jitter: f64) -> (usize, f64) {
    let best = (0..logits.len()).fold(0, |best, e| if logits[e] > logits[best] { e } else { best });
    let most = logits[best];
    let near = |e: usize| {
        let distance = (most - original[e]) / original[e].abs().max(most);
        // 0 / 0, all logits being 0, is no distance.
        logits[e].is_finite() && (distance <= 2.0 * jitter || distance.is_nan())
    };
    let sum: f64 = (0..logits.len())
        .filter(|&e| near(e))
        .map(|e| (logits[e] - most).exp())
        .sum();
    (best, 1.0 / sum)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pick(selection: Selection<'_>, scores: &[f64]) -> Vec<usize> {
        let mut selected = Vec::new();
        selection.select(scores, "layer 0", &mut selected).unwrap();
        selected.iter().map(|id| id.0).collect()
    }

    const PLAIN: Selection<'static> = Selection {
        top_k: 2,
        bias: None,
        groups: None,
        kept: None,
    };

    #[test]
    fn ties_bias_and_dropped_experts() {
        let scores = [0.25, 0.5, 0.25, 0.5];
        assert_eq!(pick(PLAIN, &scores), [1, 3]);
        let bias = [0.5, 0.0, 0.5, 0.0];
        let biased = Selection {
            bias: Some(&bias),
            ..PLAIN
        };
        assert_eq!(pick(biased, &scores), [0, 2]);
        // Picked with the bias, ordered without.
        assert_eq!(pick(biased, &[0.1, 0.7, 0.2, 0.0]), [1, 2]);
        let kept = [true, false, true, true];
        assert_eq!(
            pick(
                Selection {
                    kept: Some(&kept),
                    ..PLAIN
                },
                &scores
            ),
            [3, 0]
        );
        assert!(
            PLAIN
                .select(&[f64::NAN, 1.0, 1.0, 1.0], "layer 3", &mut Vec::new())
                .is_err()
        );
    }

    #[test]
    fn groups_are_contiguous_parts_of_what_is_kept() {
        let group = |score| Selection {
            groups: Some(GroupSpec {
                groups: 2,
                chosen: 1,
                score,
            }),
            ..PLAIN
        };
        let scores = [0.9, 0.0, 0.5, 0.6];
        assert_eq!(pick(group(GroupScore::Max), &scores), [0, 1]);
        assert_eq!(pick(group(GroupScore::SumOfTopTwo), &scores), [3, 2]);
        let kept = [true, false, true, true, false, true];
        let masked = Selection {
            kept: Some(&kept),
            ..group(GroupScore::Max)
        };
        // Groups of the kept ones: {0, 2} and {3, 5}.
        assert_eq!(pick(masked, &[0.1, 9.0, 0.2, 0.4, 9.0, 0.3]), [3, 5]);
    }

    #[test]
    fn sparsemixer_by_hand() {
        // Expert 2 is best; 1 is within 2·0.1 of it relative to 4; 0 is not.
        let (selected, weights) = two_by_sparsemixer(&[1.0, 3.5, 4.0], 3, 0.1, "layer 0").unwrap();
        assert_eq!(selected, [1, 2].map(ExpertId));
        let first = 1.0 / (1.0 + (-0.5f64).exp());
        // Without expert 2 nobody is near expert 1: its weight is 1, and it comes first.
        assert!((weights[0] - 1.0).abs() < 1e-15 && (weights[1] - first).abs() < 1e-15);
    }
}
