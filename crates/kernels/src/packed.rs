//! Activations in the order in which tiles read them: rows that lie a power of two apart would push each other out of the cache.

#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use crate::precision::{Precision, to_bf16};
use crate::scratch::Scratch;
use crate::tile::LINE;
use crate::tokens::Tokens;
use crate::vector::{Value, Vector};
use crate::weights::WeightDtype;

/// Columns of the widest step.
const WIDEST: usize = 32;

/// Activations from which packing them is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Activations `[tokens, columns]` as `[tiles, columns / WIDTH, PARTS, tokens of the tile, lanes]`, with zeros behind the last column. Only the
/// last tile has fewer tokens than others.
pub(crate) struct Packed<'a, V: Vector> {
    values: Values<'a, V::Value>,
    pub(crate) tokens: usize,
    pub(crate) columns: usize,
    /// Of the weights that they are packed for.
    pub(crate) dtype: WeightDtype,
}

/// Where packed activations are.
enum Values<'a, T> {
    /// Where they were before.
    InOrder(&'a [T]),
    /// Here.
    Packed(Scratch<T>),
}

impl<'a, V: Vector> Packed<'a, V> {
    /// Packs rows, on all threads if `parallel`.
    pub(crate) fn new(x: Tokens<'a>, dtype: WeightDtype, precision: Precision, parallel: bool) -> Self {
        let splits = V::SPLITS && dtype == WeightDtype::Bf16;
        let (tokens, columns) = (x.count(), x.columns());
        let padded = columns.next_multiple_of(V::WIDTH);
        // A single row is in order as it is.
        let in_order = padded == columns && precision == Precision::Exact && !splits;
        if let Some(values) = x.single().filter(|_| in_order).and_then(V::Value::same) {
            return Self {
                values: Values::InOrder(values),
                tokens,
                columns,
                dtype,
            };
        }
        let mut values = Scratch::new(tokens * padded);
        assert!(V::available());
        // SAFETY: the instructions are there.
        let pack = |(tile, to): (usize, &mut [V::Value])| unsafe { V::pack(&x, tile, splits, precision, to) };
        if parallel && values.len() >= PARALLEL_FROM {
            values.par_chunks_mut(V::TOKENS * padded).enumerate().for_each(pack);
        } else {
            values.chunks_mut(V::TOKENS * padded).enumerate().for_each(pack);
        }
        Self {
            values: Values::Packed(values),
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
        let values = match &self.values {
            Values::InOrder(values) => values,
            Values::Packed(values) => &**values,
        };
        (&values[tile + columns.start * count..tile + end * count], count)
    }
}

/// One tile.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) fn pack<V: Vector>(x: &Tokens<'_>, tile: usize, splits: bool, precision: Precision, to: &mut [V::Value]) {
    match (precision, splits) {
        // A bf16 is rounded as it is stored.
        (Precision::Fast, _) if const { V::PAIRS } => pack_as::<V, false>(x, tile, V::Value::of, to),
        (Precision::Fast, false) => pack_as::<V, false>(x, tile, |x| V::Value::of(to_bf16(x)), to),
        (Precision::Fast, true) => pack_as::<V, true>(x, tile, |x| V::Value::of(to_bf16(x)), to),
        (Precision::Exact, false) => pack_as::<V, false>(x, tile, V::Value::of, to),
        (Precision::Exact, true) => pack_as::<V, true>(x, tile, V::Value::of, to),
    }
}

#[inline(always)]
// Loops whose ends and strides the compiler knows become vectors, of whoever names the instructions.
#[allow(clippy::inline_always, clippy::needless_range_loop)]
fn pack_as<V: Vector, const SPLITS: bool>(
    x: &Tokens<'_>,
    tile: usize,
    value: impl Fn(f32) -> V::Value,
    to: &mut [V::Value],
) {
    let first = tile * V::TOKENS;
    let count = V::TOKENS.min(x.count() - first);
    let lanes = const { V::WIDTH / V::PARTS };
    for token in 0..count {
        let (row, weight) = x.row(first + token);
        // Rows of an expert's tokens lie anywhere: only here is known which comes next.
        let (next, _) = x.row((first + token + 1).min(x.count() - 1));
        let steps = row.chunks_exact(V::WIDTH);
        let mut last = [0.0; WIDEST];
        last[..steps.remainder().len()].copy_from_slice(steps.remainder());
        let last = (!steps.remainder().is_empty()).then_some(&last[..V::WIDTH]);
        for (step, columns) in steps.chain(last).enumerate() {
            for line in (0..V::WIDTH).step_by(LINE / size_of::<f32>()) {
                V::prefetch::<1>(next.as_ptr().wrapping_add(step * V::WIDTH + line).cast());
            }
            for part in 0..V::PARTS {
                let to = &mut to[((step * V::PARTS + part) * count + token) * lanes..][..lanes];
                for lane in 0..lanes {
                    let column = if SPLITS {
                        lane * V::PARTS + part
                    } else {
                        part * lanes + lane
                    };
                    to[lane] = value(weight * columns[column]);
                }
            }
        }
    }
}
