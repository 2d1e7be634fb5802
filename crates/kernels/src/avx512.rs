//! AVX-512: sixteen lanes, thirty-two registers. A tile of four rows × six tokens takes 24 for sums, four for weights and one for activations.

#![allow(unsafe_code)]
// Into whoever names the instructions, all of it must be inlined.
#![allow(clippy::inline_always)]

use std::arch::x86_64::{
    __m256, __m512, __m512bh, __m512i, _mm_add_ps, _mm_storeu_ps, _mm256_add_ps, _mm256_castpd_ps,
    _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_hadd_ps, _mm256_loadu_si256, _mm512_and_si512,
    _mm512_castps_pd, _mm512_castps512_ps256, _mm512_castsi512_ps, _mm512_cvtph_ps, _mm512_dpbf16_ps,
    _mm512_extractf64x4_pd, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm512_storeu_ps, _mm512_storeu_si512,
};

use crate::avx2::Avx2;
use crate::vector::{MOST_TOKENS, Vector, compiled_for};
use crate::weights::{BF16, F16};

/// The upper half of 32 bits, where the second of two bf16 is.
const UPPER: i32 = 0xffff_0000_u32.cast_signed();

const LANES: usize = 16;

/// Sixteen f32.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

impl Vector for Avx512 {
    type Value = f32;
    type Factors = __m512;
    type Sums = __m512;

    const WIDTH: usize = 32;
    const PARTS: usize = 2;
    const SPLITS: bool = true;
    const TOKENS: usize = 6;
    const ROWS: [usize; MOST_TOKENS] = [4; MOST_TOKENS];
    const SPAN: usize = 1024;
    const PAIRS: bool = false;
    const PANELS_FROM: usize = usize::MAX;

    fn available() -> bool {
        // The compiler takes all of AVX2's path for granted where it may use AVX-512.
        Avx2::available() && is_x86_feature_detected!("avx512f")
    }

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn activations(from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn weights<const DTYPE: u8>(from: *const u8, part: usize) -> __m512 {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe {
            match DTYPE {
                BF16 => {
                    let pairs = _mm512_loadu_si512(from.cast());
                    _mm512_castsi512_ps(if part == 0 {
                        _mm512_slli_epi32::<16>(pairs)
                    } else {
                        _mm512_and_si512(pairs, _mm512_set1_epi32(UPPER))
                    })
                }
                F16 => _mm512_cvtph_ps(_mm256_loadu_si256(from.add(part * LANES * 2).cast())),
                _ => _mm512_loadu_ps(from.add(part * LANES * 4).cast()),
            }
        }
    }

    #[inline(always)]
    fn prefetch<const T: usize>(at: *const u8) {
        Avx2::prefetch::<T>(at);
    }

    #[inline(always)]
    unsafe fn multiply_add(x: __m512, w: __m512, sums: __m512) -> __m512 {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm512_fmadd_ps(x, w, sums) }
    }

    #[inline(always)]
    unsafe fn totals(sums: [__m512; 4]) -> [f32; 4] {
        // SAFETY: the caller vouches for the instructions.
        unsafe { totals(sums) }
    }

    #[inline(always)]
    unsafe fn store(weights: __m512, to: *mut f32) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { _mm512_storeu_ps(to, weights) }
    }

    compiled_for!("avx512f,avx2,fma,f16c");
}

/// Sixteen pairs of bf16, whose products are summed in f32.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16;

impl Vector for Avx512Bf16 {
    type Value = u16;
    type Factors = __m512i;
    type Sums = __m512;

    const WIDTH: usize = 32;
    const PARTS: usize = 1;
    const SPLITS: bool = false;
    const TOKENS: usize = 6;
    const ROWS: [usize; MOST_TOKENS] = [4; MOST_TOKENS];
    const SPAN: usize = 2048;
    const PAIRS: bool = true;
    const PANELS_FROM: usize = usize::MAX;

    fn available() -> bool {
        // With BF16, the compiler takes BW for granted.
        Avx512::available() && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512bf16")
    }

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn activations(from: *const u16) -> __m512i {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn weights<const DTYPE: u8>(from: *const u8, _: usize) -> __m512i {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    fn prefetch<const T: usize>(at: *const u8) {
        Avx2::prefetch::<T>(at);
    }

    #[inline(always)]
    unsafe fn multiply_add(x: __m512i, w: __m512i, sums: __m512) -> __m512 {
        // SAFETY: the caller vouches for the instructions; both types are 512 bits of any pattern.
        unsafe {
            let (x, w) = (
                std::mem::transmute::<__m512i, __m512bh>(x),
                std::mem::transmute::<__m512i, __m512bh>(w),
            );
            _mm512_dpbf16_ps(sums, x, w)
        }
    }

    #[inline(always)]
    unsafe fn totals(sums: [__m512; 4]) -> [f32; 4] {
        // SAFETY: the caller vouches for the instructions.
        unsafe { totals(sums) }
    }

    #[inline(always)]
    unsafe fn store(weights: __m512i, to: *mut u16) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { _mm512_storeu_si512(to.cast(), weights) }
    }

    compiled_for!("avx512f,avx512bw,avx512bf16,avx2,fma,f16c");
}

/// The lanes of each vector added up.
///
/// # Safety
/// The machine must have AVX-512 F and AVX2.
#[inline(always)]
unsafe fn totals([a, b, c, d]: [__m512; 4]) -> [f32; 4] {
    // SAFETY: the caller vouches for the instructions; there is room for four values.
    unsafe {
        let halves = _mm256_hadd_ps(_mm256_hadd_ps(eight(a), eight(b)), _mm256_hadd_ps(eight(c), eight(d)));
        let whole = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
        let mut totals = [0.0; 4];
        _mm_storeu_ps(totals.as_mut_ptr(), whole);
        totals
    }
}

/// The upper lanes added to the lower ones.
///
/// # Safety
/// The machine must have AVX-512 F and AVX2.
#[inline(always)]
unsafe fn eight(lanes: __m512) -> __m256 {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(lanes)));
        _mm256_add_ps(_mm512_castps512_ps256(lanes), upper)
    }
}
