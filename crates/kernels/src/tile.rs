//! The innermost loop: a few weight rows × a few tokens, all of whose sums are in registers.
//!
//! Every weight vector is loaded and widened once per tile, every activation vector serves all rows of the tile. Whatever the shape of its
//! tile, an output is the sum over lanes of one chain of multiply–adds per lane, in the order of columns.

#![allow(unsafe_code)]

use std::ops::Range;

use crate::vector::Vector;
use crate::weights::dtype_size;

/// Bytes that are fetched together.
pub(crate) const LINE: usize = 64;

/// Bytes of the longest step of weights.
pub(crate) const STEP: usize = 128;

/// The same columns of some weight rows.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// From the first value of the first row to the last value of the last row at least.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Values per row.
    pub columns: usize,
    /// How far ahead weights are fetched from memory, in bytes; 0 where these have been looked at before. Rows are too short, and too many at a
    /// time, for the machine to see where they lead.
    pub ahead: usize,
}

impl Rows<'_> {
    /// Some bytes of a row, its last, with as many zeros behind them as a step needs: those are zeros in every dtype.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    pub(crate) fn last_step(&self, row: usize, bytes: Range<usize>) -> [u8; STEP] {
        let mut padded = [0; STEP];
        padded[..bytes.len()].copy_from_slice(&self.bytes[row * self.stride..][bytes]);
        padded
    }
}

/// Where the totals of a tile go.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// That of the first row and token.
    pub first: *mut f32,
    /// Values from a row to the next.
    pub rows_apart: usize,
    /// Values from a token to the next.
    pub tokens_apart: usize,
    /// Whether they are added to what is there.
    pub add: bool,
}

impl Target {
    /// Writes a total.
    ///
    /// # Safety
    /// There must be room for it.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    pub(crate) unsafe fn write(self, token: usize, row: usize, total: f32) {
        // SAFETY: the caller vouches for the room.
        unsafe {
            let to = self.first.add(token * self.tokens_apart + row * self.rows_apart);
            *to = if self.add { *to + total } else { total };
        }
    }
}

/// `[t][r] = Σ_c x[t, c] · w[r, c]`; each row of `x` is `[columns / WIDTH, PARTS, lanes]`, with zeros behind the last column.
///
/// With `FILL`, weights are left in `panel` as [`crate::panel`] wants them: they are in registers here, and it takes the time of stores that
/// products hide.
///
/// # Safety
/// The machine must have the instructions of `V`, and the target room for `T` tokens of `R` rows.
///
/// # Panics
/// If `x` and `w` do not hold what is read of them, or the panel has no room for the rows.
#[inline(always)]
// Indices that count up to constants are what becomes registers. Into whoever names the instructions, the loop must be inlined.
#[allow(clippy::needless_range_loop, clippy::inline_always)]
pub(crate) unsafe fn run<V: Vector, const DTYPE: u8, const FILL: bool, const R: usize, const T: usize>(
    x: &[&[V::Value]; T],
    w: Rows<'_>,
    panel: &mut [V::Value],
    to: Target,
) {
    const { assert!(V::WIDTH * dtype_size(DTYPE) <= STEP && V::WIDTH % V::PARTS == 0) };
    let size = const { dtype_size(DTYPE) };
    let lanes = const { V::WIDTH / V::PARTS };
    // Columns for which weights are fetched together: more where registers are all taken, since the compiler needs some for it.
    let chunk = const { if T < V::TOKENS { 32 } else { 128 } };
    let whole = w.columns / V::WIDTH * V::WIDTH;
    assert!(w.bytes.len() >= (R - 1) * w.stride + w.columns * size);
    assert!(x.iter().all(|row| row.len() == w.columns.next_multiple_of(V::WIDTH)));
    assert!(!FILL || panel.len() == w.columns.next_multiple_of(V::WIDTH) * R);
    let (weights_from, panel) = (w.bytes.as_ptr(), panel.as_mut_ptr());
    let activations_from = x.map(<[V::Value]>::as_ptr);
    // SAFETY: the caller vouches for the instructions. `column + WIDTH ≤ columns` in every round, so that a step of weights is there in
    // each of `R` rows, one of activations for each of `T` tokens, and room for one in the panel: the lengths were checked above. So it is for the last columns, whose
    // weights are copied to where there is room for a step.
    unsafe {
        let mut sums = [[V::zero(); R]; T];
        for first in (0..whole).step_by(chunk) {
            if w.ahead > 0 {
                for r in 0..R {
                    let ahead = weights_from.wrapping_add(r * w.stride + first * size + w.ahead);
                    for line in (0..chunk * size).step_by(LINE) {
                        V::prefetch::<T>(ahead.wrapping_add(line));
                    }
                }
            }
            for mut column in (first..whole.min(first + chunk)).step_by(V::WIDTH) {
                for part in 0..V::PARTS {
                    if part > 0 {
                        column = V::again(column);
                    }
                    let from = weights_from.add(column * size);
                    let mut weights = [V::weights::<DTYPE>(from, part); R];
                    for r in 1..R {
                        weights[r] = V::weights::<DTYPE>(from.add(r * w.stride), part);
                    }
                    if FILL {
                        // The rows of the next tile.
                        for r in R..2 * R {
                            V::prefetch::<1>(from.wrapping_add(r * w.stride));
                        }
                        for r in 0..R {
                            V::store(weights[r], panel.add(column * R + (part * R + r) * lanes));
                        }
                    }
                    for t in 0..T {
                        let activations = V::activations(activations_from[t].add(column + part * lanes));
                        for r in 0..R {
                            sums[t][r] = V::multiply_add(activations, weights[r], sums[t][r]);
                        }
                    }
                }
            }
        }
        if whole < w.columns {
            for r in 0..R {
                let padded = w.last_step(r, whole * size..w.columns * size);
                for part in 0..V::PARTS {
                    let weights = V::weights::<DTYPE>(padded.as_ptr(), part);
                    if FILL {
                        V::store(weights, panel.add(whole * R + (part * R + r) * lanes));
                    }
                    for t in 0..T {
                        let activations = V::activations(activations_from[t].add(whole + part * lanes));
                        sums[t][r] = V::multiply_add(activations, weights, sums[t][r]);
                    }
                }
            }
        }
        V::write::<R, T>(sums, to);
    }
}

/// [`Vector::write`], four sums at a time.
///
/// # Safety
/// As there.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) unsafe fn write_fours<V: Vector, const R: usize, const T: usize>(sums: [[V::Sums; R]; T], to: Target) {
    let mut totals = [[0.0; R]; T];
    for first in (0..R * T).step_by(4) {
        // SAFETY: the caller vouches for the instructions.
        let four = unsafe {
            let mut four = [V::zero(); 4];
            for (i, sums_of_one) in four.iter_mut().enumerate() {
                if first + i < R * T {
                    *sums_of_one = sums[(first + i) / R][(first + i) % R];
                }
            }
            V::totals(four)
        };
        for (i, total) in four.iter().enumerate() {
            if first + i < R * T {
                totals[(first + i) / R][(first + i) % R] = *total;
            }
        }
    }
    for (token, totals) in totals.into_iter().enumerate() {
        for (row, total) in totals.into_iter().enumerate() {
            // SAFETY: the caller vouches for the room.
            unsafe { to.write(token, row, total) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Rows, Target};
    use crate::portable::Portable;
    use crate::tests::is_refused;
    use crate::vector::Vector;
    use crate::weights::F32;

    /// What is read without a look at its length has been looked at before.
    #[test]
    fn nothing_is_read_outside() {
        let (columns, padded) = (5, 5usize.next_multiple_of(Portable::WIDTH));
        let run = |bytes: usize, activations: usize, panel: Option<usize>| {
            let (bytes, x) = (vec![0; bytes], vec![0.0; activations]);
            let rows = Rows {
                bytes: &bytes,
                stride: columns * 4,
                columns,
                ahead: 0,
            };
            let mut out = [0.0; 2];
            let to = Target {
                first: out.as_mut_ptr(),
                rows_apart: 1,
                tokens_apart: 2,
                add: false,
            };
            let mut values = vec![0.0; panel.unwrap_or_default()];
            // SAFETY: every machine has the portable path; there is room for one token of two rows.
            unsafe {
                if panel.is_none() {
                    Portable::tile::<F32, 2, 1>(&[&x], rows, to);
                } else {
                    Portable::tile_filling::<F32, 2, 1>(&[&x], rows, &mut values, to);
                    Portable::tile_of_panel::<2, 1>(&[&x], &values, to);
                }
            }
        };
        let whole = 2 * columns * 4;
        run(whole, padded, None);
        run(whole, padded, Some(2 * padded));
        assert!(is_refused(|| run(whole - 1, padded, None)) && is_refused(|| run(whole, padded - 1, None)));
        assert!(is_refused(|| run(whole, padded + 1, None)));
        for (bytes, activations, panel) in [
            (whole - 1, padded, 2 * padded),
            (whole, padded - 1, 2 * padded),
            (whole, padded, 2 * padded - 1),
        ] {
            assert!(is_refused(|| run(bytes, activations, Some(panel))));
        }
    }
}
