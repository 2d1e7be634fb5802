//! Products of many tokens whose lanes are weight rows: an output is one chain of multiply–adds, in the order of columns, and no lanes are left to
//! be added up.
//!
//! Weights are turned once for all tokens, so that a vector has the same pair of columns of sixteen rows; a token's pair goes to all lanes. A tile of
//! two such vectors × twelve tokens takes 24 registers for sums, two for weights and one for activations. It goes on with the sums that are
//! there, so that it does not show in the bits where columns, rows and tokens are cut; but they are not those of [`crate::tile`], which adds in another order.

#![allow(unsafe_code)]

use crate::blocks::{Ahead, Lines, PANELS, rows_of, tiles};
use crate::columns::Columns;
use crate::packed::Packed;
use crate::scratch::Scratch;
use crate::tile::{LINE, Rows, Target};
use crate::vector::Vector;
use crate::weights::Weights;
use crate::widest::prefetch;

/// Tokens from which turning weights is worth it (docs/src/performance.md: 1.01 and 0.99 times as fast with 192, more with more).
pub(crate) const FROM: usize = 192;

/// Lanes of a vector, each of which is a row.
pub(crate) const LANES: usize = 16;

/// Vectors of rows of a tile, at most.
const VECTORS: usize = 2;

/// Rows of a tile, at most.
const ROWS: usize = VECTORS * LANES;

/// Tokens of a tile, at most.
pub(crate) const TOKENS: usize = 12;

/// Columns of a row in a lane, two bf16.
const PAIR: usize = 2;

/// Columns that are turned at a time.
const STEP: usize = PAIR * LANES;

/// Columns of a block, at most.
const SPAN: usize = 2048;

/// What turned products need of vectors of sixteen pairs of bf16.
///
/// # Safety of the functions
/// As that of [`Vector`]'s.
pub(crate) trait Turns: Vector<Value = u16> {
    /// Sixteen pairs of each of sixteen rows, `offset` bytes behind their beginnings: the first pair of all rows, the second, and so on.
    unsafe fn turn(rows: &[*const u8; LANES], offset: usize) -> [Self::Factors; LANES];

    /// Sums so far, of sixteen rows.
    unsafe fn sums(from: *const f32) -> Self::Sums;

    /// `sums[r] + x · w[r]`, with the pair of activations `column` values behind `x` in all lanes.
    unsafe fn multiply_pair<const R: usize>(
        x: *const u16,
        column: usize,
        w: &[Self::Factors; R],
        sums: [Self::Sums; R],
    ) -> [Self::Sums; R];

    /// Writes the sums of sixteen rows.
    unsafe fn keep(sums: Self::Sums, to: *mut f32);

    /// [`fill`], compiled for these instructions.
    unsafe fn turn_rows<const R: usize>(w: Rows<'_>, rows: usize, to: &mut [u16]);

    /// [`run`], compiled for these instructions.
    unsafe fn turned_tile<const R: usize, const T: usize>(
        x: &[&[u16]; T],
        w: &[u16],
        rows: usize,
        to: Target,
        ahead: Lines,
    );
}

/// The functions of [`Turns`] that are compiled for its instructions, whose names the compiler knows.
macro_rules! turned_for {
    ($($instructions:literal)?) => {
        $(#[target_feature(enable = $instructions)])?
        unsafe fn turn_rows<const R: usize>(w: crate::tile::Rows<'_>, rows: usize, to: &mut [u16]) {
            // SAFETY: the caller vouches for the instructions.
            unsafe { crate::turned::fill::<Self, R>(w, rows, to) }
        }

        $(#[target_feature(enable = $instructions)])?
        unsafe fn turned_tile<const R: usize, const T: usize>(
            x: &[&[u16]; T],
            w: &[u16],
            rows: usize,
            to: crate::tile::Target,
            ahead: crate::blocks::Lines,
        ) {
            // SAFETY: the caller vouches for the instructions and the room.
            unsafe { crate::turned::run::<Self, R, T>(x, w, rows, to, ahead) }
        }
    };
}

pub(crate) use turned_for;

/// Calls a function for a tile of so many vectors and tokens, which are parameters of its type.
macro_rules! for_tile {
    ($vectors:expr, $tokens:expr, $r:ident, $t:ident => $call:expr) => {
        for_tile!(@ $vectors, $tokens, $r, $t => $call;
            1 1, 1 2, 1 3, 1 4, 1 5, 1 6, 1 7, 1 8, 1 9, 1 10, 1 11, 1 12,
            2 1, 2 2, 2 3, 2 4, 2 5, 2 6, 2 7, 2 8, 2 9, 2 10, 2 11, 2 12)
    };
    (@ $vectors:expr, $tokens:expr, $r:ident, $t:ident => $call:expr; $($rr:literal $tt:literal),*) => {
        match ($vectors, $tokens) {
            // The condition is known to the compiler, and leaves only those tiles in the program that there are.
            $(($rr, $tt) if const { $tt >= FEWEST } => {
                const $r: usize = $rr;
                const $t: usize = $tt;
                $call
            })*
            (vectors, tokens) => unreachable!("there are no tiles of {vectors} vectors and {tokens} tokens"),
        }
    };
}

/// Tokens of a tile, at least: all are about as large.
const FEWEST: usize = {
    let (mut fewest, mut tokens) = (TOKENS, FROM);
    while tokens < FROM + TOKENS {
        let fewer = tokens / tokens.div_ceil(TOKENS);
        fewest = if fewer < fewest { fewer } else { fewest };
        tokens += 1;
    }
    fewest
};

/// [`crate::blocks::product`], on a machine that can run it.
pub(crate) fn product<V: Turns>(x: &Packed<'_, V>, w: Weights<'_>, then: Option<*const u8>, out: &mut Columns<'_>) {
    if x.tokens() < FROM {
        return tiles(x, w, then, out);
    }
    let tiles = x.tokens().div_ceil(TOKENS);
    let span = w.columns.div_ceil(w.columns.div_ceil(SPAN)).next_multiple_of(STEP);
    let block = (PANELS / (span * size_of::<u16>()) / ROWS).max(1) * ROWS;
    let block = w.rows.div_ceil(w.rows.div_ceil(block)).next_multiple_of(ROWS);
    let mut turned = Scratch::<u16>::new(block * span);
    let mut activations: [&[u16]; TOKENS] = [&[]; TOKENS];
    for first in (0..w.rows).step_by(block) {
        let count = block.min(w.rows - first);
        let parts = tiles * count.div_ceil(ROWS) * w.columns.div_ceil(span);
        let mut ahead = Ahead::new(w, first..first + count, then, parts);
        for start in (0..w.columns).step_by(span) {
            let columns = start..w.columns.min(start + span);
            let padded = columns.len().next_multiple_of(STEP);
            for tile in 0..tiles {
                let tokens = x.tokens() * tile / tiles..x.tokens() * (tile + 1) / tiles;
                x.rows(tokens.clone(), &columns, &mut activations[..tokens.len()]);
                for row in (0..count).step_by(ROWS) {
                    let rows = ROWS.min(count - row);
                    let vectors = rows.div_ceil(LANES);
                    let turned = &mut turned[row * padded..][..vectors * LANES * padded];
                    if tile == 0 {
                        turn::<V>(rows_of(w, first + row, 1, columns.clone(), 0), rows, turned);
                    }
                    let to = Target {
                        add: start > 0,
                        ..out.target((tokens.start, tokens.len()), (first + row, rows, 1))
                    };
                    let lines = ahead.part();
                    for_tile!(vectors, tokens.len(), R, T => {
                        let activations = activations.first_chunk().unwrap_or_else(|| unreachable!());
                        // SAFETY: the machine was asked for the instructions; the target is as large as the tile.
                        unsafe { V::turned_tile::<R, T>(activations, turned, rows, to, lines) };
                    });
                }
            }
        }
    }
}

/// [`fill`] for a tile's rows.
fn turn<V: Turns>(w: Rows<'_>, rows: usize, to: &mut [u16]) {
    // SAFETY: the machine was asked for the instructions.
    unsafe {
        if rows <= LANES {
            V::turn_rows::<1>(w, rows, to);
        } else {
            V::turn_rows::<2>(w, rows, to);
        }
    }
}

/// Turns some columns of as many rows as go into `R` vectors: `[columns / PAIR, R, LANES, PAIR]`, with zeros behind the last column. Lanes without a
/// row have the last one.
///
/// # Safety
/// The machine must have the instructions of `V`.
///
/// # Panics
/// If `w` does not hold its rows, or there is no room for them.
#[inline(always)]
// Indices that count up to constants are what becomes registers. Into whoever names the instructions, the loop must be inlined.
#[allow(clippy::needless_range_loop, clippy::inline_always)]
pub(crate) unsafe fn fill<V: Turns, const R: usize>(w: Rows<'_>, rows: usize, to: &mut [u16]) {
    let size = const { size_of::<u16>() };
    let whole = w.columns / STEP * STEP;
    assert!(0 < rows && rows <= R * LANES && w.bytes.len() >= (rows - 1) * w.stride + w.columns * size);
    assert!(to.len() == w.columns.next_multiple_of(STEP) * R * LANES);
    let to = to.as_mut_ptr();
    // SAFETY: the caller vouches for the instructions. `column + STEP ≤ columns` in every round, so that a step of weights is there in
    // each of `rows` rows, and room for all vectors of it: the lengths were checked above. So it is for the last columns, whose weights are copied to
    // where there is room for a step.
    unsafe {
        for r in 0..R {
            let row = |lane: usize| (r * LANES + lane).min(rows - 1);
            let mut from = [w.bytes.as_ptr(); LANES];
            for lane in 0..LANES {
                from[lane] = from[lane].add(row(lane) * w.stride);
            }
            for column in (0..whole).step_by(STEP) {
                put::<V, R>(V::turn(&from, column * size), to.add(column * R * LANES), r);
            }
            if whole < w.columns {
                let last: [_; LANES] =
                    std::array::from_fn(|lane| w.last_step(row(lane), whole * size..w.columns * size));
                let from = last.each_ref().map(|step| step.as_ptr());
                put::<V, R>(V::turn(&from, 0), to.add(whole * R * LANES), r);
            }
        }
    }
}

/// Writes the pairs of the `r`-th of `R` vectors of rows.
///
/// # Safety
/// The machine must have the instructions of `V`; there must be room.
#[inline(always)]
#[allow(clippy::needless_range_loop, clippy::inline_always)] // As there.
unsafe fn put<V: Turns, const R: usize>(pairs: [V::Factors; LANES], to: *mut u16, r: usize) {
    for pair in 0..LANES {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { V::store(pairs[pair], to.add((pair * R + r) * STEP)) };
    }
}

/// `[t][r] += Σ_c x[t, c] · w[r, c]` for the rows of `R` vectors, with weights as [`fill`] leaves them and zeros behind the last column of `x`.
///
/// # Safety
/// The machine must have the instructions of `V`, and the target room for `T` tokens of its rows.
///
/// # Panics
/// If `x` and `w` do not have as many columns, in whole steps, the rows do not need as many vectors, or those of the target are not side by side.
#[inline(always)]
#[allow(clippy::needless_range_loop, clippy::inline_always)] // As in `fill`.
pub(crate) unsafe fn run<V: Turns, const R: usize, const T: usize>(
    x: &[&[u16]; T],
    w: &[u16],
    rows: usize,
    to: Target,
    ahead: Lines,
) {
    let columns = w.len() / (R * LANES);
    assert!(columns.is_multiple_of(STEP) && w.len() == columns * R * LANES);
    assert!(x.iter().all(|row| row.len() == columns));
    assert!(rows.div_ceil(LANES) == R && to.rows_apart == 1);
    let weights_from = w.as_ptr();
    let mut activations_from = [x[0].as_ptr(); T];
    for t in 1..T {
        activations_from[t] = x[t].as_ptr();
    }
    // SAFETY: the caller vouches for the instructions and the room. `column + PAIR ≤ columns` in every round, for which there are weights of `R`
    // vectors and activations of `T` tokens: the lengths were checked above.
    unsafe {
        let mut sums = [[V::zero(); R]; T];
        if to.add {
            for t in 0..T {
                for r in 0..R {
                    sums[t][r] = so_far::<V>(to.first.add(t * to.tokens_apart + r * LANES), rows - r * LANES);
                }
            }
        }
        macro_rules! pair {
            ($column:expr) => {
                let mut weights = [V::activations(weights_from.add($column * R * LANES)); R];
                for r in 1..R {
                    weights[r] = V::activations(weights_from.add(($column / PAIR * R + r) * STEP));
                }
                for t in 0..T {
                    sums[t] = V::multiply_pair(activations_from[t], $column, &weights, sums[t]);
                }
            };
        }
        // A line or two with every pair, since more at once than the machine keeps track of would hold it up. First those where totals go, for which
        // the next tile would wait.
        let outputs = columns.min(PAIR * T);
        for column in (0..outputs).step_by(PAIR) {
            for r in 0..R {
                let output = to.first.wrapping_add(column / PAIR * to.tokens_apart + r * LANES);
                prefetch(output.cast());
            }
            pair!(column);
        }
        let fetching = columns.min(outputs + PAIR * ahead.count);
        for column in (outputs..fetching).step_by(PAIR) {
            V::prefetch::<TOKENS>(ahead.next.wrapping_add((column - outputs) / PAIR * LINE));
            pair!(column);
        }
        for column in (fetching..columns).step_by(PAIR) {
            pair!(column);
        }
        for t in 0..T {
            for r in 0..R {
                write::<V>(
                    sums[t][r],
                    to.first.add(t * to.tokens_apart + r * LANES),
                    rows - r * LANES,
                );
            }
        }
    }
}

/// Sums of `rows` rows, or of sixteen if there are more.
///
/// # Safety
/// The machine must have the instructions of `V`, and the sums must be there.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
unsafe fn so_far<V: Turns>(from: *const f32, rows: usize) -> V::Sums {
    // SAFETY: the caller vouches for the instructions and the values; there are sixteen in `some`.
    unsafe {
        if rows >= LANES {
            return V::sums(from);
        }
        let mut some = [0.0f32; LANES];
        some.as_mut_ptr().copy_from_nonoverlapping(from, rows);
        V::sums(some.as_ptr())
    }
}

/// Writes as many.
///
/// # Safety
/// The machine must have the instructions of `V`, and there must be room.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
unsafe fn write<V: Turns>(sums: V::Sums, to: *mut f32, rows: usize) {
    // SAFETY: the caller vouches for the instructions and the room; there is room for sixteen in `some`.
    unsafe {
        if rows >= LANES {
            return V::keep(sums, to);
        }
        let mut some = [0.0f32; LANES];
        V::keep(sums, some.as_mut_ptr());
        to.copy_from_nonoverlapping(some.as_ptr(), rows);
    }
}

#[cfg(test)]
mod tests {
    use super::{LANES, Turns};
    use crate::blocks::Lines;
    use crate::tests::{bits, is_refused};
    use crate::tile::{Rows, Target};
    use crate::wide::WidePairs;

    const COLUMNS: usize = 33;
    const PADDED: usize = 64;

    fn rows(bytes: &[u8]) -> Rows<'_> {
        Rows {
            bytes,
            stride: COLUMNS * 2,
            columns: COLUMNS,
            ahead: 0,
        }
    }

    #[test]
    fn pairs_of_rows_lie_side_by_side() {
        let values: Vec<u16> = (0..3 * COLUMNS as u16).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut to = [u16::MAX; PADDED * LANES];
        // SAFETY: no particular instructions are needed.
        unsafe { WidePairs::turn_rows::<1>(rows(&bytes), 3, &mut to) };
        for column in 0..PADDED {
            for lane in 0..LANES {
                let expected = if column < COLUMNS {
                    values[lane.min(2) * COLUMNS + column]
                } else {
                    0
                };
                let found = to[column / 2 * 2 * LANES + 2 * lane + column % 2];
                assert_eq!(found, expected, "column {column} of row {lane}");
            }
        }
    }

    /// What is read or written without a look at its length has been looked at before.
    #[test]
    fn nothing_is_read_outside() {
        let fill = |bytes: usize, count: usize, room: usize| {
            let (bytes, mut to) = (vec![0; bytes], vec![0; room]);
            // SAFETY: no particular instructions are needed.
            unsafe { WidePairs::turn_rows::<1>(rows(&bytes), count, &mut to) };
        };
        let (bytes, room) = (3 * COLUMNS * 2, PADDED * LANES);
        fill(bytes, 3, room);
        for (bytes, count, room) in [
            (bytes - 1, 3, room),
            (bytes, 3, room - 1),
            (bytes, 3, room + 1),
            (bytes, 0, room),
            (COLUMNS * 2 * 17, 17, room),
        ] {
            assert!(is_refused(|| fill(bytes, count, room)), "{bytes} {count} {room}");
        }
        let run = |activations: usize, weights: usize, count: usize, rows_apart: usize| {
            let (x, w, mut out) = (vec![0; activations], vec![0; weights], [1.0; 3]);
            let to = Target {
                first: out.as_mut_ptr(),
                rows_apart,
                tokens_apart: 3,
                add: true,
            };
            let ahead = Lines {
                next: std::ptr::null(),
                count: 0,
            };
            // SAFETY: no particular instructions are needed; there is room for one token of three rows.
            unsafe { WidePairs::turned_tile::<1, 1>(&[&x], &w, count, to, ahead) };
            assert_eq!(bits(&out), bits(&[1.0; 3]));
        };
        run(PADDED, room, 3, 1);
        for (activations, weights, count, rows_apart) in [
            (PADDED - 1, room, 3, 1),
            (PADDED + 1, room, 3, 1),
            (PADDED, room - 1, 3, 1),
            (PADDED, room, 0, 1),
            (PADDED, room, 17, 1),
            (PADDED, room, 3, 2),
        ] {
            let refused = is_refused(|| run(activations, weights, count, rows_apart));
            assert!(refused, "{activations} {weights} {count} {rows_apart}");
        }
    }
}
