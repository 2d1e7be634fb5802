//! The path for machines without known vector instructions: four lanes that the compiler may turn into a register.

#![allow(unsafe_code)]
// Into whoever names the instructions, all of it must be inlined.
#![allow(clippy::inline_always)]

use half::{bf16, f16};

use crate::vector::{MOST_TOKENS, Vector, compiled_for};
use crate::weights::{BF16, F16};

/// Arrays of four f32.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

const WIDTH: usize = 4;

impl Vector for Portable {
    type Value = f32;
    type Factors = [f32; WIDTH];
    type Sums = [f32; WIDTH];

    const WIDTH: usize = WIDTH;
    const PARTS: usize = 1;
    const SPLITS: bool = false;
    const TOKENS: usize = 4;
    const ROWS: [usize; MOST_TOKENS] = [4, 3, 3, 3, 0, 0, 0, 0];
    const STREAMS: [usize; MOST_TOKENS] = Self::ROWS;
    const AHEAD: usize = 8 << 10;
    const SPAN: usize = 1024;
    const PAIRS: bool = false;
    const PANELS_FROM: usize = 12;

    fn available() -> bool {
        true
    }

    #[inline(always)]
    unsafe fn zero() -> Self::Sums {
        [0.0; WIDTH]
    }

    #[inline(always)]
    unsafe fn activations(from: *const f32) -> Self::Factors {
        // SAFETY: the caller vouches for the values.
        unsafe { from.cast::<[f32; WIDTH]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn weights<const DTYPE: u8>(from: *const u8, _: usize) -> Self::Factors {
        // SAFETY: the caller vouches for the values.
        unsafe {
            match DTYPE {
                BF16 => from
                    .cast::<[[u8; 2]; WIDTH]>()
                    .read_unaligned()
                    .map(|bytes| bf16::from_le_bytes(bytes).to_f32()),
                F16 => from
                    .cast::<[[u8; 2]; WIDTH]>()
                    .read_unaligned()
                    .map(|bytes| f16::from_le_bytes(bytes).to_f32()),
                _ => from.cast::<[[u8; 4]; WIDTH]>().read_unaligned().map(f32::from_le_bytes),
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(x: Self::Factors, w: Self::Factors, mut sums: Self::Sums) -> Self::Sums {
        for lane in 0..WIDTH {
            sums[lane] += x[lane] * w[lane];
        }
        sums
    }

    #[inline(always)]
    unsafe fn totals(sums: [Self::Sums; 4]) -> [f32; 4] {
        sums.map(|[a, b, c, d]| (a + b) + (c + d))
    }

    #[inline(always)]
    unsafe fn store(weights: Self::Factors, to: *mut f32) {
        // SAFETY: the caller vouches for the room.
        unsafe { to.cast::<Self::Factors>().write_unaligned(weights) }
    }

    compiled_for!();
}
