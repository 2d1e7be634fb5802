//! What the blocks of one forward pass share: positions, and the angles and masks made from them, each once.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;
use secateur_kernels::Seen;

use crate::batch::{Batch, Slot, attention_mask, seen};
use crate::blocks::rope::{Angles, RopeSpec};
use crate::blocks::timeline::Timeline;
use crate::device::Device;
use crate::spec::Sight;

/// One forward pass.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Tokens, positions and documents. A cell without a document is padding.
    pub batch: &'a Batch,
    /// Where it is computed.
    pub device: &'a Device,
    /// Per row, the document and position of every key: cached ones first, then those of this batch.
    slots: Vec<Vec<Option<Slot>>>,
    angles: Vec<(RopeSpec, Angles)>,
    masks: Vec<(Sight, Range<usize>, Tensor<4>)>,
    seen: Vec<(Sight, Arc<Seen>)>,
    timeline: Option<Arc<Timeline>>,
    /// Cells whose residual stream is asked for behind the last layer, ascending; `None` for all. No others are computed behind the last step that
    /// mixes tokens.
    pub(crate) wanted: Option<Vec<usize>>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(batch: &'a Batch, slots: Vec<Vec<Option<Slot>>>, device: &'a Device) -> Self {
        Self {
            batch,
            device,
            slots,
            angles: Vec::new(),
            masks: Vec::new(),
            seen: Vec::new(),
            timeline: None,
            wanted: None,
        }
    }

    /// Angles of every token of the batch.
    pub fn angles(&mut self, rope: &RopeSpec) -> Angles {
        if let Some((_, angles)) = self.angles.iter().find(|(known, _)| known == rope) {
            return angles.clone();
        }
        let angles = Angles::new(rope, &self.batch.positions, self.batch.length, self.device);
        self.angles.push((rope.clone(), angles.clone()));
        angles
    }

    /// What is added to the scores of keys for some tokens of each row, `[batch, 1, tokens, keys]`.
    pub fn mask(&mut self, sight: Sight, tokens: Range<usize>) -> Tensor<4> {
        let known = |(of, these, _): &&(Sight, Range<usize>, Tensor<4>)| *of == sight && *these == tokens;
        if let Some((.., mask)) = self.masks.iter().find(known) {
            return mask.clone();
        }
        let mask = attention_mask(self.batch, &self.slots, sight, tokens.clone(), self.device);
        self.masks.push((sight, tokens, mask.clone()));
        mask
    }

    /// The keys that each token sees, as the CPU kernels take them.
    pub(crate) fn seen(&mut self, sight: Sight) -> Arc<Seen> {
        if let Some((_, seen)) = self.seen.iter().find(|(known, _)| *known == sight) {
            return Arc::clone(seen);
        }
        let seen = Arc::new(seen(self.batch, &self.slots, sight));
        self.seen.push((sight, Arc::clone(&seen)));
        seen
    }

    /// Which tokens follow which, and which go on from the cache.
    pub fn timeline(&mut self) -> Arc<Timeline> {
        let timeline = self.timeline.get_or_insert_with(|| {
            let before = |row: &Vec<Option<Slot>>| {
                let cached = &row[..row.len() - self.batch.length];
                cached.iter().rev().flatten().next().map(|slot| slot.document)
            };
            let last: Vec<Option<u32>> = self.slots.iter().map(before).collect();
            Arc::new(Timeline::new(self.batch, &last))
        });
        Arc::clone(timeline)
    }
}
