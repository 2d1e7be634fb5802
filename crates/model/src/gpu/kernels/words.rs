//! Weights as they lie on a device: 32-bit words, one f32 or two halves each.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// How a word is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Storage {
    /// One f32.
    F32,
    /// Two bf16, the first in the lower half.
    Bf16,
    /// Two f16, likewise.
    F16,
}

impl Storage {
    /// Values in a word.
    pub(crate) fn per_word(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 | Self::F16 => 2,
        }
    }
}

/// The value at `column` of the row that begins at word `row`.
#[cube]
pub(crate) fn value(words: &[u32], row: usize, column: usize, #[comptime] storage: Storage) -> f32 {
    if comptime!(storage == Storage::F32) {
        f32::reinterpret(words[row + column])
    } else {
        let word = words[row + column / 2];
        if column % 2 == 1 {
            widened(word >> 16, storage)
        } else {
            widened(word & 0xffffu32, storage)
        }
    }
}

/// The bits of a half, without loss; bf16 is the upper half of an f32.
#[cube]
pub(crate) fn widened(half: u32, #[comptime] storage: Storage) -> f32 {
    if comptime!(storage == Storage::Bf16) {
        f32::reinterpret(half << 16)
    } else {
        let sign = (half & 0x8000u32) << 16;
        let exponent = (half >> 10) & 0x1fu32;
        let mantissa = half & 0x3ffu32;
        // 2⁻²⁴ for each unit of a subnormal.
        let mut bits = u32::reinterpret(f32::cast_from(mantissa) * 5.960_464_5e-8f32);
        if exponent == 31u32 {
            bits = 0x7f80_0000u32 | (mantissa << 13);
        } else if exponent != 0u32 {
            bits = ((exponent + 112u32) << 23) | (mantissa << 13);
        }
        f32::reinterpret(bits | sign)
    }
}

/// Whether a value is neither infinite nor NaN, by its bits: comparisons may be optimised away.
#[cube]
pub(crate) fn finite(value: f32) -> bool {
    (u32::reinterpret(value) & 0x7f80_0000u32) != 0x7f80_0000u32
}

/// NaN if `bad`, else `value`.
#[cube]
pub(crate) fn poisoned(value: f32, bad: bool) -> f32 {
    let mut bits = u32::reinterpret(value);
    if bad {
        bits = 0x7fc0_0000u32;
    }
    f32::reinterpret(bits)
}
