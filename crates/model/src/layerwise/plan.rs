//! Whether a model fits into memory, and how many tokens go through a layer at a time if it does not.

use crate::checkpoint::Checkpoint;
use crate::error::ModelError;
use crate::spec::{DecoderSpec, ExpertLayout};
use crate::weights::expected;

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

/// In which order layers and passes are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visits {
    /// Each pass through all layers: the weights stay in memory.
    PassByPass,
    /// Each layer for many passes, because the weights do not fit: they are read from disk once for so many tokens.
    LayerByLayer {
        /// Padded tokens that go through a layer before it is let go.
        tokens: usize,
    },
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

    /// The order for this much memory, in bytes, of which a tenth is left to others.
    ///
    /// # Errors
    /// [`ModelError::Memory`] if it is not enough for one pass through one layer.
    pub(crate) fn plan(&self, limit: u64, tokens: usize) -> Result<Visits, ModelError> {
        let room = limit - limit / 10;
        let all = self.layers.iter().sum::<u64>() + self.outside;
        if all + self.pass <= room {
            return Ok(Visits::PassByPass);
        }
        // This layer and the next, which is read meanwhile.
        let held = 2 * self.layers.iter().max().unwrap_or(&0) + self.outside + self.copied + self.pass;
        // In a layer, a pass has its tokens twice; all others have theirs once.
        let left = room.saturating_sub(held) / self.token.max(1);
        if left < tokens as u64 {
            return Err(ModelError::Memory {
                needed: (held + tokens as u64 * self.token) as f64 / 0.9e9,
                limit: limit as f64 / 1e9,
                weights: all as f64 / 1e9,
            });
        }
        Ok(Visits::LayerByLayer {
            tokens: usize::try_from(left).unwrap_or(usize::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Needs, Visits};

    const GB: u64 = 1_000_000_000;

    /// A model of 16 layers of 0.8 GB in passes of 1000 tokens.
    fn needs() -> Needs {
        Needs {
            layers: vec![800_000_000; 16],
            outside: 400_000_000,
            copied: 0,
            token: 8_000,
            pass: GB,
        }
    }

    #[test]
    fn what_fits_goes_pass_by_pass() {
        assert!(matches!(needs().plan(16 * GB, 1000), Ok(Visits::PassByPass)));
    }

    #[test]
    fn what_does_not_fit_goes_layer_by_layer() {
        // Of 6 GB, 5.4: less two layers, what is outside and a pass leaves 2.4.
        let found = needs().plan(6 * GB, 1000);
        assert!(
            matches!(found, Ok(Visits::LayerByLayer { tokens: 300_000 })),
            "{found:?}"
        );
    }

    #[test]
    fn too_little_is_told_beforehand() {
        let told = needs().plan(3 * GB, 1000).map_err(|error| error.to_string());
        let expected = "memory: 3.0 GB are allowed, but weights of 13.2 GB need 3.3 GB, layer by layer; allow more, or take a smaller model";
        assert_eq!(told, Err(expected.to_owned()));
        let copied = Needs {
            copied: 10 * GB,
            ..needs()
        };
        assert!(copied.plan(6 * GB, 1000).is_err());
    }
}
