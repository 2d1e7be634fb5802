//! Models larger than memory: each layer for many passes, its weights read ahead and let go behind.
//!
//! A pass through all layers would read the whole checkpoint from disk for a few thousand tokens. Here the tokens wait: what they are between
//! two layers takes `4 · hidden` bytes each, so that hundreds of thousands go through a layer while it is in memory. What is computed,
//! and in which batches, is the same to the last bit.

mod ahead;
mod between;
mod both;
mod files;
mod kept_waves;
mod limit;
mod plan;

use std::thread;

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::checkpoint::Checkpoint;
use crate::decoder::Watch;
use crate::error::ModelError;
use crate::model::Model;
use crate::reading::LARGEST_PASS;
use crate::spec::DecoderSpec;

use ahead::ReadAhead;
pub use between::{Between, Hashing, Resumed};
pub(crate) use files::LayerFiles;
pub(crate) use kept_waves::KeptWave;
pub use kept_waves::KeptWaves;
pub use limit::{Limit, Limits, memory_limits};
pub(crate) use plan::Needs;
pub use plan::{MemoryPlan, Visits};

/// How a checkpoint would be gone through on the CPU under these limits, and what that takes. No weight is read.
///
/// # Errors
/// [`ModelError::Memory`] if it cannot be, not even layer by layer.
pub fn memory_plan(checkpoint: &Checkpoint, spec: &DecoderSpec, limits: &Limits) -> Result<MemoryPlan, ModelError> {
    Needs::new(spec, checkpoint, LARGEST_PASS).plan(limits, LARGEST_PASS)
}

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

    /// From now on, waves of log-likelihoods are kept between layers, or not.
    pub fn keep_waves(&mut self, waves: Option<KeptWaves>) {
        self.kept_waves = waves;
    }

    /// Neighbouring batches that go through the layers together: one, where the weights stay in memory.
    #[must_use]
    pub fn waves<'b>(&self, batches: &'b [Batch]) -> Vec<&'b [Batch]> {
        self.waves_of(batches, 1)
    }

    /// The same where each token waits in so many streams.
    pub(crate) fn waves_of<'b>(&self, batches: &'b [Batch], streams: usize) -> Vec<&'b [Batch]> {
        let tokens = match self.visits {
            Visits::PassByPass => 0,
            Visits::LayerByLayer { tokens } => tokens / streams,
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

    /// Final-normed residual streams of the batches of a wave, as [`crate::decoder::Decoder::forward`] gives them one by one. The wave
    /// goes on where it was left, if it was; an observer is told of it behind every layer, or it is kept there.
    pub(crate) fn visit(
        &self,
        wave: &[Batch],
        from: Option<Resumed>,
        watch: &mut Watch<'_>,
        keep: Option<&KeptWave<'_>>,
    ) -> Result<Vec<Tensor<2>>, ModelError> {
        let decoder = &self.decoder;
        let layers = decoder.layers.len();
        let Resumed {
            layers_done,
            mut streams,
        } = match from {
            Some(from) => from,
            None => Resumed {
                layers_done: 0,
                streams: self.embedded(wave)?,
            },
        };
        thread::scope(|scope| {
            let files = self.files_to_visit();
            let ahead = files.map(|files| ReadAhead::new(scope, files, layers_done, layers));
            for index in layers_done..layers {
                ahead.iter().try_for_each(|ahead| ahead.wait_for(index))?;
                let before = std::mem::take(&mut streams);
                for (batch, stream) in wave.iter().zip(before) {
                    streams.push(decoder.layer(index, batch, stream, watch)?);
                }
                let between = Between {
                    layers_done: index + 1,
                    layers,
                    streams: &streams,
                };
                if let Watch::Observer(observer) = watch {
                    observer.between_layers(&between)?;
                }
                keep.map_or(Ok(()), |keep| keep.keep(&between))?;
                files.inspect(|files| files.release(index));
            }
            Ok(streams.into_iter().map(|stream| decoder.finish(stream)).collect())
        })
    }

    /// Streams before the first layer.
    pub(crate) fn embedded(&self, wave: &[Batch]) -> Result<Vec<Tensor<2>>, ModelError> {
        wave.iter().map(|batch| self.decoder.embed(&batch.ids)).collect()
    }

    /// Lets a layer's weights go until they are looked at again, where they do not all stay in memory.
    pub fn release_layer(&self, layer: usize) {
        self.files_to_visit().inspect(|files| files.release(layer));
    }

    /// Files whose pages are read ahead and let go: none where weights stay in memory.
    fn files_to_visit(&self) -> Option<&LayerFiles> {
        match self.visits {
            Visits::PassByPass => None,
            Visits::LayerByLayer { .. } => self.decoder.files.as_deref(),
        }
    }
}
