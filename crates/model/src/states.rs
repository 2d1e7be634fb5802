//! What recurrent mixers remember after a sequence, for comparing with other implementations.

use crate::batch::Batch;
use crate::cache::Cache;
use crate::decoder::Watch;
use crate::error::ModelError;
use crate::model::Model;
use crate::spec::{BlockSpec, LayerSpec, MixerSpec};

/// A layer's state after a sequence, laid out as transformers keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct MixerState {
    /// Decoder layer.
    pub layer: usize,
    /// The last inputs of the convolution, `[channels, kernel]`, oldest first.
    pub conv_inputs: Vec<f64>,
    /// Mamba2 `[heads, head_dim, state]`, `DeltaNet` `[value_heads, key_dim, value_dim]`, empty for a short convolution.
    pub recurrent: Vec<f64>,
}

impl Model {
    /// The states after one sequence, of every layer that has one.
    ///
    /// # Errors
    /// As [`Model::observe`].
    pub fn mixer_states(&self, tokens: &[u32]) -> Result<Vec<MixerState>, ModelError> {
        if tokens.is_empty() {
            return Err(ModelError::Tokens("an empty sequence leaves no state".into()));
        }
        let mut cache = Cache::default();
        self.decoder
            .forward(&Batch::single(tokens), Some(&mut cache), &mut Watch::Nobody)?;
        let kernels: Vec<usize> = self.spec().layers.iter().map(kernel).collect();
        Ok(cache
            .recurrent()
            .map(|(layer, state)| MixerState {
                layer,
                conv_inputs: state.conv_inputs(0, kernels[layer]),
                recurrent: state.recurrent_matrices(0),
            })
            .collect())
    }
}

/// Taps of a layer's convolution; 0 if it has none.
fn kernel(layer: &LayerSpec) -> usize {
    let of = |block: &BlockSpec| match block {
        BlockSpec::Mixer(MixerSpec::Mamba2(spec)) => Some(spec.kernel),
        BlockSpec::Mixer(MixerSpec::DeltaNet(spec)) => Some(spec.kernel),
        BlockSpec::Mixer(MixerSpec::ShortConv(spec)) => Some(spec.kernel),
        _ => None,
    };
    layer.steps.iter().find_map(|step| of(&step.block)).unwrap_or(0)
}
