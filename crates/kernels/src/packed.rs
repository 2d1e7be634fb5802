//! Activations as tiles read them, row by row: rounded or widened once, whoever multiplies them, and however many.

#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use crate::columns::Columns;
use crate::precision::{Precision, to_bf16};
use crate::scratch::Scratch;
use crate::tokens::{Tokens, Visit};
use crate::vector::{MOST_TOKENS, Value, Vector};
use crate::weights::WeightDtype;

/// Columns of the widest step.
const WIDEST: usize = 32;

/// Activations from which packing them is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Rows that one thread packs at a time.
const ROWS: usize = 8;

/// Activations `[tokens, columns]`; of each row `[columns / WIDTH, PARTS, lanes]`, with zeros behind the last column.
pub(crate) struct Packed<'a, V: Vector> {
    values: Values<'a, V::Value>,
    /// Values from a row to the next.
    stride: usize,
    /// Whose rows they are, in order; `None` for all.
    visits: Option<&'a [Visit]>,
    tokens: usize,
    pub columns: usize,
    pub dtype: WeightDtype,
}

/// Where packed activations are.
enum Values<'a, T> {
    /// Somewhere else.
    Lent(&'a [T]),
    /// Here.
    Packed(Scratch<T>),
}

impl<'a, V: Vector> Packed<'a, V> {
    /// Packs rows, on all threads if `parallel`.
    pub(crate) fn new(x: Tokens<'a>, dtype: WeightDtype, precision: Precision, parallel: bool) -> Self {
        let splits = splits::<V>(dtype);
        let (tokens, columns) = (x.count(), x.columns());
        let padded = columns.next_multiple_of(V::WIDTH);
        let packed = |values, stride| Self {
            values,
            stride,
            visits: None,
            tokens,
            columns,
            dtype,
        };
        // A single row is in order as it is.
        let in_order = padded == columns && precision == Precision::Exact && !splits;
        if let Some(values) = x.single().filter(|_| in_order).and_then(V::Value::same) {
            return packed(Values::Lent(values), columns);
        }
        let stride = stride::<V>(columns);
        let mut values = Scratch::new(tokens * stride);
        assert!(V::available());
        let pack = |(part, to): (usize, &mut [V::Value])| {
            for (row, to) in to.chunks_exact_mut(stride).enumerate() {
                let (row, weight) = x.row(part * ROWS + row);
                // SAFETY: the instructions are there.
                unsafe { V::pack(row, weight, splits, precision, &mut to[..padded]) };
            }
        };
        if parallel && values.len() >= PARALLEL_FROM {
            values.par_chunks_mut(ROWS * stride).enumerate().for_each(pack);
        } else {
            values.chunks_mut(ROWS * stride).enumerate().for_each(pack);
        }
        packed(Values::Packed(values), stride)
    }

    /// Room for rows that are packed as they are computed.
    pub(crate) fn blank(tokens: usize, columns: usize, dtype: WeightDtype) -> Self {
        let stride = stride::<V>(columns);
        Self {
            values: Values::Packed(Scratch::new(tokens * stride)),
            stride,
            visits: None,
            tokens,
            columns,
            dtype,
        }
    }

    /// Room for `count` columns of all rows at a time, a multiple of any path's steps, with the first column of each.
    pub(crate) fn parts(&mut self, count: usize) -> Vec<(usize, Columns<'_, V::Value>)> {
        assert!(count.is_multiple_of(V::WIDTH));
        let padded = self.columns.next_multiple_of(V::WIDTH);
        match &mut self.values {
            Values::Lent(_) => unreachable!("nothing is packed into what is lent"),
            Values::Packed(values) => Columns::new(values, self.stride).split_at(padded).0.chunks(count),
        }
    }

    /// The rows that `visits` name, without their weights.
    ///
    /// # Panics
    /// If these are some rows of others already.
    pub(crate) fn of<'b>(&'b self, visits: &'b [Visit]) -> Packed<'b, V> {
        assert!(self.visits.is_none());
        Packed {
            values: Values::Lent(self.values()),
            visits: Some(visits),
            tokens: visits.len(),
            ..*self
        }
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    fn values(&self) -> &[V::Value] {
        match &self.values {
            Values::Lent(values) => values,
            Values::Packed(values) => values,
        }
    }

    /// Some columns of a tile of some `tokens`. The columns begin with a step, and end with one or with the last column.
    pub(crate) fn tile(&self, tokens: Range<usize>, columns: &Range<usize>) -> Tile<'_, V::Value> {
        let count = tokens.len();
        let mut tile = Tile {
            rows: [&[]; MOST_TOKENS],
            count,
        };
        self.rows(tokens, columns, &mut tile.rows[..count]);
        tile
    }

    /// [`Packed::tile`] into room for as many rows.
    #[inline]
    pub(crate) fn rows<'b>(&'b self, tokens: Range<usize>, columns: &Range<usize>, to: &mut [&'b [V::Value]]) {
        let values = self.values();
        let columns = columns.start..columns.end.next_multiple_of(V::WIDTH);
        for (token, row) in tokens.zip(to) {
            let token = self.visits.map_or(token, |visits| visits[token].token);
            *row = &values[token * self.stride..][columns.clone()];
        }
    }
}

/// Some columns of a tile's tokens, in whole steps.
pub(crate) struct Tile<'a, T> {
    rows: [&'a [T]; MOST_TOKENS],
    /// Tokens.
    pub count: usize,
}

impl<'a, T> Tile<'a, T> {
    /// All tokens.
    ///
    /// # Panics
    /// If these are not `N`.
    pub(crate) fn all<const N: usize>(&self) -> &[&'a [T]; N] {
        assert_eq!(N, self.count);
        // A tile has `MOST_TOKENS` at most.
        self.rows.first_chunk().unwrap_or_else(|| unreachable!())
    }
}

/// Whether even and odd columns are packed apart.
pub(crate) fn splits<V: Vector>(dtype: WeightDtype) -> bool {
    V::SPLITS && dtype == WeightDtype::Bf16
}

/// Values from a row to the next: rows that lie a power of two apart would push each other out of the cache.
fn stride<V: Vector>(columns: usize) -> usize {
    let steps = columns.div_ceil(V::WIDTH);
    (steps + usize::from(steps.is_multiple_of(2))) * V::WIDTH
}

/// A row, multiplied by a weight.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) unsafe fn pack<V: Vector>(
    row: &[f32],
    weight: f32,
    splits: bool,
    precision: Precision,
    to: &mut [V::Value],
) {
    match (precision, splits) {
        // SAFETY: the caller vouches for the instructions.
        (Precision::Fast, _) if const { V::PAIRS } => unsafe { V::pack_pairs(row, weight, to) },
        (Precision::Fast, false) => pack_as::<V, false>(row, weight, |x| V::Value::of(to_bf16(x)), to),
        (Precision::Fast, true) => pack_as::<V, true>(row, weight, |x| V::Value::of(to_bf16(x)), to),
        (Precision::Exact, false) => pack_as::<V, false>(row, weight, V::Value::of, to),
        (Precision::Exact, true) => pack_as::<V, true>(row, weight, V::Value::of, to),
    }
}

/// [`pack`] of values that are what `value` says, the even ones of a step apart from the odd ones if it `SPLITS`.
#[inline(always)]
// Loops whose ends and strides the compiler knows become vectors, of whoever names the instructions.
#[allow(clippy::inline_always, clippy::needless_range_loop)]
pub(crate) fn pack_as<V: Vector, const SPLITS: bool>(
    row: &[f32],
    weight: f32,
    value: impl Fn(f32) -> V::Value,
    to: &mut [V::Value],
) {
    let lanes = const { V::WIDTH / V::PARTS };
    let steps = row.chunks_exact(V::WIDTH);
    let mut last = [0.0; WIDEST];
    last[..steps.remainder().len()].copy_from_slice(steps.remainder());
    let last = (!steps.remainder().is_empty()).then_some(&last[..V::WIDTH]);
    for (columns, to) in steps.chain(last).zip(to.chunks_exact_mut(V::WIDTH)) {
        for part in 0..V::PARTS {
            for lane in 0..lanes {
                let column = if SPLITS {
                    lane * V::PARTS + part
                } else {
                    part * lanes + lane
                };
                to[part * lanes + lane] = value(weight * columns[column]);
            }
        }
    }
}
