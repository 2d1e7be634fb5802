//! The masked and the unpruned model through each layer together: weights are read once for both.

use std::sync::Arc;
use std::thread;

use burn::tensor::Tensor;

use super::Visits;
use super::ahead::ReadAhead;
use crate::batch::Batch;
use crate::decoder::Watch;
use crate::error::ModelError;
use crate::model::Model;

/// Final-normed residual streams of a batch.
pub(crate) struct Both {
    /// Under the mask that is set.
    pub(crate) masked: Tensor<2>,
    /// Without it; absent where it was not asked for.
    pub(crate) unpruned: Option<Tensor<2>>,
}

impl Model {
    /// Both models' streams of the batches of a wave, bit by bit as each alone gives them. `wanted` says of which batches the unpruned one
    /// is asked. Up to the first layer that has lost experts, one stream is both. The mask is the same afterwards, also where this fails.
    pub(crate) fn visit_both(&mut self, wave: &[Batch], wanted: &[bool]) -> Result<Vec<Both>, ModelError> {
        let layers = self.decoder.layers.len();
        let files = match self.visits {
            Visits::PassByPass => None,
            Visits::LayerByLayer { .. } => self.decoder.files.as_ref().map(Arc::clone),
        };
        let mut masked = self.embedded(wave)?;
        let mut unpruned: Option<Vec<Option<Tensor<2>>>> = None;
        thread::scope(|scope| {
            let files = files.as_deref();
            let ahead = files.map(|files| ReadAhead::new(scope, files, 0, layers));
            for index in 0..layers {
                ahead.iter().try_for_each(|ahead| ahead.wait_for(index))?;
                if unpruned.is_none() && self.has_lost_experts(index) {
                    let both = |(stream, &wanted): (&Tensor<2>, &bool)| wanted.then(|| stream.clone());
                    unpruned = Some(masked.iter().zip(wanted).map(both).collect());
                }
                for (batch, stream) in wave.iter().zip(&mut masked) {
                    *stream = self.decoder.layer(index, batch, stream.clone(), &mut Watch::Nobody)?;
                }
                if let Some(streams) = &mut unpruned {
                    self.unmasked_layer(index, wave, streams)?;
                }
                files.inspect(|files| files.release(index));
            }
            Ok::<(), ModelError>(())
        })?;
        let unpruned = unpruned.unwrap_or_else(|| masked.iter().cloned().map(Some).collect());
        let finish = |stream| self.decoder.finish(stream);
        let both = |(masked, unpruned): (Tensor<2>, Option<Tensor<2>>)| Both {
            masked: finish(masked),
            unpruned: unpruned.map(finish),
        };
        Ok(masked.into_iter().zip(unpruned).map(both).collect())
    }

    fn has_lost_experts(&self, layer: usize) -> bool {
        let moe = self.decoder.layers[layer].moe();
        moe.is_some_and(|moe| moe.router.kept.is_some())
    }

    /// Takes streams through a layer as if no mask were set.
    fn unmasked_layer(
        &mut self,
        layer: usize,
        wave: &[Batch],
        streams: &mut [Option<Tensor<2>>],
    ) -> Result<(), ModelError> {
        let kept = self.decoder.layers[layer]
            .moe_mut()
            .and_then(|moe| moe.router.kept.take());
        let through = wave.iter().zip(streams).try_for_each(|(batch, stream)| {
            if let Some(before) = stream.take() {
                *stream = Some(self.decoder.layer(layer, batch, before, &mut Watch::Nobody)?);
            }
            Ok(())
        });
        if let Some(moe) = self.decoder.layers[layer].moe_mut() {
            moe.router.kept = kept;
        }
        through
    }
}
