//! The product with AVX2 and FMA.
//!
//! Sums of eight columns each, lane by lane, stand in registers for a tile of three weight rows × four tokens: twelve sums, three
//! weight vectors and one of activations are all sixteen registers. Every weight vector is loaded and widened once per tile, every
//! activation vector serves its three rows. Activations are packed in the order in which tiles read them: rows that lie a power of
//! two apart would push each other out of the cache.
//!
//! Weights are read where they lie. A block of them stays in the second cache while all tokens pass by, a block of tokens in the
//! first while the rows of that block pass by.
//!
//! However a product is cut, an output is the sum over lanes of one chain of fused multiply–adds per lane, in the order of columns.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_loadu_si128, _mm_movehdup_ps, _mm_movehl_ps,
    _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_extractf128_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_slli_epi32,
};
use std::borrow::Cow;

use rayon::prelude::*;

use crate::weights::{WeightDtype, Weights};

/// Values in a vector.
const LANES: usize = 8;

/// Rows and tokens of a tile.
const ROWS: usize = 3;
const TOKENS: usize = 4;

/// Tokens of a block: two tiles.
const TOKEN_BLOCK: usize = 2 * TOKENS;

/// Bytes of a block of weights, and how many rows it has at least and at most.
const WEIGHTS: usize = 256 << 10;
const FEWEST_ROWS: usize = 4 * ROWS;
const MOST_ROWS: usize = 12 * ROWS;

/// Activations from which packing them is worth more than one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// [`WeightDtype`] as a parameter of a function.
const BF16: u8 = WeightDtype::Bf16 as u8;
const F16: u8 = WeightDtype::F16 as u8;
const F32: u8 = WeightDtype::F32 as u8;

/// Calls a function for a tile of so many rows and tokens, which are parameters of its type.
macro_rules! for_tile {
    ($rows:expr, $tokens:expr, $r:ident, $t:ident => $call:expr) => {
        for_tile!(@ $rows, $tokens, $r, $t => $call; 1 1, 1 2, 1 3, 1 4, 2 1, 2 2, 2 3, 2 4, 3 1, 3 2, 3 3, 3 4)
    };
    (@ $rows:expr, $tokens:expr, $r:ident, $t:ident => $call:expr; $($rr:literal $tt:literal),*) => {
        match ($rows, $tokens) {
            $(($rr, $tt) => {
                const $r: usize = $rr;
                const $t: usize = $tt;
                $call
            })*
            _ => unreachable!("tiles have up to three rows and four tokens"),
        }
    };
}

/// Whether this path can run here.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// Activations `[tokens, columns]` in the order in which tiles read them: `[tiles, columns / 8, tokens of the tile, 8]`, with zeros
/// behind the last column. Only the last tile has fewer than four tokens.
pub(crate) struct Packed<'a> {
    values: Cow<'a, [f32]>,
    tokens: usize,
    columns: usize,
}

impl<'a> Packed<'a> {
    /// Packs `[tokens, columns]`, on all threads if `parallel`.
    pub(crate) fn new(x: &'a [f32], columns: usize, parallel: bool) -> Self {
        let tokens = x.len() / columns;
        let padded = columns.next_multiple_of(LANES);
        // A single row is in order as it is.
        if tokens == 1 && padded == columns {
            return Self {
                values: Cow::Borrowed(x),
                tokens,
                columns,
            };
        }
        let mut values = vec![0.0; tokens * padded];
        let pack = |(to, from): (&mut [f32], &[f32])| {
            let count = from.len() / columns;
            for (token, row) in from.chunks_exact(columns).enumerate() {
                for (step, eight) in row.chunks(LANES).enumerate() {
                    to[(step * count + token) * LANES..][..eight.len()].copy_from_slice(eight);
                }
            }
        };
        if parallel && x.len() >= PARALLEL_FROM {
            values
                .par_chunks_mut(TOKENS * padded)
                .zip(x.par_chunks(TOKENS * columns))
                .for_each(pack);
        } else {
            values
                .chunks_mut(TOKENS * padded)
                .zip(x.chunks(TOKENS * columns))
                .for_each(pack);
        }
        Self {
            values: Cow::Owned(values),
            tokens,
            columns,
        }
    }

    /// The tile that begins with `token`, a multiple of four: its values and its number of tokens.
    fn tile(&self, token: usize) -> (&[f32], usize) {
        let count = TOKENS.min(self.tokens - token);
        let padded = self.columns.next_multiple_of(LANES);
        (&self.values[token * padded..(token + count) * padded], count)
    }
}

/// `out[r, t] = Σ_c x[t, c] · w[r, c]`. The machine must have AVX2, FMA and F16C.
///
/// # Panics
/// If it has not, or if the lengths do not fit together.
pub(crate) fn product(x: &Packed<'_>, w: Weights<'_>, out: &mut [f32]) {
    assert!(available());
    assert!(w.columns == x.columns && out.len() == w.rows * x.tokens);
    w.check();
    // SAFETY: the features are there.
    unsafe {
        match w.dtype {
            WeightDtype::Bf16 => product_of::<BF16>(x, w, out),
            WeightDtype::F16 => product_of::<F16>(x, w, out),
            WeightDtype::F32 => product_of::<F32>(x, w, out),
        }
    }
}

/// [`product`] for one dtype.
#[target_feature(enable = "avx2,fma,f16c")]
fn product_of<const DTYPE: u8>(x: &Packed<'_>, w: Weights<'_>, out: &mut [f32]) {
    let block = (WEIGHTS / (w.columns * w.dtype.size())).clamp(FEWEST_ROWS, MOST_ROWS) / ROWS * ROWS;
    for first in (0..w.rows).step_by(block) {
        let end = w.rows.min(first + block);
        for token in (0..x.tokens).step_by(TOKEN_BLOCK) {
            let tokens = token..x.tokens.min(token + TOKEN_BLOCK);
            for row in (first..end).step_by(ROWS) {
                let rows = w.slice_rows(row, ROWS.min(end - row));
                for token in tokens.clone().step_by(TOKENS) {
                    let (tile, count) = x.tile(token);
                    let out = &mut out[row * x.tokens + token..];
                    for_tile!(rows.rows, count, R, T => run::<DTYPE, R, T>(tile, rows, x.tokens, out));
                }
            }
        }
    }
}

/// A tile; `out` is `[rows, tokens]` from the tile's first row and token on.
#[target_feature(enable = "avx2,fma,f16c")]
#[allow(clippy::needless_range_loop)] // Indices that count up to constants are what becomes registers.
fn run<const DTYPE: u8, const R: usize, const T: usize>(x: &[f32], w: Weights<'_>, tokens: usize, out: &mut [f32]) {
    let size = const { if DTYPE == F32 { 4 } else { 2 } };
    let whole = w.columns / LANES * LANES;
    assert!(w.rows == R && w.bytes.len() == R * w.columns * size && x.len() == w.columns.next_multiple_of(LANES) * T);
    let mut sums = [[_mm256_setzero_ps(); T]; R];
    let (from, activations) = (w.bytes.as_ptr(), x.as_ptr());
    for column in (0..whole).step_by(LANES) {
        // SAFETY: `column + 8 ≤ columns`, so eight weights are there in each of `R` rows, and eight activations for each of `T` tokens:
        // the lengths were checked above.
        unsafe {
            let mut weights = [_mm256_setzero_ps(); R];
            for (r, weights) in weights.iter_mut().enumerate() {
                *weights = load8::<DTYPE>(from.add((r * w.columns + column) * size));
            }
            for t in 0..T {
                let activation = _mm256_loadu_ps(activations.add(column * T + t * LANES));
                for r in 0..R {
                    sums[r][t] = _mm256_fmadd_ps(activation, weights[r], sums[r][t]);
                }
            }
        }
    }
    if whole < w.columns {
        for (r, row) in sums.iter_mut().enumerate() {
            let weights = eight::<DTYPE>(&w.bytes[(r * w.columns + whole) * size..(r + 1) * w.columns * size]);
            for (t, sum) in row.iter_mut().enumerate() {
                *sum = _mm256_fmadd_ps(load(&x[whole * T + t * LANES..]), weights, *sum);
            }
        }
    }
    for (r, row) in sums.iter().enumerate() {
        for (t, lanes) in row.iter().enumerate() {
            out[r * tokens + t] = sum(*lanes);
        }
    }
}

/// Up to eight weights, and zeros behind them.
#[target_feature(enable = "avx2,fma,f16c")]
fn eight<const DTYPE: u8>(bytes: &[u8]) -> __m256 {
    let vector = const { if DTYPE == F32 { 4 } else { 2 } } * LANES;
    if bytes.len() >= vector {
        // SAFETY: eight values are there.
        return unsafe { load8::<DTYPE>(bytes.as_ptr()) };
    }
    // Zeros are zeros in every dtype.
    let mut padded = [0u8; LANES * 4];
    padded[..bytes.len()].copy_from_slice(bytes);
    // SAFETY: `padded` holds eight values of any dtype.
    unsafe { load8::<DTYPE>(padded.as_ptr()) }
}

/// The first eight values.
#[target_feature(enable = "avx2")]
fn load(from: &[f32]) -> __m256 {
    let eight = &from[..LANES];
    // SAFETY: eight values are there.
    unsafe { _mm256_loadu_ps(eight.as_ptr()) }
}

/// The sum of eight lanes, in one fixed order.
#[target_feature(enable = "avx2")]
fn sum(lanes: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

/// Eight weights as f32.
///
/// # Safety
/// Eight values at `from` must be readable; they need not be aligned.
#[target_feature(enable = "avx2,f16c")]
unsafe fn load8<const DTYPE: u8>(from: *const u8) -> __m256 {
    // SAFETY: the caller vouches for the eight values; the load intrinsics need no alignment.
    unsafe {
        match DTYPE {
            BF16 => _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(
                from.cast(),
            )))),
            F16 => _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
            _ => _mm256_loadu_ps(from.cast()),
        }
    }
}
