//! Weight rows for many tokens: widened once, and laid side by side.
//!
//! The first tile of tokens leaves them so ([`crate::vector::Vector::tile_filling`]). A panel has the values of `R` rows in the order in which a tile multiplies them, `[columns / WIDTH, PARTS, R, lanes]`, with zeros behind the
//! last column. A tile reads it from its first byte to its last; the rows themselves lie a power of two apart, where they push each other out of
//! the cache, and begin wherever the file has them. The products are those of [`crate::tile::run`], bit by bit.

#![allow(unsafe_code)]

use crate::tile::{Rows, STEP, Target};
use crate::vector::Vector;
use crate::weights::dtype_size;

/// Leaves `R` rows in a panel.
///
/// # Safety
/// The machine must have the instructions of `V`.
///
/// # Panics
/// If `w` does not hold its rows, or the panel has no room for them.
#[inline(always)]
#[allow(clippy::inline_always)] // Into whoever names the instructions.
pub(crate) unsafe fn fill<V: Vector, const DTYPE: u8, const R: usize>(w: Rows<'_>, panel: &mut [V::Value]) {
    const { assert!(V::WIDTH * dtype_size(DTYPE) <= STEP && V::WIDTH % V::PARTS == 0) };
    let size = const { dtype_size(DTYPE) };
    let lanes = const { V::WIDTH / V::PARTS };
    let whole = w.columns / V::WIDTH * V::WIDTH;
    assert!(w.bytes.len() >= (R - 1) * w.stride + w.columns * size);
    assert!(panel.len() == w.columns.next_multiple_of(V::WIDTH) * R);
    let panel = panel.as_mut_ptr();
    // SAFETY: the caller vouches for the instructions. `column + WIDTH ≤ columns` in every round, so that a step of weights is there in
    // each of `R` rows, and room for it in the panel: the lengths were checked above. So it is for the last columns, whose weights are
    // copied to where there is room for a step.
    unsafe {
        let step = |from: *const u8, column: usize, r: usize| {
            for part in 0..V::PARTS {
                V::store(
                    V::weights::<DTYPE>(from, part),
                    panel.add(column * R + (part * R + r) * lanes),
                );
            }
        };
        for column in (0..whole).step_by(V::WIDTH) {
            for r in 0..R {
                step(w.bytes.as_ptr().add(r * w.stride + column * size), column, r);
            }
        }
        if whole < w.columns {
            for r in 0..R {
                step(w.last_step(r, whole * size..w.columns * size).as_ptr(), whole, r);
            }
        }
    }
}

/// [`crate::tile::run`] on a panel of `R` rows.
///
/// # Safety
/// The machine must have the instructions of `V`, and the target room for `T` tokens of `R` rows.
///
/// # Panics
/// If `x` and the panel do not have as many columns, in whole steps.
#[inline(always)]
// Indices that count up to constants are what becomes registers. Into whoever names the instructions, the loop must be inlined.
#[allow(clippy::needless_range_loop, clippy::inline_always)]
pub(crate) unsafe fn run<V: Vector, const R: usize, const T: usize>(
    x: &[&[V::Value]; T],
    panel: &[V::Value],
    to: Target,
) {
    let lanes = const { V::WIDTH / V::PARTS };
    let columns = panel.len() / R;
    assert!(columns.is_multiple_of(V::WIDTH) && panel.len() == columns * R);
    assert!(x.iter().all(|row| row.len() == columns));
    // SAFETY: the caller vouches for the instructions. `column + lanes ≤ columns` every time, for which there are weights of `R` rows and
    // activations of `T` tokens: the lengths were checked above.
    unsafe {
        let mut sums = [[V::zero(); R]; T];
        let weights_from = panel.as_ptr();
        let activations_from = x.map(<[V::Value]>::as_ptr);
        for first in (0..columns).step_by(V::WIDTH) {
            // As many at a time as the compiler knows.
            for part in 0..V::PARTS {
                let column = first + part * lanes;
                let mut weights = [V::activations(weights_from.add(column * R)); R];
                for r in 1..R {
                    weights[r] = V::activations(weights_from.add(column * R + r * lanes));
                }
                for t in 0..T {
                    let activations = V::activations(activations_from[t].add(column));
                    for r in 0..R {
                        sums[t][r] = V::multiply_add(activations, weights[r], sums[t][r]);
                    }
                }
            }
        }
        V::write::<R, T>(sums, to);
    }
}

#[cfg(test)]
mod tests {
    use crate::packed::Packed;
    use crate::portable::Portable;
    use crate::precision::Precision;
    use crate::tests::{bits, pseudo_random, stored};
    use crate::tile::{Rows, Target};
    use crate::tokens::Tokens;
    use crate::vector::Vector;
    use crate::weights::{BF16, F16, F32, WeightDtype};
    use crate::wide::{Wide, WidePairs};

    // A path may write four rows in another way than fewer.
    const TOKENS: usize = 3;

    /// A tile of weights as they lie in the file, and of the same in a panel.
    fn same<V: Vector, const DTYPE: u8, const ROWS: usize>(dtype: WeightDtype, precision: Precision) {
        if !V::available() {
            return;
        }
        for columns in [1, 7, 16, 33, 100] {
            let bytes = stored(&pseudo_random(ROWS * columns, 3), dtype);
            let rows = Rows {
                bytes: &bytes[1..],
                stride: columns * dtype.size(),
                columns,
                ahead: 0,
            };
            let x = pseudo_random(TOKENS * columns, 5);
            let x = Packed::<V>::new(Tokens::all(&x, columns), dtype, precision, false);
            let x = x.tile(0..TOKENS, &(0..columns));
            let x = x.all();
            let mut panel = vec![bytemuck::Zeroable::zeroed(); columns.next_multiple_of(V::WIDTH) * ROWS];
            let [mut expected, mut filling, mut found] = [[[1.0f32; ROWS]; TOKENS]; 3];
            let target = |to: &mut [[f32; ROWS]; TOKENS]| Target {
                first: to.as_flattened_mut().as_mut_ptr(),
                rows_apart: 1,
                tokens_apart: ROWS,
                add: true,
            };
            // SAFETY: the instructions are there, and the targets have as many rows and tokens.
            unsafe {
                V::tile::<DTYPE, ROWS, TOKENS>(x, rows, target(&mut expected));
                V::tile_filling::<DTYPE, ROWS, TOKENS>(x, rows, &mut panel, target(&mut filling));
                V::tile_of_panel::<ROWS, TOKENS>(x, &panel, target(&mut found));
            }
            for found in [filling, found] {
                assert_eq!(
                    bits(found.as_flattened()),
                    bits(expected.as_flattened()),
                    "{columns} columns"
                );
            }
        }
    }

    fn all<V: Vector>() {
        same::<V, BF16, 2>(WeightDtype::Bf16, Precision::Exact);
        same::<V, F16, 2>(WeightDtype::F16, Precision::Exact);
        same::<V, F32, 2>(WeightDtype::F32, Precision::Exact);
        same::<V, BF16, 4>(WeightDtype::Bf16, Precision::Exact);
    }

    fn pairs<V: Vector>() {
        same::<V, BF16, 2>(WeightDtype::Bf16, Precision::Fast);
        same::<V, BF16, 4>(WeightDtype::Bf16, Precision::Fast);
    }

    #[test]
    fn products_are_those_of_rows() {
        all::<Portable>();
        all::<Wide>();
        pairs::<WidePairs>();
        #[cfg(target_arch = "x86_64")]
        {
            all::<crate::avx2::Avx2>();
            all::<crate::avx512::Avx512>();
            pairs::<crate::avx512::Avx512Bf16>();
        }
        #[cfg(target_arch = "aarch64")]
        {
            all::<crate::neon::Neon>();
            pairs::<crate::neon::NeonBf16>();
        }
    }
}
