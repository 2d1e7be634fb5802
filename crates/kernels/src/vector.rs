//! What a machine's vector instructions have to offer: all that differs between the paths.

#![allow(unsafe_code)]

use crate::columns::Columns;
use crate::packed::Packed;
use crate::precision::{Precision, bf16_bits};
use crate::tile::Target;
use crate::weights::Weights;

/// Most tokens of a tile.
pub(crate) const MOST_TOKENS: usize = 8;

/// Weights and activations are multiplied a step of `WIDTH` columns at a time, in one or more parts of as many lanes, and summed lane by lane.
///
/// Two bf16 lie in 32 bits: a shift makes the even ones f32, a mask the odd ones. Where these are a path's parts ([`Vector::SPLITS`]), activations
/// are packed to match.
///
/// The functions are inlined into [`Vector::tile`], which says what instructions the compiler may use for them.
///
/// # Safety of the functions
/// The machine must have the instructions, as [`Vector::available`] tells. Where a pointer comes in, all that is read from there must be readable: a
/// part of activations, a step of weights. They need not be aligned.
pub(crate) trait Vector: Copy + Send + Sync + 'static {
    /// An activation as it is multiplied: f32, or the bits of a bf16.
    type Value: Value;
    /// Weights or activations.
    type Factors: Copy;
    /// Sums of products.
    type Sums: Copy;

    /// Columns of a step.
    const WIDTH: usize;
    /// Parts of a step.
    const PARTS: usize;
    /// Of bf16 weights, the first part has the even columns of a step and the second the odd ones.
    const SPLITS: bool;
    /// Tokens of a tile, at most [`MOST_TOKENS`], where weights serve many of them.
    const TOKENS: usize;
    /// Rows of a tile by its tokens, less one; 4 at most. What a tile needs should fit into registers.
    const ROWS: [usize; MOST_TOKENS];
    /// The same where weights are waited for: rows far apart, each a stream of its own. More of them are no faster where the memory's pages are
    /// what takes the time.
    const STREAMS: [usize; MOST_TOKENS];
    /// Most tokens whose weights are waited for in one tile.
    const ALONE: usize = Self::TOKENS;
    /// Tokens of a tile, where there are more: the others find the weights of the first in a cache.
    const BESIDE: usize = Self::TOKENS;
    /// How far ahead weights are fetched of each of such streams, in bytes.
    const AHEAD: usize;
    /// Most columns that are summed at a time: those of a tile's tokens should fill about half of the first cache.
    const SPAN: usize;
    /// bf16 weights are multiplied as they are, and no others.
    const PAIRS: bool;
    /// Tokens from which weights are worth a [`crate::panel`]; `usize::MAX` where it was never measured.
    const PANELS_FROM: usize;

    /// Panels are filled before their first tile, and not by it: it would need more registers than there are.
    const FILLS_FIRST: bool = false;

    /// Whether this machine has the instructions.
    fn available() -> bool;

    /// [`crate::blocks::product`], on a machine that can run it, of what fits together.
    fn product(x: &Packed<'_, Self>, w: Weights<'_>, then: Option<*const u8>, out: &mut Columns<'_>) {
        crate::blocks::tiles::<Self>(x, w, then, out);
    }

    /// Sums of nothing.
    unsafe fn zero() -> Self::Sums;

    /// A part of activations.
    unsafe fn activations(from: *const Self::Value) -> Self::Factors;

    /// A part of the step of weights that begins there; `DTYPE` is a [`crate::weights::WeightDtype`].
    unsafe fn weights<const DTYPE: u8>(from: *const u8, part: usize) -> Self::Factors;

    /// `column`, without the compiler's knowing: it loads weights again for the next part where it would run out of registers to keep them in.
    fn again(column: usize) -> usize {
        column
    }

    /// Has the bytes there, which need not exist, brought into a cache: the first, unless activations of many tokens need it.
    fn prefetch<const T: usize>(_: *const u8) {}

    /// `sums + x · w`.
    unsafe fn multiply_add(x: Self::Factors, w: Self::Factors, sums: Self::Sums) -> Self::Sums;

    /// Each vector's lanes added up, in an order that does not depend on the other vectors.
    unsafe fn totals(sums: [Self::Sums; 4]) -> [f32; 4];

    /// Writes weights to where [`Vector::activations`] reads the same.
    unsafe fn store(weights: Self::Factors, to: *mut Self::Value);

    /// Every sum's lanes added up, and written.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    unsafe fn write<const R: usize, const T: usize>(sums: [[Self::Sums; R]; T], to: Target) {
        // SAFETY: the caller vouches for the instructions and the room.
        unsafe { crate::tile::write_fours::<Self, R, T>(sums, to) }
    }

    /// A row of pairs, multiplied by a weight and rounded, with zeros behind its last column.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Into whoever names the instructions.
    unsafe fn pack_pairs(row: &[f32], weight: f32, to: &mut [Self::Value]) {
        // A bf16 is rounded as it is stored.
        crate::packed::pack_as::<Self, false>(row, weight, Self::Value::of, to);
    }

    /// [`crate::packed::pack`], compiled for these instructions.
    unsafe fn pack(row: &[f32], weight: f32, splits: bool, precision: Precision, to: &mut [Self::Value]);

    /// [`crate::tile::run`], compiled for these instructions.
    unsafe fn tile<const DTYPE: u8, const R: usize, const T: usize>(
        x: &[&[Self::Value]; T],
        w: crate::tile::Rows<'_>,
        to: Target,
    );

    /// [`Vector::tile`], which leaves its weights in a panel.
    unsafe fn tile_filling<const DTYPE: u8, const R: usize, const T: usize>(
        x: &[&[Self::Value]; T],
        w: crate::tile::Rows<'_>,
        panel: &mut [Self::Value],
        to: Target,
    );

    /// [`crate::panel::run`], compiled for these instructions.
    unsafe fn tile_of_panel<const R: usize, const T: usize>(x: &[&[Self::Value]; T], panel: &[Self::Value], to: Target);
}

/// The functions of a [`Vector`] that are compiled for its instructions, whose names the compiler knows.
macro_rules! compiled_for {
    ($($instructions:literal)?) => {
        $(#[target_feature(enable = $instructions)])?
        unsafe fn pack(
            row: &[f32],
            weight: f32,
            splits: bool,
            precision: crate::precision::Precision,
            to: &mut [Self::Value],
        ) {
            // SAFETY: the caller vouches for the instructions.
            unsafe { crate::packed::pack::<Self>(row, weight, splits, precision, to) }
        }

        $(#[target_feature(enable = $instructions)])?
        unsafe fn tile<const DTYPE: u8, const R: usize, const T: usize>(
            x: &[&[Self::Value]; T],
            w: crate::tile::Rows<'_>,
            to: crate::tile::Target,
        ) {
            // SAFETY: the caller vouches for the instructions and the room.
            unsafe { crate::tile::run::<Self, DTYPE, false, R, T>(x, w, &mut [], to) }
        }

        $(#[target_feature(enable = $instructions)])?
        unsafe fn tile_filling<const DTYPE: u8, const R: usize, const T: usize>(
            x: &[&[Self::Value]; T],
            w: crate::tile::Rows<'_>,
            panel: &mut [Self::Value],
            to: crate::tile::Target,
        ) {
            // SAFETY: the caller vouches for the instructions and the room.
            unsafe {
                if const { Self::FILLS_FIRST } {
                    crate::panel::fill::<Self, DTYPE, R>(w, panel);
                    crate::panel::run::<Self, R, T>(x, panel, to);
                } else {
                    crate::tile::run::<Self, DTYPE, true, R, T>(x, w, panel, to);
                }
            }
        }

        $(#[target_feature(enable = $instructions)])?
        unsafe fn tile_of_panel<const R: usize, const T: usize>(
            x: &[&[Self::Value]; T],
            panel: &[Self::Value],
            to: crate::tile::Target,
        ) {
            // SAFETY: the caller vouches for the instructions and the room.
            unsafe { crate::panel::run::<Self, R, T>(x, panel, to) }
        }
    };
}

pub(crate) use compiled_for;

/// An activation as it is multiplied.
pub(crate) trait Value: bytemuck::Pod + Send + Sync {
    /// Of an activation, which is rounded to bf16 if `Self` has no other form.
    fn of(x: f32) -> Self;

    /// The same values without a copy.
    fn same(x: &[f32]) -> Option<&[Self]>;
}

impl Value for f32 {
    fn of(x: f32) -> Self {
        x
    }

    fn same(x: &[f32]) -> Option<&[Self]> {
        Some(x)
    }
}

impl Value for u16 {
    fn of(x: f32) -> Self {
        bf16_bits(x)
    }

    fn same(_: &[f32]) -> Option<&[Self]> {
        None
    }
}
