//! The product with AVX-512 or AVX2 and FMA, chosen at run time.
//!
//! A tile of `ROWS` weight rows × up to `TOKENS` tokens keeps all its sums in registers; every weight vector is loaded
//! and widened once per tile, every activation vector serves all rows of the tile. Tails in the column direction use
//! masked loads (AVX-512) or a scalar loop (AVX2), so nothing is read past the end of a row.

#![allow(unsafe_code)]
// A tile holds the output by exclusive reference and is used up by its kernel.
#![allow(clippy::needless_pass_by_value)]

use std::arch::x86_64::{
    __m256, __m256i, __m512, __mmask16, _mm_loadu_si128, _mm256_castsi256_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_maskz_loadu_epi16, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps,
    _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_maskz_loadu_ps,
    _mm512_reduce_add_ps, _mm512_setzero_ps, _mm512_slli_epi32,
};

use half::{bf16, f16};

use crate::weights::{WeightDtype, Weights};

const ROWS: usize = 4;

/// Whether the AVX-512 path can run here.
pub(crate) fn avx512_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl")
}

/// Whether the AVX2 path can run here.
pub(crate) fn avx2_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// `out[r, t]` with AVX-512. The machine must have it.
pub(crate) fn product_avx512(x: &[f32], w: Weights<'_>, out: &mut [f32]) {
    assert!(avx512_available());
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

/// `out[r, t]` with AVX2 and FMA. The machine must have them.
pub(crate) fn product_avx2(x: &[f32], w: Weights<'_>, out: &mut [f32]) {
    assert!(avx2_available());
    let tokens = x.len() / w.columns;
    assert!(w.bytes.len() == w.rows * w.columns * w.dtype.size() && out.len() == w.rows * tokens);
    for row in 0..w.rows {
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
            // SAFETY: as in `product_avx512`, with one row per tile.
            token += unsafe {
                match tokens - token {
                    4.. => avx2_tile::<4>(tile),
                    3 => avx2_tile::<3>(tile),
                    2 => avx2_tile::<2>(tile),
                    _ => avx2_tile::<1>(tile),
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

/// Returns the number of tokens done.
///
/// # Safety
/// AVX2, FMA and F16C must be there; row `row` and tokens `token..token + T` must lie inside the slices.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2_tile<const T: usize>(tile: Tile<'_, '_>) -> usize {
    let columns = tile.w.columns;
    let size = tile.w.dtype.size();
    let row = &tile.w.bytes[tile.row * columns * size..(tile.row + 1) * columns * size];
    let x = &tile.x[tile.token * columns..(tile.token + T) * columns];
    let whole = columns / 8 * 8;
    let mut sums = [_mm256_setzero_ps(); T];
    for column in (0..whole).step_by(8) {
        // SAFETY: `column + 8 <= columns`, so eight weights and eight activations per token are there.
        unsafe {
            let weight = load8(row.as_ptr().add(column * size), tile.w.dtype);
            for (t, sum) in sums.iter_mut().enumerate() {
                let activation = _mm256_loadu_ps(x.as_ptr().add(t * columns + column));
                *sum = _mm256_fmadd_ps(activation, weight, *sum);
            }
        }
    }
    for (t, &sum) in sums.iter().enumerate() {
        let mut lanes = [0.0f32; 8];
        // SAFETY: `lanes` holds eight values.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sum) };
        let mut total: f32 = lanes.iter().sum();
        for column in whole..columns {
            total = x[t * columns + column].mul_add(value(row, column, tile.w.dtype), total);
        }
        tile.out[tile.row * tile.tokens + tile.token + t] = total;
    }
    T
}

/// Eight weights as f32.
///
/// # Safety
/// AVX2 and F16C must be there; eight values at `from` must be readable.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load8(from: *const u8, dtype: WeightDtype) -> __m256 {
    // SAFETY: the caller vouches for the eight values; the load intrinsics need no alignment.
    unsafe {
        match dtype {
            WeightDtype::Bf16 => _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(
                from.cast(),
            )))),
            WeightDtype::F16 => _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
            WeightDtype::F32 => _mm256_loadu_ps(from.cast()),
        }
    }
}

fn value(row: &[u8], column: usize, dtype: WeightDtype) -> f32 {
    let at = column * dtype.size();
    match dtype {
        WeightDtype::Bf16 => bf16::from_le_bytes([row[at], row[at + 1]]).to_f32(),
        WeightDtype::F16 => f16::from_le_bytes([row[at], row[at + 1]]).to_f32(),
        WeightDtype::F32 => f32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]),
    }
}

#[cfg(test)]
mod tests {
    use super::{avx2_available, avx512_available, product_avx2, product_avx512};
    use crate::portable;
    use crate::weights::{WeightDtype, Weights};

    type Product = fn(&[f32], Weights<'_>, &mut [f32]);

    fn pseudo_random(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).max(1);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
        };
        (0..n).map(|_| next() as f32).collect()
    }

    fn stored(values: &[f32], dtype: WeightDtype) -> Vec<u8> {
        values
            .iter()
            .flat_map(|&v| match dtype {
                WeightDtype::Bf16 => half::bf16::from_f32(v).to_le_bytes().to_vec(),
                WeightDtype::F16 => half::f16::from_f32(v).to_le_bytes().to_vec(),
                WeightDtype::F32 => v.to_le_bytes().to_vec(),
            })
            .collect()
    }

    /// Every tail of columns, rows and tokens, unaligned weights, against a sum in f64.
    fn check(product: Product) {
        for dtype in [WeightDtype::Bf16, WeightDtype::F16, WeightDtype::F32] {
            for columns in (1..=35).chain([64, 127]) {
                for (rows, tokens) in [(1, 1), (2, 3), (3, 7), (4, 6), (5, 5), (9, 13)] {
                    let x = pseudo_random(tokens * columns, 7);
                    let mut bytes = vec![0u8];
                    bytes.extend(stored(&pseudo_random(rows * columns, 3), dtype));
                    let w = Weights {
                        bytes: &bytes[1..],
                        dtype,
                        rows,
                        columns,
                    };
                    let mut widened = vec![0.0; rows * columns];
                    portable::widen(w, &mut widened);
                    let mut out = vec![f32::NAN; rows * tokens];
                    product(&x, w, &mut out);
                    for r in 0..rows {
                        for t in 0..tokens {
                            let exact: f64 = (0..columns)
                                .map(|c| f64::from(x[t * columns + c]) * f64::from(widened[r * columns + c]))
                                .sum();
                            let error = (f64::from(out[r * tokens + t]) - exact).abs();
                            assert!(
                                error < 2e-5,
                                "{dtype:?} {rows}×{columns}, {tokens} tokens: off by {error}"
                            );
                        }
                    }
                }
            }
        }
    }

    fn check_not_finite(product: Product) {
        for (bad, test) in [
            (f32::NAN, f32::is_nan as fn(f32) -> bool),
            (f32::INFINITY, f32::is_infinite),
        ] {
            for column in [0, 15, 16, 18] {
                let mut weights = vec![1.0; 19];
                weights[column] = bad;
                let bytes = stored(&weights, WeightDtype::Bf16);
                let w = Weights {
                    bytes: &bytes,
                    dtype: WeightDtype::Bf16,
                    rows: 1,
                    columns: 19,
                };
                let mut out = vec![0.0; 1];
                product(&[1.0; 19], w, &mut out);
                assert!(test(out[0]), "{bad} in column {column} became {}", out[0]);
            }
        }
    }

    #[test]
    fn avx512_equals_f64() {
        if avx512_available() {
            check(product_avx512);
            check_not_finite(product_avx512);
        } else {
            println!("skipped: no AVX-512 here");
        }
    }

    #[test]
    fn avx2_equals_f64() {
        if avx2_available() {
            check(product_avx2);
            check_not_finite(product_avx2);
        } else {
            println!("skipped: no AVX2 here");
        }
    }

    #[test]
    fn portable_equals_f64() {
        check(portable::product);
        check_not_finite(portable::product);
    }
}
