//! AVX-512: sixteen lanes, thirty-two registers. A tile of four rows × six tokens takes 24 for sums, four for weights and one for activations. Where bf16
//! weights are widened in it, for which it needs more, the compiler keeps sums in memory, and it takes twice the time: such tiles have fewer rows or
//! tokens.

#![allow(unsafe_code)]
// Into whoever names the instructions, all of it must be inlined.
#![allow(clippy::inline_always)]

use std::arch::asm;
use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _CMP_UNORD_Q, _mm_add_ps, _mm_loadu_ps, _mm_storeu_ps, _mm256_loadu_si256,
    _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_castps512_ps128,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtph_ps, _mm512_dpbf16_ps, _mm512_extractf32x4_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_or_epi32, _mm512_maskz_loadu_ps, _mm512_mul_ps,
    _mm512_permutex2var_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4,
    _mm512_shuffle_ps, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_ps, _mm512_storeu_si512,
};

use crate::avx2::Avx2;
use crate::columns::Columns;
use crate::packed::Packed;
use crate::tile::Target;
use crate::turn::turned;
use crate::turned::{LANES, Turns, turned_for};
use crate::vector::{MOST_TOKENS, Vector, compiled_for};
use crate::weights::{BF16, F16, Weights};

/// The upper half of 32 bits, where the second of two bf16 is.
const UPPER: i32 = 0xffff_0000_u32.cast_signed();

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
    const ROWS: [usize; MOST_TOKENS] = [4, 4, 4, 4, 4, 4, 0, 0];
    const STREAMS: [usize; MOST_TOKENS] = [2, 4, 2, 4, 4, 2, 0, 0];
    const ALONE: usize = 6;
    const BESIDE: usize = 5;
    const AHEAD: usize = 2 << 10;
    const SPAN: usize = 1024;
    const PAIRS: bool = false;
    const PANELS_FROM: usize = 13;
    const FILLS_FIRST: bool = true;

    fn available() -> bool {
        // The compiler takes all of AVX2's path for granted where it may use AVX-512. Without VL it keeps sums in the lower sixteen registers
        // alone, since the halves of the others have no names.
        Avx2::available() && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl")
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
    unsafe fn write<const R: usize, const T: usize>(sums: [[__m512; R]; T], to: Target) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { write::<R, T>(sums, to) }
    }

    #[inline(always)]
    unsafe fn store(weights: __m512, to: *mut f32) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { _mm512_storeu_ps(to, weights) }
    }

    compiled_for!("avx512f,avx512vl,avx2,fma,f16c");
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
    const ROWS: [usize; MOST_TOKENS] = [4, 4, 4, 4, 4, 4, 0, 0];
    const STREAMS: [usize; MOST_TOKENS] = [2, 2, 2, 4, 4, 4, 2, 2];
    const ALONE: usize = 8;
    const AHEAD: usize = 2 << 10;
    const SPAN: usize = 2048;
    const PAIRS: bool = true;
    const PANELS_FROM: usize = 13;

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
    unsafe fn write<const R: usize, const T: usize>(sums: [[__m512; R]; T], to: Target) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { write::<R, T>(sums, to) }
    }

    #[inline(always)]
    unsafe fn store(weights: __m512i, to: *mut u16) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { _mm512_storeu_si512(to.cast(), weights) }
    }

    fn product(x: &Packed<'_, Self>, w: Weights<'_>, then: Option<*const u8>, out: &mut Columns<'_>) {
        crate::turned::product(x, w, then, out);
    }

    #[inline(always)]
    unsafe fn pack_pairs(row: &[f32], weight: f32, to: &mut [u16]) {
        // SAFETY: the caller vouches for the instructions.
        unsafe { pack_pairs(row, weight, to) }
    }

    compiled_for!("avx512f,avx512vl,avx512bw,avx512bf16,avx2,fma,f16c");
}

impl Turns for Avx512Bf16 {
    #[inline(always)]
    unsafe fn turn(rows: &[*const u8; LANES], offset: usize) -> [__m512i; LANES] {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe {
            let mut vectors = [_mm512_loadu_ps(rows[0].add(offset).cast()); LANES];
            for lane in 1..LANES {
                vectors[lane] = _mm512_loadu_ps(rows[lane].add(offset).cast());
            }
            std::mem::transmute::<[__m512; LANES], [__m512i; LANES]>(turned(vectors))
        }
    }

    #[inline(always)]
    unsafe fn sums(from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn multiply_pair<const R: usize>(
        x: *const u16,
        column: usize,
        w: &[__m512i; R],
        mut sums: [__m512; R],
    ) -> [__m512; R] {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe {
            if R == 2 {
                (sums[0], sums[1]) = multiply_pair(x, column, [w[0], w[1]], [sums[0], sums[1]]);
            } else {
                for r in 0..R {
                    let pair = _mm512_set1_epi32(x.add(column).cast::<i32>().read_unaligned());
                    sums[r] = Self::multiply_add(pair, w[r], sums[r]);
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn keep(sums: __m512, to: *mut f32) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { _mm512_storeu_ps(to, sums) }
    }

    turned_for!("avx512f,avx512vl,avx512bw,avx512bf16,avx2,fma,f16c");
}

/// [`Turns::multiply_pair`] for two vectors. The compiler would load all tokens' pairs first, for which there are no registers.
///
/// # Safety
/// The machine must have AVX-512 F and BF16; there must be a pair.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn multiply_pair(x: *const u16, column: usize, w: [__m512i; 2], sums: [__m512; 2]) -> (__m512, __m512) {
    let [mut a, mut b] = sums;
    let pair: __m512;
    // SAFETY: the caller vouches for the instructions and the values, which are only read.
    unsafe {
        asm!(
            "vbroadcastss {pair}, dword ptr [{x} + 2 * {column}]",
            "vdpbf16ps {a}, {pair}, {u}",
            "vdpbf16ps {b}, {pair}, {v}",
            x = in(reg) x,
            column = in(reg) column,
            u = in(zmm_reg) w[0],
            v = in(zmm_reg) w[1],
            a = inout(zmm_reg) a,
            b = inout(zmm_reg) b,
            // With a type, by which the compiler names it.
            pair = out(zmm_reg) pair,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    let _ = pair;
    (a, b)
}

/// The upper halves of the first vector's 32 bits, then those of the second's.
const UPPER_HALVES: [u16; 2 * LANES] = {
    let (mut places, mut place) = ([0; 2 * LANES], 0);
    while place < places.len() {
        places[place] = 2 * place as u16 + 1;
        place += 1;
    }
    places
};

/// [`Vector::pack_pairs`]: a row that does not end with a step reads nothing behind its end.
///
/// # Safety
/// The machine must have AVX-512 F and BW.
///
/// # Panics
/// If `to` is not as many steps as the row begins.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn pack_pairs(row: &[f32], weight: f32, to: &mut [u16]) {
    const STEP: usize = 2 * LANES;
    assert!(to.len() == row.len().next_multiple_of(STEP));
    let whole = row.len() / STEP * STEP;
    let (from, to) = (row.as_ptr(), to.as_mut_ptr());
    let weights = _mm512_set1_ps(weight);
    // SAFETY: the caller vouches for the instructions. A step of `from` is there in every round, and room for it in `to`; of the last one, only
    // those values are read that are there.
    unsafe {
        let halves = _mm512_loadu_si512(UPPER_HALVES.as_ptr().cast());
        let pack = |values: [__m512; 2], to: *mut u16| {
            let [a, b] = values.map(|values| rounded(_mm512_mul_ps(weights, values)));
            _mm512_storeu_si512(to.cast(), _mm512_permutex2var_epi16(a, halves, b));
        };
        for column in (0..whole).step_by(STEP) {
            let values = [
                _mm512_loadu_ps(from.add(column)),
                _mm512_loadu_ps(from.add(column + LANES)),
            ];
            pack(values, to.add(column));
        }
        if whole < row.len() {
            let there = (1u32 << (row.len() - whole)) - 1;
            let masks = [there as u16, (there >> LANES) as u16];
            let values = [
                _mm512_maskz_loadu_ps(masks[0], from.add(whole)),
                _mm512_maskz_loadu_ps(masks[1], from.wrapping_add(whole + LANES)),
            ];
            pack(values, to.add(whole));
        }
    }
}

/// The bits of the nearest bf16 in the upper halves, as [`crate::precision::bf16_bits`] has them; whatever in the lower.
#[inline]
#[target_feature(enable = "avx512f")]
fn rounded(x: __m512) -> __m512i {
    let bits = _mm512_castps_si512(x);
    let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
    let nearest = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
    _mm512_mask_or_epi32(nearest, nan, bits, _mm512_set1_epi32(0x40_0000))
}

/// Writes a tile's totals, sixteen at a time.
///
/// # Safety
/// The machine must have AVX-512 F, and the target room.
#[inline(always)]
unsafe fn write<const R: usize, const T: usize>(sums: [[__m512; R]; T], to: Target) {
    // SAFETY: the caller vouches for the instructions and the room.
    unsafe {
        if const { R < 4 } {
            return write_few::<R, T>(&sums, to);
        }
        write_four::<R, T, 0>(&sums, to);
        if const { T > 4 } {
            write_four::<R, T, 4>(&sums, to);
        }
    }
}

/// [`write()`] for fewer rows.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn write_few<const R: usize, const T: usize>(sums: &[[__m512; R]; T], to: Target) {
    for first in (0..R * T).step_by(LANES) {
        let mut totals = [0.0f32; LANES];
        // SAFETY: the caller vouches for the instructions and the room; there is room for sixteen values in `totals`.
        unsafe {
            let mut here = [[_mm512_setzero_ps(); 4]; 4];
            for at in first..(first + LANES).min(R * T) {
                here[(at - first) / 4][at % 4] = sums[at / R][at % R];
            }
            _mm512_storeu_ps(totals.as_mut_ptr(), sixteen(&here));
            for at in first..(first + LANES).min(R * T) {
                to.write(at / R, at % R, totals[at - first]);
            }
        }
    }
}

/// [`write()`] for four tokens from `FIRST` on, or as many as there are, and four rows.
///
/// # Safety
/// As there; there must be four rows.
#[inline(always)]
unsafe fn write_four<const R: usize, const T: usize, const FIRST: usize>(sums: &[[__m512; R]; T], to: Target) {
    // Sums stay in registers where the compiler knows all indices.
    macro_rules! token {
        ($at:literal) => {{
            // The last one once more where there are fewer, of which nothing is written.
            let sums = &sums[const { if FIRST + $at < T { FIRST + $at } else { T - 1 } }];
            [sums[0], sums[1], sums[2], sums[3]]
        }};
    }
    macro_rules! write {
        ($at:literal, $totals:expr) => {
            if const { FIRST + $at < T } {
                let mut totals = _mm512_extractf32x4_ps::<$at>($totals);
                if to.rows_apart == 1 {
                    let rows = to.first.add((FIRST + $at) * to.tokens_apart);
                    if to.add {
                        totals = _mm_add_ps(_mm_loadu_ps(rows), totals);
                    }
                    _mm_storeu_ps(rows, totals);
                } else {
                    let mut each = [0.0; 4];
                    _mm_storeu_ps(each.as_mut_ptr(), totals);
                    for (row, total) in each.into_iter().enumerate() {
                        to.write(FIRST + $at, row, total);
                    }
                }
            }
        };
    }
    // SAFETY: the caller vouches for the instructions and the room of four rows.
    unsafe {
        let totals = sixteen(&[token!(0), token!(1), token!(2), token!(3)]);
        write!(0, totals);
        write!(1, totals);
        write!(2, totals);
        write!(3, totals);
    }
}

/// The lanes of each vector added up.
///
/// # Safety
/// The machine must have AVX-512 F.
#[inline(always)]
unsafe fn totals(sums: [__m512; 4]) -> [f32; 4] {
    // SAFETY: the caller vouches for the instructions; there is room for four values.
    unsafe {
        let mut totals = [0.0; 4];
        _mm_storeu_ps(totals.as_mut_ptr(), _mm512_castps512_ps128(sixteen(&[sums; 4])));
        totals
    }
}

/// The lanes of sixteen vectors added up, in the order of the vectors. Of a vector, what lies half of it apart is added first, then a quarter,
/// until neighbours are left.
///
/// # Safety
/// The machine must have AVX-512 F.
#[inline(always)]
unsafe fn sixteen(sums: &[[__m512; 4]; 4]) -> __m512 {
    // What one half of `a` and `b` has and what the other half has, each side by side, added.
    macro_rules! fold {
        ($shuffle:ident, $a:expr, $b:expr, $lower:literal, $upper:literal) => {
            _mm512_add_ps($shuffle::<$lower>($a, $b), $shuffle::<$upper>($a, $b))
        };
    }
    macro_rules! halves {
        ($row:literal, $one:literal, $other:literal) => {
            fold!(
                _mm512_shuffle_f32x4,
                sums[$one][$row],
                sums[$other][$row],
                0b01_00_01_00,
                0b11_10_11_10
            )
        };
    }
    macro_rules! quarters {
        ($row:literal) => {
            fold!(
                _mm512_shuffle_f32x4,
                halves!($row, 0, 1),
                halves!($row, 2, 3),
                0b10_00_10_00,
                0b11_01_11_01
            )
        };
    }
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let (a, b, c, d) = (quarters!(0), quarters!(1), quarters!(2), quarters!(3));
        let ab = fold!(_mm512_shuffle_ps, a, b, 0b01_00_01_00, 0b11_10_11_10);
        let cd = fold!(_mm512_shuffle_ps, c, d, 0b01_00_01_00, 0b11_10_11_10);
        fold!(_mm512_shuffle_ps, ab, cd, 0b10_00_10_00, 0b11_01_11_01)
    }
}
