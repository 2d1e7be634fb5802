//! Sequences side by side, padded to one length.

use std::ops::Range;

use burn::tensor::Tensor;
use secateur_kernels::Seen;

use crate::blocks::rope::host;
use crate::cache::Cache;
use crate::device::Device;
use crate::shared::SharedRow;
use crate::spec::Sight;

/// Added to the score of a position that must not be seen: far below any score, yet finite, so that a padding row, which
/// sees nothing, stays finite too.
const UNSEEN: f64 = -1e30;

/// A token that can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Position in its document.
    pub position: usize,
    /// Document within its row.
    pub document: u32,
}

/// Token ids and positions, row by row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Batch {
    /// `[batch * length]`; padding holds the id 0.
    pub ids: Vec<u32>,
    /// Position of each token in its own sequence; 0 for padding.
    pub positions: Vec<usize>,
    /// Document of each token, `None` for padding. Tokens see their own document and those that it goes on from: several can share
    /// a row.
    pub documents: Vec<Option<u32>>,
    /// Per row, per document, the one that it goes on from; rows and documents that are not named go on from none.
    pub follows: Vec<Vec<Option<u32>>>,
    /// Tokens in front of every row, document 0, that were read before: the batch goes on from what is remembered of them.
    pub behind: Vec<u32>,
    /// Sequences.
    pub batch: usize,
    /// Tokens per sequence, padding included.
    pub length: usize,
}

impl Batch {
    /// One sequence, nothing padded.
    #[must_use]
    pub fn single(ids: &[u32]) -> Self {
        Self::right_padded(&[ids])
    }

    /// Padding after the tokens: for scoring, where causality hides it.
    #[must_use]
    pub fn right_padded(sequences: &[&[u32]]) -> Self {
        Self::padded(sequences, |_| 0)
    }

    /// Padding before the tokens: for generation, where all sequences end together.
    #[must_use]
    pub fn left_padded(sequences: &[&[u32]]) -> Self {
        Self::padded(sequences, |missing| missing)
    }

    fn padded(sequences: &[&[u32]], offset: impl Fn(usize) -> usize) -> Self {
        let length = sequences.iter().map(|s| s.len()).max().unwrap_or(0);
        let cells = sequences.len() * length;
        let (mut ids, mut positions, mut documents) = (vec![0; cells], vec![0; cells], vec![None; cells]);
        for (row, sequence) in sequences.iter().enumerate() {
            let start = row * length + offset(length - sequence.len());
            for (position, &id) in sequence.iter().enumerate() {
                ids[start + position] = id;
                positions[start + position] = position;
                documents[start + position] = Some(0);
            }
        }
        Self {
            ids,
            positions,
            documents,
            follows: Vec::new(),
            behind: Vec::new(),
            batch: sequences.len(),
            length,
        }
    }

    /// The same behind so many tokens that are in a cache.
    pub(crate) fn left_padded_behind(before: usize, sequences: &[&[u32]]) -> Self {
        let mut batch = Self::left_padded(sequences);
        for (position, document) in batch.positions.iter_mut().zip(&batch.documents) {
            *position += document.map_or(0, |_| before);
        }
        batch
    }

    /// One further token for each sequence in a cache.
    #[must_use]
    pub fn step(ids: Vec<u32>, positions: Vec<usize>) -> Self {
        let batch = ids.len();
        Self {
            documents: vec![Some(0); batch],
            follows: Vec::new(),
            behind: Vec::new(),
            ids,
            positions,
            batch,
            length: 1,
        }
    }

    /// Several documents per row, one after the other, each with its own positions; rows are padded to `length`.
    ///
    /// # Panics
    /// If a row is longer than `length`.
    #[must_use]
    pub fn packed(rows: &[Vec<&[u32]>], length: usize) -> Self {
        let cells = rows.len() * length;
        let mut batch = Self {
            ids: vec![0; cells],
            positions: vec![0; cells],
            documents: vec![None; cells],
            follows: Vec::new(),
            behind: Vec::new(),
            batch: rows.len(),
            length,
        };
        for (row, documents) in rows.iter().enumerate() {
            let mut cell = row * length;
            for (number, document) in documents.iter().enumerate() {
                for (position, &id) in document.iter().enumerate() {
                    assert!(cell < (row + 1) * length, "row {row} is longer than {length} tokens");
                    (batch.ids[cell], batch.positions[cell], batch.documents[cell]) =
                        (id, position, Some(number as u32));
                    cell += 1;
                }
            }
        }
        batch
    }

    /// Sequences that share beginnings, in rows that are padded after their tokens and go on from the tokens of `stem`.
    pub(crate) fn shared(rows: &[SharedRow], stem: &[u32]) -> Self {
        let length = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        let cells = rows.len() * length;
        let (mut ids, mut positions, mut documents) = (vec![0; cells], vec![0; cells], vec![None; cells]);
        for (number, row) in rows.iter().enumerate() {
            let here = number * length..number * length + row.ids.len();
            ids[here.clone()].copy_from_slice(&row.ids);
            positions[here.clone()].copy_from_slice(&row.positions);
            for (cell, &document) in documents[here].iter_mut().zip(&row.documents) {
                *cell = Some(document);
            }
        }
        Self {
            ids,
            positions,
            documents,
            follows: rows.iter().map(|row| row.follows.clone()).collect(),
            behind: stem.to_vec(),
            batch: rows.len(),
            length,
        }
    }

    /// Tokens of a row, padding left out.
    pub(crate) fn tokens(&self, row: usize) -> usize {
        let cells = &self.documents[row * self.length..(row + 1) * self.length];
        cells.iter().flatten().count()
    }

    /// The document that one of a row's goes on from.
    pub(crate) fn before(&self, row: usize, document: u32) -> Option<u32> {
        self.follows.get(row)?.get(document as usize).copied().flatten()
    }

    /// A document and all that it goes on from.
    fn lineage(&self, row: usize, document: u32) -> Vec<u32> {
        std::iter::successors(Some(document), |&document| self.before(row, document)).collect()
    }

    /// Per row, every key slot once this batch has been appended to `cache`.
    pub(crate) fn slots(&self, cache: Option<&mut Cache>) -> Vec<Vec<Option<Slot>>> {
        let row = |row: usize| {
            let cells = row * self.length..(row + 1) * self.length;
            self.positions[cells.clone()]
                .iter()
                .zip(&self.documents[cells])
                .map(|(&position, document)| document.map(|document| Slot { position, document }))
        };
        match cache {
            None => (0..self.batch).map(|r| row(r).collect()).collect(),
            Some(cache) => {
                cache.slots.resize(self.batch, Vec::new());
                for (r, slots) in cache.slots.iter_mut().enumerate() {
                    slots.extend(row(r));
                }
                cache.slots.clone()
            }
        }
    }
}

/// What some tokens of each row of `batch` may see of `slots`, whose last are its own, `[batch, 1, tokens, keys]`: 0 where allowed, else a large
/// negative number.
pub(crate) fn attention_mask(
    batch: &Batch,
    slots: &[Vec<Option<Slot>>],
    sight: Sight,
    tokens: Range<usize>,
    device: &Device,
) -> Tensor<4> {
    let keys = slots.first().map_or(0, Vec::len);
    let past = keys - batch.length;
    let mut mask = Vec::with_capacity(slots.len() * tokens.len() * keys);
    for (row, slots) in slots.iter().enumerate() {
        for (query, &slot) in slots.iter().enumerate().skip(past + tokens.start).take(tokens.len()) {
            let documents = slot.map(|slot| batch.lineage(row, slot.document)).unwrap_or_default();
            mask.extend(slots.iter().enumerate().map(|(key, &key_slot)| {
                let near = sees(slot, &documents, key_slot, sight);
                if key <= query && near { 0.0 } else { UNSEEN }
            }));
        }
    }
    host(mask, [slots.len(), 1, tokens.len(), keys], device)
}

/// The same as a list of keys for each token.
pub(crate) fn seen(batch: &Batch, slots: &[Vec<Option<Slot>>], sight: Sight) -> Seen {
    let past = slots.first().map_or(0, Vec::len) - batch.length;
    let mut seen = Seen::default();
    for (row, slots) in slots.iter().enumerate() {
        let runs = runs(slots);
        for (query, &slot) in slots.iter().enumerate().skip(past) {
            let documents = slot.map(|slot| batch.lineage(row, slot.document)).unwrap_or_default();
            for run in runs.iter().take_while(|run| run.start <= query) {
                let (Some(slot), Some(first)) = (slot, slots[run.start]) else {
                    continue;
                };
                if !documents.contains(&first.document) {
                    continue;
                }
                // Keys that come later in a document are nearer.
                let keys = run.start..run.end.min(query + 1);
                let far = slots[keys.clone()]
                    .partition_point(|key| !key.is_some_and(|key| sight.reaches(slot.position, key.position)));
                seen.keys(keys.start + far..keys.end);
            }
            seen.close();
        }
    }
    seen
}

/// Neighbouring slots of one document in the order of their positions.
fn runs(slots: &[Option<Slot>]) -> Vec<Range<usize>> {
    let goes_on = |one: &Option<Slot>, next: &Option<Slot>| match (one, next) {
        (Some(one), Some(next)) => one.document == next.document && one.position < next.position,
        (one, next) => one.is_none() && next.is_none(),
    };
    let mut end = 0;
    let run = |run: &[Option<Slot>]| {
        end += run.len();
        end - run.len()..end
    };
    slots.chunk_by(goes_on).map(run).collect()
}

/// Whether a query, whose document and those before it are `documents`, sees a key that is not behind it.
fn sees(query: Option<Slot>, documents: &[u32], key: Option<Slot>, sight: Sight) -> bool {
    match (query, key) {
        (Some(q), Some(k)) => documents.contains(&k.document) && sight.reaches(q.position, k.position),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, Seen, Sight, Slot, seen, sees};
    use crate::cache::Cache;
    use crate::shared::{Behind, Sharing, rows};

    /// Key by key.
    fn seen_one_by_one(batch: &Batch, slots: &[Vec<Option<Slot>>], sight: Sight) -> Seen {
        let past = slots[0].len() - batch.length;
        let mut seen = Seen::default();
        for (row, slots) in slots.iter().enumerate() {
            for (query, &slot) in slots.iter().enumerate().skip(past) {
                let documents = slot.map(|slot| batch.lineage(row, slot.document)).unwrap_or_default();
                (0..=query)
                    .filter(|&key| sees(slot, &documents, slots[key], sight))
                    .for_each(|key| seen.key(key));
                seen.close();
            }
        }
        seen
    }

    #[test]
    fn keys_are_seen_as_one_by_one() {
        let long: Vec<u32> = (0..20).collect();
        let (fork, early) = ([&long[..15], &[7, 7, 7]].concat(), [&long[..4], &[9, 9]].concat());
        let mut sequences: Vec<&[u32]> = vec![&long, &long[..9], &fork, &early, &[5, 5, 5]];
        sequences.sort_unstable();
        let trees = rows(&sequences, Behind::default(), &Sharing::SHORT);
        assert_eq!(trees.len(), 2);
        let packed = Batch::packed(&[vec![&long[..], &fork], vec![&early]], 50);
        let left = Batch::left_padded(&sequences);
        let sights = [Sight::Full, Sight::Window(6), Sight::Chunk(8)];
        for batch in [
            &Batch::shared(&trees, &[]),
            &packed,
            &left,
            &Batch::right_padded(&sequences),
        ] {
            let slots = batch.slots(None);
            for sight in sights {
                assert_eq!(seen(batch, &slots, sight), seen_one_by_one(batch, &slots, sight));
            }
        }
        let mut cache = Cache::default();
        left.slots(Some(&mut cache));
        let next = Batch::step(vec![1; sequences.len()], sequences.iter().map(|s| s.len()).collect());
        let slots = next.slots(Some(&mut cache));
        for sight in sights {
            assert_eq!(seen(&next, &slots, sight), seen_one_by_one(&next, &slots, sight));
        }
    }

    #[test]
    fn padding_goes_where_it_should() {
        let sequences: [&[u32]; 2] = [&[5, 6, 7], &[9]];
        let left = Batch::left_padded(&sequences);
        assert_eq!(
            (left.ids.as_slice(), left.positions.as_slice()),
            (&[5, 6, 7, 0, 0, 9][..], &[0, 1, 2, 0, 0, 0][..])
        );
        assert_eq!(left.documents, [Some(0), Some(0), Some(0), None, None, Some(0)]);
        assert_eq!(Batch::right_padded(&sequences).ids, [5, 6, 7, 9, 0, 0]);
    }
}
