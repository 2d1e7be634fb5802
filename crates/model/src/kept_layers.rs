//! What the layers in front of the first masked one made of a batch, kept for the masks that follow: it is the same for all of them.
//!
//! Models whose first layers are dense, and masks that leave the first layers whole, run those once for a batch and not once for a mask.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::blocks::experts::indices;
use crate::blocks::state::LayerState;
use crate::error::ModelError;
use crate::model::Model;
use crate::stem_states::StemStates;

/// Numbers that are kept, at most: 256 MiB in f32.
const NUMBERS: usize = 1 << 26;

/// What layers made of batches under no mask. What comes when there is no room is not kept, as in `crate::kept_states`. Looked into, never
/// iterated.
#[derive(Debug, Default)]
pub(crate) struct KeptLayers(Mutex<Streams>);

#[derive(Debug, Default)]
struct Streams {
    /// Batch → layers that it went through → what came of it.
    by_batch: HashMap<Batch, BTreeMap<usize, Passed>>,
    /// The same of batches that layers remember.
    remembered: HashMap<Batch, BTreeMap<usize, Passed>>,
    numbers: usize,
    /// Layers that were not run again.
    spared: usize,
}

/// A batch behind some layers.
#[derive(Debug, Clone)]
struct Passed {
    /// `[batch · length, hidden]`.
    stream: Tensor<2>,
    /// What the steps of each of them remember; empty where they are not asked to.
    states: Vec<Vec<LayerState>>,
}

impl Streams {
    fn of(&mut self, remembered: bool) -> &mut HashMap<Batch, BTreeMap<usize, Passed>> {
        if remembered {
            &mut self.remembered
        } else {
            &mut self.by_batch
        }
    }
}

impl KeptLayers {
    /// What went through most layers, of at most `layers`, and how many.
    fn deepest(&self, batch: &Batch, remembered: bool, layers: usize) -> Option<(usize, Passed)> {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (depth, passed) = streams.of(remembered).get(batch)?.range(..=layers).next_back()?;
        let found = (*depth, passed.clone());
        streams.spared += found.0;
        Some(found)
    }

    fn keep(&self, batch: &Batch, remembered: bool, depth: usize, passed: &Passed) {
        let remember = passed.states.iter().flatten().map(LayerState::numbers);
        let numbers = passed.stream.dims().iter().product::<usize>() + remember.sum::<usize>();
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.numbers + numbers > NUMBERS {
            return;
        }
        let depths = streams.of(remembered).entry(batch.clone()).or_default();
        if depths.insert(depth, passed.clone()).is_none() {
            streams.numbers += numbers;
        }
    }

    #[cfg(test)]
    pub(crate) fn spared(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spared
    }
}

impl Model {
    /// The final-normed residual stream of some cells of a batch behind its stem, ascending, `[wanted, hidden]`: that of
    /// [`crate::decoder::Decoder::forward`], with as few layers run as the masks before have left, and nothing computed for other cells behind
    /// the last step that mixes tokens.
    pub(crate) fn final_states(
        &self,
        batch: &Batch,
        stem: Option<&StemStates>,
        wanted: &[usize],
    ) -> Result<Tensor<2>, ModelError> {
        let stream = self.through_layers(batch, stem, false, wanted)?.stream;
        // All are there if layers behind that step had run before.
        let stream = if stream.dims()[0] == wanted.len() {
            stream
        } else {
            stream.select(0, indices(wanted, self.device()))
        };
        Ok(self.decoder.finish(stream))
    }

    /// What the steps of each layer remember of a batch, with as few layers run.
    pub(crate) fn remembered(&self, batch: &Batch) -> Result<Vec<Vec<LayerState>>, ModelError> {
        Ok(self.through_layers(batch, None, true, &[])?.states)
    }

    fn through_layers(
        &self,
        batch: &Batch,
        stem: Option<&StemStates>,
        remembers: bool,
        wanted: &[usize],
    ) -> Result<Passed, ModelError> {
        let decoder = &self.decoder;
        // Under no mask, what the first mask will need: experts are seldom dropped anywhere but in all layers that have some.
        let shared = self
            .first_masked()
            .or_else(|| self.moe_layers().first().map(|moe| moe.layer));
        let shared = shared.unwrap_or_default();
        let (mut depth, mut passed) = if let Some(found) = self.kept_layers.deepest(batch, remembers, shared) {
            found
        } else {
            let (stream, states) = (decoder.embed(&batch.ids)?, Vec::new());
            (0, Passed { stream, states })
        };
        let mut pass = decoder.pass_behind(batch, stem.map_or(&[], StemStates::slots));
        pass.wanted = Some(wanted.to_vec());
        while depth < decoder.layers.len() {
            let mut states = match stem {
                Some(stem) => Some(stem.layer(depth, batch.batch, self)),
                None => remembers.then(|| decoder.layers[depth].fresh_states()),
            };
            passed.stream = decoder.run(depth, passed.stream, &mut pass, states.as_deref_mut())?;
            passed.states.extend(states.filter(|_| remembers));
            depth += 1;
            if depth == shared && passed.stream.dims()[0] == batch.ids.len() {
                self.kept_layers.keep(batch, remembers, depth, &passed);
            }
        }
        Ok(passed)
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
    use crate::cache::Cache;
    use crate::checkpoint::Checkpoint;
    use crate::decoder::Watch;
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
                for wanted in [vec![0, 1, 2, 3, 4, 5, 6, 7], vec![3, 5]] {
                    let found = model.final_states(&batch, None, &wanted).unwrap();
                    let plain = plain.clone().select(0, indices(&wanted, model.device()));
                    let [plain, found] = [plain, found].map(|states| host_f64(states, "states").unwrap());
                    assert_eq!(found, plain, "{name}, {set:?}, {wanted:?}");
                }
            }
            // Each twice: the first of all runs every layer, the first with the last layer masked all behind the first masked one before it.
            let (first, last) = (depth(&model, 0), depth(&model, last));
            assert_eq!(model.kept_layers.spared(), 12 * first + 3 * last, "{name}");
        }
    }

    /// In every family, some of which end with layers that mix no tokens.
    #[test]
    fn cells_that_are_asked_for_are_those_of_all() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../goldens/fixtures");
        let models = ["core/models", "paper/models"].map(|part| std::fs::read_dir(fixtures.join(part)).unwrap());
        let mut families = std::collections::BTreeSet::new();
        for entry in models.into_iter().flatten() {
            let checkpoint = entry.unwrap().path().join("checkpoint");
            let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
            let model = Model::load(&Checkpoint::open(&checkpoint).unwrap(), &device).unwrap();
            let batch = Batch::right_padded(&[&[1, 5, 9, 12], &[7, 3]]);
            let all = model.decoder.forward(&batch, None, &mut Watch::Nobody).unwrap();
            for wanted in [vec![3, 5], vec![0]] {
                let expected = all.clone().select(0, indices(&wanted, model.device()));
                let (mut cache, states) = (Cache::default(), |x| host_f64(x, "states").unwrap());
                let decoder = &model.decoder;
                let found = decoder.forward_wanted(&batch, wanted.clone(), &mut cache).unwrap();
                assert_eq!(states(found), states(expected.clone()), "{}", checkpoint.display());
                let found = model.final_states(&batch, None, &wanted).unwrap();
                assert_eq!(states(found), states(expected), "{}", checkpoint.display());
            }
            families.insert(model.family());
        }
        assert!(families.len() > 6, "{families:?}");
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let model = demo("demo-deepseek-v3");
        let (batch, late) = (Batch::single(&[1, 2]), Batch::single(&[3]));
        let stream = model.decoder.embed(&batch.ids).unwrap();
        let passed = Passed {
            stream,
            states: Vec::new(),
        };
        model.kept_layers.keep(&batch, false, 1, &passed);
        let depth = |batch: &Batch, remembered, layers| {
            let found = model.kept_layers.deepest(batch, remembered, layers);
            found.map(|(depth, _)| depth)
        };
        assert_eq!(
            (depth(&batch, false, 0), depth(&batch, true, 4), depth(&batch, false, 4)),
            (None, None, Some(1))
        );
        model.kept_layers.0.lock().unwrap().numbers = NUMBERS;
        model.kept_layers.keep(&late, false, 1, &passed);
        assert_eq!(depth(&late, false, 4), None);
    }
}
