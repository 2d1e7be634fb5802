//! Activations in the order in which tiles read them: rows that lie a power of two apart would push each other out of the cache.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::precision::{Precision, to_bf16};
use crate::vector::{Value, Vector};

/// Activations from which packing them is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Activations `[tokens, columns]` as `[tiles, columns / WIDTH, tokens of the tile, WIDTH]`, with zeros behind the last column. Only the
/// last tile has fewer tokens than others.
pub(crate) struct Packed<'a, V: Vector> {
    values: Cow<'a, [V::Value]>,
    pub(crate) tokens: usize,
    pub(crate) columns: usize,
}

impl<'a, V: Vector> Packed<'a, V> {
    /// Packs `[tokens, columns]`, on all threads if `parallel`.
    pub(crate) fn new(x: &'a [f32], columns: usize, precision: Precision, parallel: bool) -> Self {
        let tokens = x.len() / columns;
        let padded = columns.next_multiple_of(V::WIDTH);
        // A single row is in order as it is.
        let in_order = tokens == 1 && padded == columns && precision == Precision::Exact;
        if let Some(values) = V::Value::same(x).filter(|_| in_order) {
            return Self {
                values: Cow::Borrowed(values),
                tokens,
                columns,
            };
        }
        let mut values = vec![bytemuck::Zeroable::zeroed(); tokens * padded];
        let pack = |(to, from): (&mut [V::Value], &[f32])| match precision {
            Precision::Exact => pack::<V>(from, columns, V::Value::of, to),
            Precision::Fast => pack::<V>(from, columns, |x| V::Value::of(to_bf16(x)), to),
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
        }
    }

    /// The columns `start..end` of the tile that begins with `token`, a multiple of a tile's tokens; both are multiples of a vector's width, or the
    /// end is the last column. With the tile's number of tokens.
    pub(crate) fn tile(&self, token: usize, start: usize, end: usize) -> (&[V::Value], usize) {
        let count = V::TOKENS.min(self.tokens - token);
        let tile = token * self.columns.next_multiple_of(V::WIDTH);
        let end = end.next_multiple_of(V::WIDTH);
        (&self.values[tile + start * count..tile + end * count], count)
    }
}

/// One tile.
fn pack<V: Vector>(from: &[f32], columns: usize, value: impl Fn(f32) -> V::Value, to: &mut [V::Value]) {
    let count = from.len() / columns;
    for (token, row) in from.chunks_exact(columns).enumerate() {
        for (step, vector) in row.chunks(V::WIDTH).enumerate() {
            let to = &mut to[(step * count + token) * V::WIDTH..][..vector.len()];
            to.iter_mut().zip(vector).for_each(|(to, &x)| *to = value(x));
        }
    }
}
