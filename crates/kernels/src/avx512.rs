//! The product with AVX-512.
//!
//! A tile of `ROWS` weight rows × up to `TOKENS` tokens keeps all its sums in registers; every weight vector is loaded
//! and widened once per tile, every activation vector serves all rows of the tile. Tails in the column direction use
//! masked loads, so nothing is read past the end of a row.

#![allow(unsafe_code)]
// A tile holds the output by exclusive reference and is used up by its kernel.
#![allow(clippy::needless_pass_by_value)]

use std::arch::x86_64::{
    __m256i, __m512, __mmask16, _mm256_maskz_loadu_epi16, _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps,
    _mm512_fmadd_ps, _mm512_maskz_loadu_ps, _mm512_reduce_add_ps, _mm512_setzero_ps, _mm512_slli_epi32,
};

use crate::weights::{WeightDtype, Weights};

const ROWS: usize = 4;

/// Whether the AVX-512 path can run here.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl")
}

/// `out[r, t]` with AVX-512. The machine must have it.
pub(crate) fn product(x: &[f32], w: Weights<'_>, out: &mut [f32]) {
    assert!(available());
    let tokens = x.len() / w.columns;
    assert!(w.bytes.len() == w.rows * w.columns * w.dtype.size() && out.len() == w.rows * tokens);
    for row in (0..w.rows).step_by(ROWS) {
        let rows = ROWS.min(w.rows - row);
        let mut token = 0;
        while token < tokens {
            let tile = Tile {
                x,
                w,
                out,
                row,
                token,
                tokens,
            };
            // SAFETY: the features were checked above; `Tile` holds slices whose lengths were checked above, and the tile
            // lies inside them because rows ≤ w.rows − row and the tile's tokens ≤ tokens − token.
            token += unsafe {
                match (rows, tokens - token) {
                    (4, 6..) => avx512_tile::<4, 6>(tile),
                    (4, 5) => avx512_tile::<4, 5>(tile),
                    (4, 4) => avx512_tile::<4, 4>(tile),
                    (4, 3) => avx512_tile::<4, 3>(tile),
                    (4, 2) => avx512_tile::<4, 2>(tile),
                    (4, _) => avx512_tile::<4, 1>(tile),
                    (3, _) => avx512_tile::<3, 1>(tile),
                    (2, _) => avx512_tile::<2, 1>(tile),
                    (_, _) => avx512_tile::<1, 1>(tile),
                }
            };
        }
    }
}

struct Tile<'a, 'b> {
    x: &'a [f32],
    w: Weights<'a>,
    out: &'b mut [f32],
    row: usize,
    token: usize,
    tokens: usize,
}

/// Returns the number of tokens done.
///
/// # Safety
/// AVX-512 F, BW and VL must be there; rows `row..row + R` and tokens `token..token + T` must lie inside the slices.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c")]
unsafe fn avx512_tile<const R: usize, const T: usize>(tile: Tile<'_, '_>) -> usize {
    let columns = tile.w.columns;
    let size = tile.w.dtype.size();
    let weights = tile.w.bytes[tile.row * columns * size..].as_ptr();
    let x = tile.x[tile.token * columns..].as_ptr();
    let mut sums = [[_mm512_setzero_ps(); T]; R];
    for column in (0..columns).step_by(16) {
        let left = columns - column;
        let mask: __mmask16 = if left >= 16 { 0xffff } else { (1 << left) - 1 };
        // SAFETY: masked loads touch only the `left` columns that are there.
        unsafe {
            let mut activations = [_mm512_setzero_ps(); T];
            for (t, activation) in activations.iter_mut().enumerate() {
                *activation = _mm512_maskz_loadu_ps(mask, x.add(t * columns + column));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let weight = load16(weights.add((r * columns + column) * size), tile.w.dtype, mask);
                for t in 0..T {
                    sums[t] = _mm512_fmadd_ps(activations[t], weight, sums[t]);
                }
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (t, &sum) in sums.iter().enumerate() {
            tile.out[(tile.row + r) * tile.tokens + tile.token + t] = _mm512_reduce_add_ps(sum);
        }
    }
    T
}

/// Sixteen weights as f32; masked-out ones are zero.
///
/// # Safety
/// AVX-512 F, BW and VL must be there; the masked-in values at `from` must be readable.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c")]
unsafe fn load16(from: *const u8, dtype: WeightDtype, mask: __mmask16) -> __m512 {
    // SAFETY: the caller vouches for the masked-in values; the load intrinsics need no alignment.
    unsafe {
        match dtype {
            WeightDtype::Bf16 => {
                let bits: __m256i = _mm256_maskz_loadu_epi16(mask, from.cast());
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
            }
            WeightDtype::F16 => _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, from.cast())),
            WeightDtype::F32 => _mm512_maskz_loadu_ps(mask, from.cast()),
        }
    }
}
