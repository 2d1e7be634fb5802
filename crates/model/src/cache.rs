//! What a decoder remembers between forward passes.

use crate::batch::Slot;
use crate::blocks::experts::indices;
use crate::blocks::recurrent::RecurrentState;
use crate::blocks::state::LayerState;
use crate::device::Device;

/// What all layers remember, and which of the positions so far are real.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// Per layer and step.
    pub(crate) layers: Vec<Vec<LayerState>>,
    /// Per row and cached slot; `None` for padding.
    pub(crate) slots: Vec<Vec<Option<Slot>>>,
}

impl Cache {
    /// What the mixers remember, by layer.
    pub(crate) fn recurrent(&mut self) -> impl Iterator<Item = (usize, &mut RecurrentState)> {
        fn of(states: &mut [LayerState]) -> Option<&mut RecurrentState> {
            states.iter_mut().find_map(LayerState::recurrent)
        }
        let layers = self.layers.iter_mut().enumerate();
        layers.filter_map(|(layer, states)| Some((layer, of(states)?)))
    }

    /// Keeps only the given rows of the batch, in that order. Positions that are padding in all of them are forgotten.
    pub fn select(&mut self, rows: &[usize], device: &Device) {
        let padding = |row: &usize| self.slots[*row].iter().take_while(|slot| slot.is_none()).count();
        let skipped = rows.iter().map(padding).min().unwrap_or(0);
        let rows_on_device = indices(rows, device);
        for state in self.layers.iter_mut().flatten() {
            state.select(rows, &rows_on_device, skipped);
        }
        self.slots = rows.iter().map(|&row| self.slots[row][skipped..].to_vec()).collect();
    }

    /// The rows of several caches, one below the other, padded before their first position to one length.
    pub(crate) fn join(mut parts: Vec<Self>) -> Self {
        if parts.len() <= 1 {
            return parts.pop().unwrap_or_default();
        }
        let positions = |part: &Self| part.slots.first().map_or(0, Vec::len);
        let longest = parts.iter().map(positions).max().unwrap_or(0);
        let mut joined = Self::default();
        for part in &mut parts {
            for slots in part.slots.drain(..) {
                let missing = std::iter::repeat_n(None, longest - slots.len());
                joined.slots.push(missing.chain(slots).collect());
            }
        }
        let steps: Vec<usize> = parts[0].layers.iter().map(Vec::len).collect();
        for (layer, steps) in steps.into_iter().enumerate() {
            let mut states = Vec::with_capacity(steps);
            for step in 0..steps {
                let same = parts
                    .iter_mut()
                    .map(|part| std::mem::take(&mut part.layers[layer][step]));
                states.push(LayerState::join(same.collect(), longest));
            }
            joined.layers.push(states);
        }
        joined
    }
}
