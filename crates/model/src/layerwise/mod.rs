//! Models larger than memory: each layer for many passes, its weights read ahead and let go behind.
//!
//! A pass through all layers would read the whole checkpoint from disk for a few thousand tokens. Here the tokens wait: what they are between
//! two layers takes `4 · hidden` bytes each, so that hundreds of thousands go through a layer while it is in memory. What is computed,
//! and in which batches, is the same to the last bit.

mod limit;
mod plan;

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::checkpoint::Region;
use crate::decoder::Watch;
use crate::error::ModelError;
use crate::model::Model;

pub use limit::memory_limit;
pub(crate) use plan::Needs;
pub use plan::Visits;

impl Model {
    /// In which order layers and passes are gone through.
    #[must_use]
    pub fn visits(&self) -> Visits {
        self.visits
    }

    /// Chooses the order: results do not depend on it.
    pub fn set_visits(&mut self, visits: Visits) {
        self.visits = visits;
    }

    /// Neighbouring batches that go through the layers together: one, where the weights stay in memory.
    #[must_use]
    pub fn waves<'b>(&self, batches: &'b [Batch]) -> Vec<&'b [Batch]> {
        let tokens = match self.visits {
            Visits::PassByPass => 0,
            Visits::LayerByLayer { tokens } => tokens,
        };
        let (mut waves, mut first, mut held) = (Vec::new(), 0, 0);
        for (index, batch) in batches.iter().enumerate() {
            if index > first && held + batch.ids.len() > tokens {
                waves.push(&batches[first..index]);
                (first, held) = (index, 0);
            }
            held += batch.ids.len();
        }
        if first < batches.len() {
            waves.push(&batches[first..]);
        }
        waves
    }

    /// Final-normed residual streams of the batches of a wave, as [`crate::decoder::Decoder::forward`] gives them one by one. `visited`
    /// is told how many layers are done.
    pub(crate) fn visit(
        &self,
        wave: &[Batch],
        watch: &mut Watch<'_>,
        visited: &mut dyn FnMut(usize),
    ) -> Result<Vec<Tensor<2>>, ModelError> {
        let decoder = &self.decoder;
        let mut streams: Vec<Tensor<2>> = wave
            .iter()
            .map(|batch| decoder.embed(&batch.ids))
            .collect::<Result<_, _>>()?;
        for index in 0..decoder.layers.len() {
            self.read_ahead(index + 1);
            let before = std::mem::take(&mut streams);
            for (batch, stream) in wave.iter().zip(before) {
                streams.push(decoder.layer(index, batch, stream, watch)?);
            }
            self.release(index);
            visited(index + 1);
        }
        Ok(streams.into_iter().map(|stream| decoder.finish(stream)).collect())
    }

    /// Begins to read a layer's weights.
    fn read_ahead(&self, layer: usize) {
        if matches!(self.visits, Visits::LayerByLayer { .. }) {
            self.regions(layer).iter().for_each(Region::ahead);
        }
    }

    /// Lets a layer's weights go.
    fn release(&self, layer: usize) {
        if matches!(self.visits, Visits::LayerByLayer { .. }) {
            self.regions(layer).iter().for_each(Region::release);
        }
    }
}
