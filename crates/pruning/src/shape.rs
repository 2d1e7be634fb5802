//! What planning must know of a Mixture-of-Experts layer; readable from `config.json`, before any weight is.

use serde::{Deserialize, Serialize};

use crate::error::PruningError;

/// One Mixture-of-Experts layer of the unpruned model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerShape {
    /// Index among the decoder's layers, dense ones counted.
    pub layer: usize,
    /// Routed experts; shared experts are never pruned and not counted.
    pub experts: usize,
    /// Experts that each token is routed to.
    pub top_k: usize,
    /// Contiguous blocks that a group-limited router divides the experts into; 1 without groups.
    pub groups: usize,
    /// Groups that a token may choose experts from; 1 without groups.
    pub topk_groups: usize,
}

impl LayerShape {
    /// A layer whose router knows no groups.
    #[must_use]
    pub fn ungrouped(layer: usize, experts: usize, top_k: usize) -> Self {
        Self {
            layer,
            experts,
            top_k,
            groups: 1,
            topk_groups: 1,
        }
    }

    /// Checks that the numbers can belong to one layer.
    ///
    /// # Errors
    ///
    /// [`PruningError::ImpossibleLayer`] if a count is zero, the groups do not divide the experts, or a token asks for more
    /// experts or groups than there are.
    pub fn check(&self) -> Result<(), PruningError> {
        let impossible = |reason: String| {
            Err(PruningError::ImpossibleLayer {
                layer: self.layer,
                reason,
            })
        };
        let Self {
            experts,
            top_k,
            groups,
            topk_groups,
            ..
        } = *self;
        if experts == 0 || top_k == 0 || groups == 0 || topk_groups == 0 {
            return impossible(format!(
                "{experts} experts, top-{top_k}, {groups} groups, {topk_groups} chosen groups: none of these may be 0"
            ));
        }
        if top_k > experts {
            return impossible(format!("top-{top_k} of only {experts} experts"));
        }
        if experts % groups != 0 {
            return impossible(format!(
                "{experts} experts cannot be divided into {groups} equal groups"
            ));
        }
        if topk_groups > groups {
            return impossible(format!("{topk_groups} of only {groups} groups are chosen"));
        }
        Ok(())
    }

    /// Experts per group.
    #[must_use]
    pub fn group_size(&self) -> usize {
        self.experts / self.groups.max(1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn impossible_layers_are_named() {
        LayerShape::ungrouped(0, 8, 2).check().unwrap();
        for (shape, word) in [
            (LayerShape::ungrouped(4, 0, 1), "may be 0"),
            (LayerShape::ungrouped(4, 2, 3), "top-3 of only 2"),
            (
                LayerShape {
                    groups: 3,
                    ..LayerShape::ungrouped(4, 8, 2)
                },
                "3 equal groups",
            ),
            (
                LayerShape {
                    groups: 2,
                    topk_groups: 3,
                    ..LayerShape::ungrouped(4, 8, 2)
                },
                "3 of only 2",
            ),
        ] {
            let message = shape.check().unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("layer 4"), "{message}");
        }
    }
}
