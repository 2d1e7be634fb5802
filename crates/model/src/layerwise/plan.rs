//! Whether a model fits into memory, and how many tokens go through a layer at a time if it does not.
//!
//! Tokens wait in memory, never on disk: there each would be written and read once a layer, `2 · 4 · hidden · layers` bytes. To read the
//! weights for another wave costs less wherever waves are not small. OLMoE-1B-7B: 0.26 MB a token, as much as 13.8 GB for waves of
//! 53 000 tokens, which take 0.4 GB.

use serde::Serialize;

use super::limit::{Limit, Limits};
use crate::checkpoint::Checkpoint;
use crate::error::ModelError;
use crate::spec::{DecoderSpec, ExpertLayout};
use crate::weights::expected;

/// What a process has besides: logits of a few rows in f32 and f64, final states that are kept for comparisons.
const BESIDES: u64 = 400 << 20;

/// In which order layers and passes are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Visits {
    /// Each pass through all layers: the weights stay in memory.
    PassByPass,
    /// Each layer for many passes, because the weights do not fit: they are read from disk once for so many tokens.
    LayerByLayer {
        /// Padded tokens that go through a layer before it is let go.
        tokens: usize,
    },
}

/// In which order a model is gone through, and what that takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryPlan {
    /// The order.
    #[serde(flatten)]
    pub visits: Visits,
    /// What it was chosen by.
    pub limits: Limits,
    /// All weights that the model reads.
    pub weight_bytes: u64,
    /// Pages of the checkpoint that are in memory at a time: all weights, or those of two layers and of what is outside of layers.
    pub resident_file_bytes: u64,
    /// Memory that is no file's, while tokens wait for nothing: the largest pass, copies of weights, and what a process has besides.
    pub anonymous_bytes: u64,
    /// The same for each token that waits between two layers.
    pub waiting_token_bytes: u64,
}

impl MemoryPlan {
    /// How often weights are read for so many padded tokens that are asked for at once: 1 at least, and at most where they stay in memory.
    #[must_use]
    pub fn readings(&self, tokens: u64) -> u64 {
        match self.visits {
            Visits::PassByPass => 1,
            Visits::LayerByLayer { tokens: wave } => tokens.div_ceil((wave as u64).max(1)).max(1),
        }
    }

    /// Memory that is no file's at most, for so many tokens.
    #[must_use]
    pub fn anonymous_at_most(&self, tokens: u64) -> u64 {
        let waiting = match self.visits {
            Visits::PassByPass => 0,
            Visits::LayerByLayer { tokens: wave } => tokens.min(wave as u64),
        };
        self.anonymous_bytes + waiting.saturating_mul(self.waiting_token_bytes)
    }
}

/// Bytes that a model's passes need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Weights of each layer.
    pub(crate) layers: Vec<u64>,
    /// Weights outside of layers: embedding and output.
    pub(crate) outside: u64,
    /// Weights that do not lie in the file as they are read, and are copied when the model is loaded.
    pub(crate) copied: u64,
    /// One token between two layers.
    pub(crate) token: u64,
    /// What one pass needs while it is in a layer.
    pub(crate) pass: u64,
}

impl Needs {
    /// What a checkpoint needs in passes of `tokens`.
    pub(crate) fn new(spec: &DecoderSpec, checkpoint: &Checkpoint, tokens: usize) -> Self {
        let tensors = expected(spec);
        let bytes = |prefix: &str| -> u64 {
            let within = tensors.iter().filter(|tensor| tensor.name.starts_with(prefix));
            let held = within.filter_map(|tensor| Some(checkpoint.tensor(&tensor.name)?.range.len() as u64));
            held.sum()
        };
        let layers: Vec<u64> = spec.layers.iter().map(|layer| bytes(&layer.prefix)).collect();
        let top_k = spec.layers.iter().filter_map(|layer| layer.moe()).map(|moe| moe.top_k);
        // Inputs, outputs and their orders of the chosen experts; norms, projections and sums of all others.
        let wide = 5 * top_k.max().unwrap_or(0) + 20;
        let token = 4 * spec.hidden as u64;
        Self {
            outside: bytes("") - layers.iter().sum::<u64>(),
            copied: layers
                .iter()
                .zip(&spec.layers)
                .filter(|(_, layer)| {
                    layer.moe().is_some_and(|moe| match &moe.layout {
                        ExpertLayout::PerExpert { .. } => false,
                        ExpertLayout::Fused(names) => !names.mxfp4 && (names.transposed || names.interleaved),
                    })
                })
                .map(|(bytes, _)| bytes)
                .sum(),
            layers,
            token,
            pass: tokens as u64 * token * wide as u64,
        }
    }

    /// The order under these limits, of which a tenth is left to others.
    ///
    /// # Errors
    /// [`ModelError::Memory`] if one of them is not enough for a pass of `tokens` through one layer.
    pub(crate) fn plan(&self, limits: &Limits, tokens: usize) -> Result<MemoryPlan, ModelError> {
        let all = self.layers.iter().sum::<u64>() + self.outside;
        // This layer and the next, which is read meanwhile.
        let two = 2 * self.layers.iter().max().unwrap_or(&0) + self.outside;
        let anonymous = self.copied + self.pass + BESIDES;
        let fits = |limit: &Option<Limit>, bytes: u64| limit.as_ref().is_none_or(|limit| bytes <= room(limit));
        // Addresses of the whole file are taken in either order; copies are memory, and their places in the file are not looked at again.
        let outside_files = fits(&limits.data, anonymous) && fits(&limits.addresses, all + anonymous);
        let plan = |visits, resident| MemoryPlan {
            visits,
            limits: limits.clone(),
            weight_bytes: all,
            resident_file_bytes: resident,
            anonymous_bytes: anonymous,
            waiting_token_bytes: self.token,
        };
        if fits(&limits.memory, all + self.pass + BESIDES) && outside_files {
            return Ok(plan(Visits::PassByPass, all));
        }
        let mut waiting = u64::MAX;
        for (limit, held) in [
            (&limits.memory, two + anonymous),
            (&limits.data, anonymous),
            (&limits.addresses, all + anonymous),
        ] {
            let Some(limit) = limit else { continue };
            let left = room(limit).saturating_sub(held) / self.token.max(1);
            if left < tokens as u64 {
                return Err(ModelError::Memory {
                    needed: (held + tokens as u64 * self.token) as f64 / 0.9e9,
                    limit: limit.bytes as f64 / 1e9,
                    said_by: limit.said_by.clone(),
                    weights: all as f64 / 1e9,
                });
            }
            waiting = waiting.min(left);
        }
        let tokens = usize::try_from(waiting).unwrap_or(usize::MAX);
        Ok(plan(Visits::LayerByLayer { tokens }, two))
    }
}

/// What of a limit is ours.
fn room(limit: &Limit) -> u64 {
    limit.bytes - limit.bytes / 10
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    /// A model of 16 layers of 0.8 GB in passes of 1000 tokens.
    fn needs() -> Needs {
        Needs {
            layers: vec![800_000_000; 16],
            outside: 400_000_000,
            copied: 0,
            token: 8_000,
            pass: GB - BESIDES,
        }
    }

    fn limit(bytes: u64) -> Limit {
        Limit {
            bytes,
            said_by: "a file".into(),
        }
    }

    fn memory(bytes: u64) -> Limits {
        Limits {
            memory: Some(limit(bytes)),
            ..Limits::default()
        }
    }

    #[test]
    fn what_fits_goes_pass_by_pass() {
        let plan = needs().plan(&memory(16 * GB), 1000).unwrap();
        assert_eq!(plan.visits, Visits::PassByPass);
        assert_eq!((plan.resident_file_bytes, plan.anonymous_bytes), (13_200_000_000, GB));
        assert_eq!((plan.readings(u64::MAX), plan.anonymous_at_most(u64::MAX)), (1, GB));
        assert_eq!(
            needs().plan(&Limits::default(), 1000).unwrap().visits,
            Visits::PassByPass
        );
    }

    #[test]
    fn what_does_not_fit_goes_layer_by_layer() {
        // Of 6 GB, 5.4: less two layers, what is outside and a pass leaves 2.4.
        let plan = needs().plan(&memory(6 * GB), 1000).unwrap();
        assert_eq!(plan.visits, Visits::LayerByLayer { tokens: 300_000 });
        assert_eq!(plan.resident_file_bytes, 2 * GB);
        assert_eq!([0, 300_000, 300_001].map(|tokens| plan.readings(tokens)), [1, 1, 2]);
        assert_eq!(plan.anonymous_at_most(1000), GB + 8_000_000);
        assert_eq!(plan.anonymous_at_most(10 * GB), GB + 2_400_000_000);
    }

    #[test]
    fn limits_on_what_is_no_file_count_too() {
        // 2 GB of data leave 1.8: less a pass, 100 000 tokens, whatever the memory.
        let data = Limits {
            data: Some(limit(2 * GB)),
            ..memory(6 * GB)
        };
        let plan = needs().plan(&data, 1000).unwrap();
        assert_eq!(plan.visits, Visits::LayerByLayer { tokens: 100_000 });
        // The mapped file alone takes more addresses than there are.
        let addresses = Limits {
            addresses: Some(limit(6 * GB)),
            ..memory(64 * GB)
        };
        let told = needs().plan(&addresses, 1000).unwrap_err().to_string();
        assert!(told.contains("6.0 GB are allowed (a file)"), "{told}");
    }

    #[test]
    fn too_little_is_told_beforehand() {
        let told = needs().plan(&memory(3 * GB), 1000).map_err(|error| error.to_string());
        let expected = "memory: 3.0 GB are allowed (a file), but weights of 13.2 GB need 3.3 GB, layer by layer; allow more, or take a smaller model";
        assert_eq!(told, Err(expected.to_owned()));
        let copied = Needs {
            copied: 10 * GB,
            ..needs()
        };
        assert!(copied.plan(&memory(6 * GB), 1000).is_err());
    }
}
