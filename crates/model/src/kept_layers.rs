//! What the layers in front of the first masked one made of a batch, kept for the masks that follow: it is the same for all of them.
//!
//! Models whose first layers are dense, and masks that leave the first layers whole, run those once for a batch and not once for a mask.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::decoder::Watch;
use crate::error::ModelError;
use crate::model::Model;

/// Numbers that are kept, at most: 256 MiB in f32.
const NUMBERS: usize = 1 << 26;

/// Residual streams of batches under no mask, by the layers behind them. What comes when there is no room is not kept, as in
/// `crate::kept_states`. Looked into, never iterated.
#[derive(Debug, Default)]
pub(crate) struct KeptLayers(Mutex<Streams>);

#[derive(Debug, Default)]
struct Streams {
    /// Batch → layers that it went through → `[batch · length, hidden]`.
    by_batch: HashMap<Batch, BTreeMap<usize, Tensor<2>>>,
    numbers: usize,
    /// Layers that were not run again.
    spared: usize,
}

impl KeptLayers {
    /// The stream that went through most layers, of at most `layers`.
    fn deepest(&self, batch: &Batch, layers: usize) -> Option<(usize, Tensor<2>)> {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (depth, stream) = streams.by_batch.get(batch)?.range(..=layers).next_back()?;
        let found = (*depth, stream.clone());
        streams.spared += found.0;
        Some(found)
    }

    fn keep(&self, batch: &Batch, depth: usize, stream: &Tensor<2>) {
        let numbers = stream.dims().iter().product::<usize>();
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.numbers + numbers > NUMBERS {
            return;
        }
        let depths = streams.by_batch.entry(batch.clone()).or_default();
        if depths.insert(depth, stream.clone()).is_none() {
            streams.numbers += numbers;
        }
    }

    #[cfg(test)]
    pub(crate) fn spared(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spared
    }
}

impl Model {
    /// The final-normed residual stream of a batch without a cache, `[batch · length, hidden]`: bit for bit that of
    /// [`crate::decoder::Decoder::forward`], with as few layers run as the masks before have left.
    pub(crate) fn final_states(&self, batch: &Batch) -> Result<Tensor<2>, ModelError> {
        let decoder = &self.decoder;
        // Under no mask, what the first mask will need: experts are seldom dropped anywhere but in all layers that have some.
        let shared = self
            .first_masked()
            .or_else(|| self.moe_layers().first().map(|moe| moe.layer));
        let shared = shared.unwrap_or_default();
        if shared == 0 {
            return decoder.forward(batch, None, &mut Watch::Nobody);
        }
        let (mut depth, mut x) = match self.kept_layers.deepest(batch, shared) {
            Some(found) => found,
            None => (0, decoder.embed(&batch.ids)?),
        };
        let mut pass = decoder.pass(batch);
        while depth < decoder.layers.len() {
            x = decoder.run(depth, x, &mut pass)?;
            depth += 1;
            if depth == shared {
                self.kept_layers.keep(batch, depth, &x);
            }
        }
        Ok(decoder.finish(x))
    }

    /// The first layer that lost experts.
    fn first_masked(&self) -> Option<usize> {
        let masked = |layer: &crate::decoder::Layer| layer.moe().is_some_and(|moe| moe.router.kept.is_some());
        self.decoder.layers.iter().position(masked)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::blocks::router::host_f64;
    use crate::checkpoint::Checkpoint;
    use crate::device::{Device, DeviceKind, Precision};
    use crate::mask::{ExpertId, ExpertMask};

    fn demo(name: &str) -> Model {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../datasets/demo/models")
            .join(name);
        let checkpoint = Checkpoint::open(&path).unwrap();
        Model::load(&checkpoint, &Device::open(DeviceKind::Cpu, Precision::F32).unwrap()).unwrap()
    }

    /// As few experts as a token needs, in one layer.
    fn mask(model: &Model, place: usize) -> ExpertMask {
        let moe = &model.moe_layers()[place];
        ExpertMask {
            kept: [(moe.layer, (0..moe.top_k).map(ExpertId).collect())].into(),
        }
    }

    #[test]
    fn layers_in_front_of_the_masked_ones_run_once_for_a_batch() {
        for name in ["demo-deepseek-v3", "demo-olmoe", "demo-qwen3-moe"] {
            let mut model = demo(name);
            let batch = Batch::right_padded(&[&[1, 5, 9, 12], &[7, 3]]);
            let last = model.moe_layers().len() - 1;
            let masks = [
                None,
                Some(mask(&model, 0)),
                Some(mask(&model, last)),
                Some(mask(&model, 0)),
            ];
            let depth = |model: &Model, place: usize| model.moe_layers()[place].layer;
            for set in masks.iter().chain(&masks) {
                model.set_mask(set.as_ref()).unwrap();
                let plain = model.decoder.forward(&batch, None, &mut Watch::Nobody).unwrap();
                let found = model.final_states(&batch).unwrap();
                let [plain, found] = [plain, found].map(|states| host_f64(states, "states").unwrap());
                assert_eq!(found, plain, "{name}, {set:?}");
            }
            // The first of all runs every layer, the first with the last layer masked all behind the first masked one before it.
            let (first, last) = (depth(&model, 0), depth(&model, last));
            assert_eq!(
                model.kept_layers.spared(),
                6 * first + if last > first { last } else { first },
                "{name}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let model = demo("demo-deepseek-v3");
        let (batch, late) = (Batch::single(&[1, 2]), Batch::single(&[3]));
        let stream = model.decoder.embed(&batch.ids).unwrap();
        model.kept_layers.keep(&batch, 1, &stream);
        assert!(model.kept_layers.deepest(&batch, 0).is_none());
        assert_eq!(model.kept_layers.deepest(&batch, 4).unwrap().0, 1);
        model.kept_layers.0.lock().unwrap().numbers = NUMBERS;
        model.kept_layers.keep(&late, 1, &stream);
        assert!(model.kept_layers.deepest(&late, 4).is_none());
    }
}
