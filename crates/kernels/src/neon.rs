//! NEON: four lanes, thirty-two registers. A tile of four rows × six tokens takes 24 for sums, four for weights and one for activations.
//!
//! What the standard library has no stable function for is written as one instruction of assembly.

#![allow(unsafe_code)]
// Into whoever names the instructions, all of it must be inlined.
#![allow(clippy::inline_always)]

use std::arch::aarch64::{
    float32x4_t, uint16x4_t, uint16x8_t, vdupq_n_f32, vfmaq_f32, vld1_u8, vld1q_f32, vld1q_u8, vld1q_u16, vpaddq_f32,
    vreinterpret_u16_u8, vreinterpretq_f32_u8, vreinterpretq_f32_u32, vreinterpretq_u16_u8, vshll_n_u16, vst1q_f32,
    vst1q_u16,
};
use std::arch::{asm, is_aarch64_feature_detected};

use crate::vector::{MOST_TOKENS, Vector, compiled_for};
use crate::weights::{BF16, F16};

/// Four f32.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

impl Vector for Neon {
    type Value = f32;
    type Factors = float32x4_t;
    type Sums = float32x4_t;

    const WIDTH: usize = 4;
    const PARTS: usize = 1;
    const SPLITS: bool = false;
    const TOKENS: usize = 6;
    const ROWS: [usize; MOST_TOKENS] = [4, 4, 4, 4, 4, 4, 0, 0];
    const STREAMS: [usize; MOST_TOKENS] = Self::ROWS;
    const AHEAD: usize = 8 << 10;
    const SPAN: usize = 1024;
    const PAIRS: bool = false;
    const PANELS_FROM: usize = usize::MAX;

    fn available() -> bool {
        // Bytes are reinterpreted, not turned around.
        cfg!(target_endian = "little") && is_aarch64_feature_detected!("neon")
    }

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: the caller vouches for the instructions.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    unsafe fn activations(from: *const f32) -> float32x4_t {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn weights<const DTYPE: u8>(from: *const u8, _: usize) -> float32x4_t {
        // SAFETY: the caller vouches for the instructions and the values. Bytes need no alignment.
        unsafe {
            match DTYPE {
                BF16 => vreinterpretq_f32_u32(vshll_n_u16::<16>(vreinterpret_u16_u8(vld1_u8(from)))),
                F16 => widen(vreinterpret_u16_u8(vld1_u8(from))),
                _ => vreinterpretq_f32_u8(vld1q_u8(from)),
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(x: float32x4_t, w: float32x4_t, sums: float32x4_t) -> float32x4_t {
        // SAFETY: the caller vouches for the instructions.
        unsafe { vfmaq_f32(sums, x, w) }
    }

    #[inline(always)]
    unsafe fn totals(sums: [float32x4_t; 4]) -> [f32; 4] {
        // SAFETY: the caller vouches for the instructions.
        unsafe { totals(sums) }
    }

    #[inline(always)]
    unsafe fn store(weights: float32x4_t, to: *mut f32) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { vst1q_f32(to, weights) }
    }

    compiled_for!("neon");
}

/// Four pairs of bf16, whose products are summed in f32.
#[derive(Clone, Copy)]
pub(crate) struct NeonBf16;

impl Vector for NeonBf16 {
    type Value = u16;
    type Factors = uint16x8_t;
    type Sums = float32x4_t;

    const WIDTH: usize = 8;
    const PARTS: usize = 1;
    const SPLITS: bool = false;
    const TOKENS: usize = 6;
    const ROWS: [usize; MOST_TOKENS] = [4, 4, 4, 4, 4, 4, 0, 0];
    const STREAMS: [usize; MOST_TOKENS] = Self::ROWS;
    const AHEAD: usize = 8 << 10;
    const SPAN: usize = 2048;
    const PAIRS: bool = true;
    const PANELS_FROM: usize = usize::MAX;

    fn available() -> bool {
        Neon::available() && is_aarch64_feature_detected!("bf16")
    }

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: the caller vouches for the instructions.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    unsafe fn activations(from: *const u16) -> uint16x8_t {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe { vld1q_u16(from) }
    }

    #[inline(always)]
    unsafe fn weights<const DTYPE: u8>(from: *const u8, _: usize) -> uint16x8_t {
        // SAFETY: the caller vouches for the instructions and the values.
        unsafe { vreinterpretq_u16_u8(vld1q_u8(from)) }
    }

    #[inline(always)]
    unsafe fn multiply_add(x: uint16x8_t, w: uint16x8_t, mut sums: float32x4_t) -> float32x4_t {
        // SAFETY: the caller vouches for the instructions; this one reads and writes the named registers alone.
        unsafe {
            asm!(
                ".arch_extension bf16",
                "bfdot {sums:v}.4s, {x:v}.8h, {w:v}.8h",
                sums = inlateout(vreg) sums,
                x = in(vreg) x,
                w = in(vreg) w,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sums
    }

    #[inline(always)]
    unsafe fn totals(sums: [float32x4_t; 4]) -> [f32; 4] {
        // SAFETY: the caller vouches for the instructions.
        unsafe { totals(sums) }
    }

    #[inline(always)]
    unsafe fn store(weights: uint16x8_t, to: *mut u16) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { vst1q_u16(to, weights) }
    }

    compiled_for!("neon,bf16");
}

/// Four f16 as f32.
///
/// # Safety
/// The machine must have NEON.
#[inline(always)]
unsafe fn widen(halves: uint16x4_t) -> float32x4_t {
    let wide: float32x4_t;
    // SAFETY: the caller vouches for the instruction, which reads and writes the named registers, and the flags of exceptions.
    unsafe {
        asm!(
            "fcvtl {wide:v}.4s, {halves:v}.4h",
            wide = lateout(vreg) wide,
            halves = in(vreg) halves,
            options(pure, nomem, nostack),
        );
    }
    wide
}

/// The lanes of each vector added up.
///
/// # Safety
/// The machine must have NEON.
#[inline(always)]
unsafe fn totals([a, b, c, d]: [float32x4_t; 4]) -> [f32; 4] {
    let mut totals = [0.0; 4];
    // SAFETY: the caller vouches for the instructions; there is room for four values.
    unsafe { vst1q_f32(totals.as_mut_ptr(), vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))) };
    totals
}
