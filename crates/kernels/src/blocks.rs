//! In which order tiles are taken, so that what they read is in a cache.
//!
//! Weights are read where they lie. Columns are summed in spans that depend on their number alone, and the sums of spans are added in order.
//! A span of a block of weight rows stays in the second cache while all tokens pass by; that of a tile of tokens stays in the first while the rows of
//! the block pass by.

#![allow(unsafe_code)]

use crate::columns::Columns;
use crate::packed::Packed;
use crate::tile::Rows;
use crate::vector::Vector;
use crate::weights::{BF16, F16, F32, WeightDtype, Weights};

/// Bytes of weights that stay in the second cache: a part of it, since rows that lie a power of two apart reach only a part.
const BLOCK: usize = 144 << 10;

/// Calls a function for a tile of so many rows and tokens, which are parameters of its type.
macro_rules! for_tile {
    ($v:ty, $rows:expr, $tokens:expr, $r:ident, $t:ident => $call:expr) => {
        for_tile!(@ $v, $rows, $tokens, $r, $t => $call;
            1 1, 1 2, 1 3, 1 4, 1 5, 1 6, 2 1, 2 2, 2 3, 2 4, 2 5, 2 6, 3 1, 3 2, 3 3, 3 4, 3 5, 3 6, 4 1, 4 2, 4 3, 4 4, 4 5, 4 6,
            5 1, 6 1, 7 1, 8 1)
    };
    (@ $v:ty, $rows:expr, $tokens:expr, $r:ident, $t:ident => $call:expr; $($rr:literal $tt:literal),*) => {
        match ($rows, $tokens) {
            // The condition is known to the compiler, and leaves only those tiles in the program that the path has.
            $(($rr, $tt) if const { $tt <= <$v>::TOKENS && $rr <= <$v>::ROWS[$tt - 1] } => {
                const $r: usize = $rr;
                const $t: usize = $tt;
                $call
            })*
            _ => unreachable!("no path has tiles of {} rows and {} tokens", $rows, $tokens),
        }
    };
}

/// `out[t, r] = Σ_c x[t, c] · w[r, c]`: `out` is `[tokens, rows]`.
///
/// # Panics
/// If this machine cannot run the path, or if the lengths do not fit together.
pub(crate) fn product<V: Vector>(x: &Packed<'_, V>, w: Weights<'_>, out: &mut Columns<'_>) {
    assert!(V::available());
    assert!(w.columns == x.columns && out.count() == w.rows && out.rows() == x.tokens);
    w.check();
    match w.dtype {
        WeightDtype::Bf16 => blocks::<V, BF16>(x, w, out),
        WeightDtype::F16 if const { !V::PAIRS } => blocks::<V, F16>(x, w, out),
        WeightDtype::F32 if const { !V::PAIRS } => blocks::<V, F32>(x, w, out),
        other => unreachable!("no path multiplies {other:?} in pairs"),
    }
}

/// [`product`] for one dtype, on a machine that can run it.
fn blocks<V: Vector, const DTYPE: u8>(x: &Packed<'_, V>, w: Weights<'_>, out: &mut Columns<'_>) {
    let (size, span) = (w.dtype.size(), span::<V>(w.columns));
    let at_once = V::ROWS[x.tokens.min(V::TOKENS) - 1];
    let block = if x.tokens <= V::TOKENS {
        // Weights are looked at once: as they come.
        at_once
    } else {
        (BLOCK / (span * size) / at_once).max(1) * at_once
    };
    for first in (0..w.rows).step_by(block) {
        let end = w.rows.min(first + block);
        for start in (0..w.columns).step_by(span) {
            let columns = span.min(w.columns - start);
            for token in (0..x.tokens).step_by(V::TOKENS) {
                let (tile, tokens) = x.tile(token, start, start + columns);
                let at_once = V::ROWS[tokens - 1];
                for row in (first..end).step_by(at_once) {
                    let rows = Rows {
                        bytes: &w.bytes[(row * w.columns + start) * size..],
                        stride: w.columns * size,
                        columns,
                    };
                    for_tile!(V, at_once.min(end - row), tokens, R, T => {
                        // SAFETY: `product` has asked whether the machine has the instructions.
                        let totals = unsafe { V::tile::<DTYPE, R, T>(tile, rows) };
                        put(&totals, row, token, start > 0, out);
                    });
                }
            }
        }
    }
}

/// Columns that are summed at a time, all about as many.
fn span<V: Vector>(columns: usize) -> usize {
    columns.div_ceil(columns.div_ceil(V::SPAN)).next_multiple_of(V::WIDTH)
}

/// Writes a tile's sums to where it stands, or adds them to what is there.
fn put<const R: usize, const T: usize>(
    totals: &[[f32; R]; T],
    row: usize,
    token: usize,
    add: bool,
    out: &mut Columns<'_>,
) {
    for (t, totals) in totals.iter().enumerate() {
        let to = &mut out.row(token + t)[row..row + R];
        if add {
            to.iter_mut().zip(totals).for_each(|(to, total)| *to += total);
        } else {
            to.copy_from_slice(totals);
        }
    }
}
