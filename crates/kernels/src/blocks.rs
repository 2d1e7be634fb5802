//! In which order tiles are taken, so that what they read is in a cache.
//!
//! Weights are read where they lie. Columns are summed in spans that depend on their number alone, and the sums of spans are added in order.
//! A span of a block of weight rows stays in the second cache while all tokens pass by; that of a tile of tokens stays in the first while the rows of
//! the block pass by.

#![allow(unsafe_code)]

use std::ops::Range;

use crate::columns::Columns;
use crate::packed::{Packed, Tile};
use crate::scratch::Scratch;
use crate::tile::{LINE, Rows, Target};
use crate::vector::{MOST_TOKENS, Value, Vector};
use crate::weights::{BF16, F16, F32, WeightDtype, Weights};

/// Bytes of weights that stay in the second cache: a part of it, since rows that lie a power of two apart reach only a part.
const BLOCK: usize = 144 << 10;

/// Bytes of panels, or of turned weights, that stay in the second cache.
pub(crate) const PANELS: usize = 144 << 10;

/// Calls a function for a tile of so many rows and tokens, which are parameters of its type.
macro_rules! for_tile {
    ($v:ty, $rows:expr, $tokens:expr, $r:ident, $t:ident => $call:expr) => {
        for_tile!(@ $v, $rows, $tokens, $r, $t => $call;
            1 1, 1 2, 1 3, 1 4, 1 5, 1 6, 1 7, 1 8, 2 1, 2 2, 2 3, 2 4, 2 5, 2 6, 2 7, 2 8,
            3 1, 3 2, 3 3, 3 4, 3 5, 3 6, 4 1, 4 2, 4 3, 4 4, 4 5, 4 6)
    };
    (@ $v:ty, $rows:expr, $tokens:expr, $r:ident, $t:ident => $call:expr; $($rr:literal $tt:literal),*) => {
        match ($rows, $tokens) {
            // The condition is known to the compiler, and leaves only those tiles in the program that the path has.
            $(($rr, $tt) if const { $rr <= most_rows::<$v>($tt) } => {
                const $r: usize = $rr;
                const $t: usize = $tt;
                $call
            })*
            _ => unreachable!("no path has tiles of {} rows and {} tokens", $rows, $tokens),
        }
    };
}

/// Rows of a path's tiles of so many tokens, at most.
const fn most_rows<V: Vector>(tokens: usize) -> usize {
    let (many, few) = (V::ROWS[tokens - 1], V::STREAMS[tokens - 1]);
    if many > few { many } else { few }
}

/// The same for a tile of as many tokens as the path takes at once.
macro_rules! for_whole_tile {
    ($v:ty, $rows:expr, $r:ident, $t:ident => $call:expr) => {
        for_whole_tile!(@ $v, $rows, $r, $t => $call; 1 4, 2 4, 3 4, 4 4, 1 6, 2 6, 3 6, 4 6)
    };
    (@ $v:ty, $rows:expr, $r:ident, $t:ident => $call:expr; $($rr:literal $tt:literal),*) => {
        match $rows {
            $($rr if const { $tt == <$v>::TOKENS && $rr <= <$v>::ROWS[$tt - 1] } => {
                const $r: usize = $rr;
                const $t: usize = $tt;
                $call
            })*
            rows => unreachable!("no path has tiles of {rows} rows and {} tokens", <$v>::TOKENS),
        }
    };
}

/// `out[t, r] = Σ_c x[t, c] · w[r, c]`: `out` is `[tokens, rows]`.
///
/// # Panics
/// If this machine cannot run the path, or if the lengths do not fit together.
pub(crate) fn product<V: Vector>(x: &Packed<'_, V>, w: Weights<'_>, then: Option<*const u8>, out: &mut Columns<'_>) {
    assert!(V::available());
    assert!(w.columns == x.columns && w.dtype == x.dtype && out.count() == w.rows && out.rows() == x.tokens());
    w.check();
    V::product(x, w, then, out);
}

/// [`product`] whose lanes are columns, on a machine that can run it.
pub(crate) fn tiles<V: Vector>(x: &Packed<'_, V>, w: Weights<'_>, then: Option<*const u8>, out: &mut Columns<'_>) {
    match w.dtype {
        WeightDtype::Bf16 => blocks::<V, BF16>(x, w, then, out),
        WeightDtype::F16 if const { !V::PAIRS } => blocks::<V, F16>(x, w, then, out),
        WeightDtype::F32 if const { !V::PAIRS } => blocks::<V, F32>(x, w, then, out),
        other => unreachable!("no path multiplies {other:?} in pairs"),
    }
}

/// [`product`] for one dtype, on a machine that can run it.
fn blocks<V: Vector, const DTYPE: u8>(
    x: &Packed<'_, V>,
    w: Weights<'_>,
    then: Option<*const u8>,
    out: &mut Columns<'_>,
) {
    if x.tokens() == 0 {
        return;
    }
    if x.tokens() <= 2 * V::TOKENS {
        return stream::<V, DTYPE>(x, w, out);
    }
    if x.tokens() >= V::PANELS_FROM {
        return panels::<V, DTYPE>(x, w, then, out);
    }
    let span = span::<V>(w.columns);
    let most = V::ROWS[V::TOKENS - 1];
    let block = (BLOCK / (span * w.dtype.size()) / most).max(1) * most;
    for first in (0..w.rows).step_by(block) {
        let end = w.rows.min(first + block);
        let tiles = x.tokens().div_ceil(V::TOKENS) * (end - first).div_ceil(most);
        let mut ahead = Ahead::new(w, first..end, then, tiles * w.columns.div_ceil(span));
        for start in (0..w.columns).step_by(span) {
            let columns = start..w.columns.min(start + span);
            for token in (0..x.tokens()).step_by(V::TOKENS) {
                let part = Part::new(x, token..x.tokens().min(token + V::TOKENS), columns.clone());
                let at_once = V::ROWS[part.activations.count - 1];
                for row in (first..end).step_by(at_once) {
                    ahead.fetch::<V>();
                    let place = Place {
                        row,
                        rows: at_once.min(end - row),
                        apart: 1,
                        ahead: 0,
                    };
                    tile::<V, DTYPE>(&part, w, &place, out);
                }
            }
        }
    }
}

/// [`blocks`] for many tokens: the rows of a block are widened once.
fn panels<V: Vector, const DTYPE: u8>(
    x: &Packed<'_, V>,
    w: Weights<'_>,
    then: Option<*const u8>,
    out: &mut Columns<'_>,
) {
    const { assert!(V::PANELS_FROM > V::TOKENS) };
    let span = span::<V>(w.columns);
    let most = V::ROWS[V::TOKENS - 1];
    let block = (PANELS / (span * size_of::<V::Value>())).max(1);
    // All about as large.
    let block = w.rows.div_ceil(w.rows.div_ceil(block)).next_multiple_of(most);
    let mut values = Scratch::<V::Value>::new(block * span);
    for first in (0..w.rows).step_by(block) {
        let count = block.min(w.rows - first);
        let tiles = x.tokens().div_ceil(V::TOKENS) * count.div_ceil(most);
        let mut ahead = Ahead::new(w, first..first + count, then, tiles * w.columns.div_ceil(span));
        for start in (0..w.columns).step_by(span) {
            let columns = start..w.columns.min(start + span);
            let padded = columns.len().next_multiple_of(V::WIDTH);
            for token in (0..x.tokens()).step_by(V::TOKENS) {
                let activations = x.tile(token..x.tokens().min(token + V::TOKENS), &columns);
                let tokens = activations.count;
                for next in token + V::TOKENS..x.tokens().min(token + 2 * V::TOKENS) {
                    let outputs = &out.row(next)[first..first + count];
                    for output in outputs.chunks(LINE / size_of::<f32>()) {
                        V::prefetch::<1>(output.as_ptr().cast());
                    }
                }
                let mut rest = 0..count;
                while !rest.is_empty() {
                    ahead.fetch::<V>();
                    let (row, rows) = (rest.start, rows_at_once(rest.len(), most));
                    rest.start += rows;
                    let panel = &mut values[row * padded..(row + rows) * padded];
                    let to = Target {
                        add: start > 0,
                        ..out.target((token, tokens), (first + row, rows, 1))
                    };
                    if token > 0 {
                        // SAFETY: `product` has asked whether the machine has the instructions; the target is as large as the tile.
                        for_tile!(V, rows, tokens, R, T => unsafe { V::tile_of_panel::<R, T>(activations.all(), panel, to) });
                        continue;
                    }
                    let weights = rows_of(w, first + row, 1, columns.clone(), 0);
                    for_whole_tile!(V, rows, R, T => {
                        // SAFETY: as above.
                        unsafe { V::tile_filling::<DTYPE, R, T>(activations.all(), weights, panel, to) };
                    });
                }
            }
        }
    }
}

/// Rows of the next tile, of as many as are left: one row alone has too few sums to keep the multipliers busy.
fn rows_at_once(left: usize, most: usize) -> usize {
    if left == most + 1 && most > 2 {
        most - 1
    } else {
        left.min(most)
    }
}

/// Lines that come next.
#[derive(Clone, Copy)]
pub(crate) struct Lines {
    /// The first; it need not exist.
    pub next: *const u8,
    /// How many.
    pub count: usize,
}

/// Weights that come next, fetched a few lines at a time while others are multiplied.
pub(crate) struct Ahead {
    /// The next line; it need not exist: behind a thread's rows are mostly its next ones.
    next: *const u8,
    /// Lines that are left.
    lines: usize,
    /// Lines to fetch at a time.
    at_once: usize,
}

impl Ahead {
    /// As many rows as lie in `block`, those behind it or, if it ends the matrix, those at `then`; in so many parts.
    pub(crate) fn new(w: Weights<'_>, block: Range<usize>, then: Option<*const u8>, parts: usize) -> Self {
        let row = w.columns * w.dtype.size();
        let behind = w.bytes.as_ptr().wrapping_add(block.end * row);
        let lines = (block.len() * row).div_ceil(LINE);
        Self {
            next: then.filter(|_| block.end == w.rows).unwrap_or(behind),
            lines,
            at_once: lines.div_ceil(parts),
        }
    }

    /// The next part.
    pub(crate) fn part(&mut self) -> Lines {
        let count = self.at_once.min(self.lines);
        let part = Lines { next: self.next, count };
        self.next = self.next.wrapping_add(count * LINE);
        self.lines -= count;
        part
    }

    /// Fetches the next part.
    fn fetch<V: Vector>(&mut self) {
        let part = self.part();
        for line in 0..part.count {
            V::prefetch::<MOST_TOKENS>(part.next.wrapping_add(line * LINE));
        }
    }
}

/// [`blocks`] for the tokens of a few tiles. Weights come from memory once: rows far apart side by side, so that each of a few streams goes on
/// where it was. All tiles but the first find them in the first cache.
fn stream<V: Vector, const DTYPE: u8>(x: &Packed<'_, V>, w: Weights<'_>, out: &mut Columns<'_>) {
    let span = span::<V>(w.columns);
    let at_most = if x.tokens() <= V::ALONE { V::ALONE } else { V::BESIDE };
    // Tiles about as large.
    let tokens = x.tokens().div_ceil(x.tokens().div_ceil(at_most));
    let rows = V::STREAMS[tokens - 1];
    let apart = w.rows / rows;
    // They are the same for all rows, between which the memory should not wait.
    let parts: Vec<_> = (0..w.columns)
        .step_by(span)
        .flat_map(|start| (0..x.tokens()).step_by(tokens).map(move |token| (start, token)))
        .map(|(start, token)| {
            let columns = start..w.columns.min(start + span);
            Part::new(x, token..x.tokens().min(token + tokens), columns)
        })
        .collect();
    let (streams, rest) = ((0..apart).map(|row| (row, rows, apart)), apart * rows..w.rows);
    for (row, rows, apart) in streams.chain(rest.map(|row| (row, 1, 1))) {
        for part in &parts {
            let ahead = if part.token == 0 { V::AHEAD } else { 0 };
            let place = Place {
                row,
                rows,
                apart,
                ahead,
            };
            tile::<V, DTYPE>(part, w, &place, out);
        }
    }
}

/// What a tile multiplies with weights.
struct Part<'a, T> {
    /// The first token.
    token: usize,
    columns: Range<usize>,
    /// These columns of the tokens.
    activations: Tile<'a, T>,
}

impl<'a, T: Value> Part<'a, T> {
    fn new<V: Vector<Value = T>>(x: &'a Packed<'_, V>, tokens: Range<usize>, columns: Range<usize>) -> Self {
        Self {
            token: tokens.start,
            activations: x.tile(tokens, &columns),
            columns,
        }
    }
}

/// Weight rows of a tile.
struct Place {
    /// The first, how many there are, and the distance from one to the next.
    row: usize,
    rows: usize,
    apart: usize,
    /// As in [`Rows`].
    ahead: usize,
}

/// Writes a tile's sums to `out`, or adds them to what previous columns left there.
fn tile<V: Vector, const DTYPE: u8>(x: &Part<'_, V::Value>, w: Weights<'_>, place: &Place, out: &mut Columns<'_>) {
    let (activations, tokens) = (&x.activations, x.activations.count);
    let rows = rows_of(w, place.row, place.apart, x.columns.clone(), place.ahead);
    let to = Target {
        add: x.columns.start > 0,
        ..out.target((x.token, tokens), (place.row, place.rows, place.apart))
    };
    // SAFETY: `product` has asked whether the machine has the instructions; the target is as large as the tile.
    for_tile!(V, place.rows, tokens, R, T => unsafe { V::tile::<DTYPE, R, T>(activations.all(), rows, to) });
}

/// Some columns of every `apart`-th row from `row` on.
pub(crate) fn rows_of(w: Weights<'_>, row: usize, apart: usize, columns: Range<usize>, ahead: usize) -> Rows<'_> {
    let size = w.dtype.size();
    Rows {
        bytes: &w.bytes[(row * w.columns + columns.start) * size..],
        stride: apart * w.columns * size,
        columns: columns.len(),
        ahead,
    }
}

/// Columns that are summed at a time, all about as many.
fn span<V: Vector>(columns: usize) -> usize {
    columns.div_ceil(columns.div_ceil(V::SPAN)).next_multiple_of(V::WIDTH)
}
