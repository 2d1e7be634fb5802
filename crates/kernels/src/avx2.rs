//! AVX2 and FMA: eight lanes, sixteen registers. A tile of three rows × four tokens takes them all: twelve sums, three weight vectors and
//! one of activations.

#![allow(unsafe_code)]
// Into whoever names the instructions, all of it must be inlined.
#![allow(clippy::inline_always)]

use std::arch::asm;
use std::arch::x86_64::{
    __m256, _MM_HINT_T0, _MM_HINT_T1, _mm_add_ps, _mm_loadu_si128, _mm_prefetch, _mm_storeu_ps, _mm256_and_si256,
    _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cvtph_ps, _mm256_extractf128_ps, _mm256_fmadd_ps,
    _mm256_hadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_set1_epi32, _mm256_setzero_ps, _mm256_slli_epi32,
    _mm256_storeu_ps,
};

use crate::vector::{MOST_TOKENS, Vector, compiled_for};
use crate::weights::{BF16, F16};

/// The upper half of 32 bits, where the second of two bf16 is.
const UPPER: i32 = 0xffff_0000_u32.cast_signed();

const LANES: usize = 8;

/// Eight f32.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

impl Vector for Avx2 {
    type Value = f32;
    type Factors = __m256;
    type Sums = __m256;

    const WIDTH: usize = 16;
    const PARTS: usize = 2;
    const SPLITS: bool = true;
    const TOKENS: usize = 4;
    const ROWS: [usize; MOST_TOKENS] = [4, 4, 3, 3, 0, 0, 0, 0];
    const STREAMS: [usize; MOST_TOKENS] = Self::ROWS;
    const AHEAD: usize = 8 << 10;
    const SPAN: usize = 1024;
    const PAIRS: bool = false;
    const PANELS_FROM: usize = 12;
    const FILLS_FIRST: bool = true;

    fn available() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
    }

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn activations(from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn weights<const DTYPE: u8>(from: *const u8, part: usize) -> __m256 {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe {
            match DTYPE {
                BF16 => {
                    let pairs = _mm256_loadu_si256(from.cast());
                    _mm256_castsi256_ps(if part == 0 {
                        _mm256_slli_epi32::<16>(pairs)
                    } else {
                        _mm256_and_si256(pairs, _mm256_set1_epi32(UPPER))
                    })
                }
                F16 => _mm256_cvtph_ps(_mm_loadu_si128(from.add(part * LANES * 2).cast())),
                _ => _mm256_loadu_ps(from.add(part * LANES * 4).cast()),
            }
        }
    }

    #[inline(always)]
    fn again(mut column: usize) -> usize {
        // SAFETY: there is no instruction in it.
        unsafe { asm!("/* {} */", inout(reg) column, options(pure, nomem, nostack, preserves_flags)) };
        column
    }

    #[inline(always)]
    fn prefetch<const T: usize>(at: *const u8) {
        // SAFETY: every x86-64 has the instruction, and it does nothing where nothing is.
        unsafe {
            if T < Self::TOKENS {
                _mm_prefetch::<_MM_HINT_T0>(at.cast());
            } else {
                _mm_prefetch::<_MM_HINT_T1>(at.cast());
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(x: __m256, w: __m256, sums: __m256) -> __m256 {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm256_fmadd_ps(x, w, sums) }
    }

    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        // SAFETY: the caller vouches for the instructions; there is room for four values.
        unsafe {
            let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            let whole = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
            let mut totals = [0.0; 4];
            _mm_storeu_ps(totals.as_mut_ptr(), whole);
            totals
        }
    }

    #[inline(always)]
    unsafe fn store(weights: __m256, to: *mut f32) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { _mm256_storeu_ps(to, weights) }
    }

    compiled_for!("avx2,fma,f16c");
}
