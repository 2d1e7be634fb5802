//! Which experts of a loaded model may be routed to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An expert's index in the original checkpoint. Survives pruning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExpertId(pub usize);

/// An expert's row in the pruned weight tensors. Changes with every plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExpertSlot(pub usize);

/// The experts that stay, per `MoE` layer. Layers that are not named keep all of theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpertMask {
    /// Decoder layer index → kept experts, ascending, without repetition.
    pub kept: BTreeMap<usize, Vec<ExpertId>>,
}
