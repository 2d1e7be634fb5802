//! What layers remember of stems ([`crate::stems`]), for the rows and prompts that go on from them.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::batch::{Batch, Slot};
use crate::blocks::experts::indices;
use crate::blocks::state::LayerState;
use crate::cache::Cache;
use crate::error::ModelError;
use crate::model::Model;
use crate::reading::{Reading, alike_up_to, longest_stem};
use crate::shared::{SharedRow, shared};
use crate::stems::PASS;

/// What a model, under the mask that was set, remembers of a stem.
#[derive(Debug)]
pub(crate) struct StemStates {
    /// Per layer and step.
    layers: Vec<Vec<LayerState>>,
    /// Its tokens.
    slots: Vec<Option<Slot>>,
}

impl StemStates {
    fn read(model: &Model, stem: &[u32]) -> Result<Self, ModelError> {
        let batch = Batch::single(stem);
        Ok(Self {
            layers: model.remembered(&batch)?,
            slots: batch.slots(None).into_iter().flatten().collect(),
        })
    }

    /// What prompts begin with, if so many do that it is worth a pass of its own; neighbours that are alike are read once in any case.
    ///
    /// # Errors
    /// As [`Stems::prepare`].
    pub(crate) fn of_prompts(model: &Model, prompts: &[&[u32]]) -> Result<Option<Self>, ModelError> {
        let Some(first) = prompts.first() else {
            return Ok(None);
        };
        if prompts.iter().any(|prompt| prompt.len() > alike_up_to(model.spec())) {
            return Ok(None);
        }
        // A prompt's last token is asked for what follows.
        let begins_alike = |prompt: &&[u32]| shared(first, prompt).min(prompt.len() - 1);
        let tokens = prompts.iter().map(begins_alike).min().unwrap_or(0);
        let tokens = tokens.min(longest_stem(model));
        let others = prompts.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if tokens < PASS || others * tokens <= PASS {
            return Ok(None);
        }
        Self::read(model, &first[..tokens]).map(Some)
    }

    /// How many tokens they are.
    pub(crate) fn tokens(&self) -> usize {
        self.slots.len()
    }

    /// A cache that goes on from them, of so many rows.
    pub(crate) fn cache(&self, rows: usize, model: &Model) -> Cache {
        Cache {
            layers: (0..self.layers.len())
                .map(|layer| self.layer(layer, rows, model))
                .collect(),
            slots: vec![self.slots.clone(); rows],
        }
    }

    /// The slots in front of each row.
    pub(crate) fn slots(&self) -> &[Option<Slot>] {
        &self.slots
    }

    /// What one layer's steps remember, for so many rows.
    pub(crate) fn layer(&self, layer: usize, rows: usize, model: &Model) -> Vec<LayerState> {
        let mut states = self.layers[layer].clone();
        if rows > 1 {
            let rows = vec![0; rows];
            let there = indices(&rows, model.device());
            for state in &mut states {
                state.select(&rows, &there, 0);
            }
        }
        states
    }
}

/// The stems that the passes at hand go on from.
#[derive(Debug, Default)]
pub(crate) struct Stems(BTreeMap<usize, StemStates>);

impl Stems {
    /// Reads the stems of some batches, those that are not there, and lets others go.
    ///
    /// # Errors
    /// If a token is out of range or the device fails.
    pub(crate) fn prepare(
        &mut self,
        model: &Model,
        reading: &Reading<'_>,
        batches: &[&[SharedRow]],
    ) -> Result<(), ModelError> {
        let stems = || batches.iter().filter_map(|rows| rows.first()?.stem);
        self.0.retain(|&stem, _| stems().any(|needed| needed == stem));
        let mut missing: Vec<usize> = stems().filter(|stem| !self.0.contains_key(stem)).collect();
        missing.dedup();
        let read = |&stem: &usize| Ok((stem, StemStates::read(model, reading.stem(stem))?));
        let read: Vec<_> = missing.par_iter().map(read).collect::<Result<_, ModelError>>()?;
        self.0.extend(read);
        Ok(())
    }

    /// What the rows of a batch go on from.
    pub(crate) fn of(&self, rows: &[SharedRow]) -> Option<&StemStates> {
        self.0.get(&rows.first()?.stem?)
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
    use crate::shared::{Behind, Sharing, rows};

    #[test]
    fn rows_behind_a_stem_are_sequences_that_begin_with_it_whatever_the_mask() {
        let device = Device::open(DeviceKind::Cpu, Precision::F64).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/demo/models/demo-deepseek-v3");
        let mut model = Model::load(&Checkpoint::open(&path).unwrap(), &device).unwrap();
        let stem: Vec<u32> = (0..20).map(|at| (at * 37 + 5) % 90).collect();
        let ends: [&[u32]; 3] = [&[1, 2, 3], &[1, 2, 4], &[1, 7]];
        let whole = ends.map(|end| [&stem, end].concat());
        let borrowed: Vec<&[u32]> = whole.iter().map(Vec::as_slice).collect();
        let behind = Behind {
            stem: Some(0),
            tokens: stem.len(),
        };
        let row = &rows(&borrowed, behind, &Sharing::SHORT)[0];
        // Two rows alike, side by side.
        let batch = Batch::shared(&[row.clone(), row.clone()], &stem);
        let last = model.moe_layers()[model.moe_layers().len() - 1];
        let mask = ExpertMask {
            kept: [(last.layer, (0..last.experts - last.groups).map(ExpertId).collect())].into(),
        };
        for mask in [None, Some(&mask), None, Some(&mask)] {
            model.set_mask(mask).unwrap();
            let states = StemStates::read(&model, &stem).unwrap();
            let all = |batch: &Batch| (0..batch.ids.len()).collect::<Vec<_>>();
            let found = model.final_states(&batch, Some(&states), &all(&batch)).unwrap();
            let found = host_f64(found, "states").unwrap();
            let width = model.spec().hidden;
            for (placed, whole) in row.sequences.iter().zip(&borrowed) {
                let alone = Batch::single(whole);
                let alone = model.final_states(&alone, None, &all(&alone)).unwrap();
                let alone = host_f64(alone, "states").unwrap();
                let expected = alone.chunks_exact(width).skip(stem.len());
                for side in 0..2 {
                    for (&cell, expected) in placed.cells.iter().zip(expected.clone()) {
                        let there = (side * batch.length + cell) * width;
                        let pairs = found[there..there + width].iter().zip(expected);
                        assert!(pairs.into_iter().all(|(one, other)| (one - other).abs() < 1e-9));
                    }
                }
            }
        }
        // The first layer, which is dense, of the stem under the first mask and under the same masks again, of rows and sequences as often.
        assert!(model.kept_layers.spared() > 0);
    }
}
