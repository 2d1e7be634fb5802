//! Products with weight matrices, each row of activations with the matrix of its expert; a dense product is the case of one expert. Here is
//! what the kernel of many rows ([`super::tile`]) and that of few ([`super::few`]) share.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::words::Storage;

/// Which row of a buffer belongs to a grouped row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rows {
    /// The grouped row itself.
    Grouped,
    /// Its slot.
    Slot,
    /// Its token.
    Token,
}

/// What becomes of a sum, or of the two of a gate and an up projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Finish {
    /// One sum as it is.
    Plain,
    /// One sum: `relu(x)²`.
    ReluSquared,
    /// Two: `silu(gate) · up`.
    SiluGated,
    /// Two: gate cut off above, up on both sides.
    ClampedGated,
}

impl Finish {
    pub(super) fn pair(self) -> bool {
        matches!(self, Self::SiluGated | Self::ClampedGated)
    }
}

/// What a kernel is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    pub(crate) storage: Storage,
    /// Rows are grouped by a plan; else they are all of one expert.
    pub(crate) grouped: bool,
    pub(crate) read: Rows,
    pub(crate) write: Rows,
    pub(crate) finish: Finish,
    pub(crate) biased: bool,
}

/// Sizes and places, which change from launch to launch.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(crate) struct Sizes {
    /// Of the activations.
    pub(crate) rows: u32,
    pub(crate) inputs: u32,
    /// Of each expert.
    pub(crate) outputs: u32,
    /// Words of a row of weights.
    pub(crate) row_words: u32,
    /// Row of the whole buffer, of which this launch has a part, where the first expert begins.
    pub(crate) base: u32,
    /// Rows of the whole buffer that are in this part.
    pub(crate) part_first: u32,
    pub(crate) part_end: u32,
    /// First output that a cube looks at.
    pub(crate) output_first: u32,
    pub(crate) experts: u32,
    pub(crate) top_k: u32,
}

/// The row of a buffer for a grouped one.
#[cube]
pub(super) fn row_of(plan: &[u32], grouped: u32, experts: u32, top_k: u32, #[comptime] rows: Rows) -> u32 {
    if comptime!(rows == Rows::Grouped) {
        grouped
    } else {
        let slot = plan[(experts + grouped) as usize];
        if comptime!(rows == Rows::Token) {
            slot / top_k
        } else {
            slot
        }
    }
}

/// A cube's expert, first grouped row and rows.
#[cube]
pub(super) fn tile_of(
    plan: &[u32],
    sizes: &Sizes,
    #[comptime] height: u32,
    #[comptime] grouped: bool,
) -> (u32, u32, u32) {
    if comptime!(grouped) {
        let at = (sizes.experts + sizes.rows + 3u32 * CUBE_POS_Y) as usize;
        (plan[at], plan[at + 1], plan[at + 2])
    } else {
        let first = CUBE_POS_Y * height;
        (0u32.runtime(), first, min(height, sizes.rows - first))
    }
}

/// The end of a sum.
#[cube]
pub(super) fn finished(first: f32, second: f32, alpha: f32, limit: f32, #[comptime] finish: Finish) -> f32 {
    match comptime!(finish) {
        Finish::Plain => first,
        Finish::ReluSquared => {
            let positive = if first < 0.0f32 { 0.0f32.runtime() } else { first };
            positive * positive
        }
        Finish::SiluGated => first / (1.0f32 + (-first).exp()) * second,
        Finish::ClampedGated => {
            // Comparisons that a NaN passes through.
            let gate = if first > limit { limit } else { first };
            let mut up = second;
            if second > limit {
                up = limit;
            } else if second < -limit {
                up = -limit;
            }
            (up + 1.0f32) * (gate / (1.0f32 + (-(alpha * gate)).exp()))
        }
    }
}

/// Adds biases: `[experts, outputs]` of the first projection, then of the second.
#[cube]
pub(super) fn biased(sum: f32, bias: &[f32], at: u32, #[comptime] yes: bool) -> f32 {
    if comptime!(yes) { sum + bias[at as usize] } else { sum }
}
