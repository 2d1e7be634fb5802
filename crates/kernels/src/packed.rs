//! Activations in the order in which tiles read them: rows that lie a power of two apart would push each other out of the cache.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use crate::precision::{Precision, to_bf16};
use crate::vector::{Value, Vector};
use crate::weights::WeightDtype;

/// Columns of the widest step.
const WIDEST: usize = 32;

/// Activations from which packing them is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Activations `[tokens, columns]` as `[tiles, columns / WIDTH, PARTS, tokens of the tile, lanes]`, with zeros behind the last column. Only the
/// last tile has fewer tokens than others.
pub(crate) struct Packed<'a, V: Vector> {
    values: Cow<'a, [V::Value]>,
    pub(crate) tokens: usize,
    pub(crate) columns: usize,
    /// Of the weights that they are packed for.
    pub(crate) dtype: WeightDtype,
}

impl<'a, V: Vector> Packed<'a, V> {
    /// Packs `[tokens, columns]`, on all threads if `parallel`.
    pub(crate) fn new(x: &'a [f32], columns: usize, dtype: WeightDtype, precision: Precision, parallel: bool) -> Self {
        let splits = V::SPLITS && dtype == WeightDtype::Bf16;
        let tokens = x.len() / columns;
        let padded = columns.next_multiple_of(V::WIDTH);
        // A single row is in order as it is.
        let in_order = tokens == 1 && padded == columns && precision == Precision::Exact && !splits;
        if let Some(values) = V::Value::same(x).filter(|_| in_order) {
            return Self {
                values: Cow::Borrowed(values),
                tokens,
                columns,
                dtype,
            };
        }
        let mut values = vec![bytemuck::Zeroable::zeroed(); tokens * padded];
        let pack = |(to, from): (&mut [V::Value], &[f32])| match precision {
            Precision::Exact => pack::<V>(from, columns, splits, V::Value::of, to),
            Precision::Fast => pack::<V>(from, columns, splits, |x| V::Value::of(to_bf16(x)), to),
        };
        if parallel && x.len() >= PARALLEL_FROM {
            let tiles = values.par_chunks_mut(V::TOKENS * padded);
            tiles.zip(x.par_chunks(V::TOKENS * columns)).for_each(pack);
        } else {
            let tiles = values.chunks_mut(V::TOKENS * padded);
            tiles.zip(x.chunks(V::TOKENS * columns)).for_each(pack);
        }
        Self {
            values: Cow::Owned(values),
            tokens,
            columns,
            dtype,
        }
    }

    /// Some columns of the tile that begins with `token`, a multiple of a tile's tokens, and how many tokens it has. The columns begin with a
    /// step, and end with one or with the last column.
    pub(crate) fn tile(&self, token: usize, columns: Range<usize>) -> (&[V::Value], usize) {
        let count = V::TOKENS.min(self.tokens - token);
        let tile = token * self.columns.next_multiple_of(V::WIDTH);
        let end = columns.end.next_multiple_of(V::WIDTH);
        (&self.values[tile + columns.start * count..tile + end * count], count)
    }
}

/// One tile.
fn pack<V: Vector>(from: &[f32], columns: usize, splits: bool, value: impl Fn(f32) -> V::Value, to: &mut [V::Value]) {
    let count = from.len() / columns;
    let lanes = V::WIDTH / V::PARTS;
    for (token, row) in from.chunks_exact(columns).enumerate() {
        let steps = row.chunks_exact(V::WIDTH);
        let mut last = [0.0; WIDEST];
        last[..steps.remainder().len()].copy_from_slice(steps.remainder());
        let last = (!steps.remainder().is_empty()).then_some(&last[..V::WIDTH]);
        for (step, columns) in steps.chain(last).enumerate() {
            for part in 0..V::PARTS {
                let to = &mut to[((step * V::PARTS + part) * count + token) * lanes..][..lanes];
                // Loops whose ends and strides the compiler knows become vectors.
                if splits {
                    for lane in 0..lanes {
                        to[lane] = value(columns[lane * V::PARTS + part]);
                    }
                } else {
                    for lane in 0..lanes {
                        to[lane] = value(columns[part * lanes + lane]);
                    }
                }
            }
        }
    }
}
