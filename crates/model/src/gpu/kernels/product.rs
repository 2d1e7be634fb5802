//! Products with weight matrices, each row of activations with the matrix of its expert; a dense product is the case of one expert.
//!
//! [`tile`] takes on 64 outputs for up to 64 rows and shares what it reads among its units; [`few`] takes on 8 outputs for up to 4 rows, and
//! its units divide the inputs: where rows are few, reading weights is all the work.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::words::{Storage, value};

/// Outputs of a cube of [`tile`], and its most rows.
pub(crate) const TILE: u32 = 64;
/// Units of a cube of [`tile`] along outputs and along rows: each has 4 × 4 sums.
pub(crate) const SIDE: u32 = 16;
/// Inputs that a cube of [`tile`] holds at a time.
const DEPTH: u32 = 16;
/// Outputs of a cube of [`few`].
pub(crate) const FEW_OUTPUTS: u32 = 8;
/// Most rows of a cube of [`few`].
pub(crate) const FEW_ROWS: u32 = 4;
/// Units of [`few`] for an output.
pub(crate) const LANES: u32 = 32;

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
    fn pair(self) -> bool {
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
    rows: u32,
    inputs: u32,
    /// Of each expert.
    outputs: u32,
    /// Words of a row of weights.
    row_words: u32,
    /// Row of the whole buffer, of which this launch has a part, where the first expert begins.
    base: u32,
    /// Rows of the whole buffer that are in this part.
    part_first: u32,
    part_end: u32,
    /// First output that a cube looks at.
    output_first: u32,
    experts: u32,
    top_k: u32,
}

/// The row of a buffer for a grouped one.
#[cube]
fn row_of(plan: &[u32], grouped: u32, experts: u32, top_k: u32, #[comptime] rows: Rows) -> u32 {
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
fn tile_of(plan: &[u32], sizes: &Sizes, #[comptime] height: u32, #[comptime] grouped: bool) -> (u32, u32, u32) {
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
fn finished(first: f32, second: f32, alpha: f32, limit: f32, #[comptime] finish: Finish) -> f32 {
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
fn biased(sum: f32, bias: &[f32], at: u32, #[comptime] yes: bool) -> f32 {
    if comptime!(yes) { sum + bias[at as usize] } else { sum }
}

/// Many rows. Cubes `[outputs / TILE, tiles]` of units `[SIDE, SIDE]`.
#[cube(launch)]
pub(crate) fn tile(
    first: &[u32],
    second: &[u32],
    x: &[f32],
    bias: &[f32],
    plan: &[u32],
    out: &mut [f32],
    sizes: Sizes,
    alpha: f32,
    limit: f32,
    #[comptime] form: Form,
) {
    let pair = comptime!(form.finish.pair());
    let (expert, row_first, rows) = tile_of(plan, &sizes, TILE, form.grouped);
    let output_first = sizes.output_first + CUBE_POS_X * TILE;
    let matrix = sizes.base + expert * sizes.outputs;
    let outside = matrix + sizes.outputs <= sizes.part_first || matrix >= sizes.part_end;
    if rows == 0u32 || outside {
        terminate!();
    }
    let mut xs = Shared::<[f32]>::new_slice(comptime!((TILE * DEPTH) as usize));
    let mut ws = Shared::<[f32]>::new_slice(comptime!((TILE * DEPTH) as usize));
    let mut vs = Shared::<[f32]>::new_slice(comptime!(if pair { (TILE * DEPTH) as usize } else { 1 }));
    let mut sums = Array::<f32>::new(16usize);
    let mut others = Array::<f32>::new(16usize);
    #[unroll]
    for i in 0..16usize {
        sums[i] = 0.0f32;
        others[i] = 0.0f32;
    }
    // Each unit fetches 4 neighbouring inputs of one row and of one output.
    let fetched = UNIT_POS / 4u32;
    let fetched_depth = (UNIT_POS % 4u32) * 4u32;
    let row_there = fetched < rows;
    let mut x_row = 0u32;
    if row_there {
        x_row = row_of(plan, row_first + fetched, sizes.experts, sizes.top_k, form.read) * sizes.inputs;
    }
    let output = output_first + fetched;
    let flat = matrix + output;
    let output_there = output < sizes.outputs && flat >= sizes.part_first && flat < sizes.part_end;
    let mut word = 0u32;
    if output_there {
        word = (flat - sizes.part_first) * sizes.row_words;
    }
    let mut depth = 0u32;
    while depth < sizes.inputs {
        #[unroll]
        for i in 0..4u32 {
            let column = depth + fetched_depth + i;
            let there = column < sizes.inputs;
            let at = ((fetched_depth + i) * TILE + fetched) as usize;
            xs[at] = 0.0f32;
            ws[at] = 0.0f32;
            if comptime!(pair) {
                vs[at] = 0.0f32;
            }
            if there && row_there {
                xs[at] = x[(x_row + column) as usize];
            }
            if there && output_there {
                ws[at] = value(first, word as usize, column as usize, form.storage);
                if comptime!(pair) {
                    vs[at] = value(second, word as usize, column as usize, form.storage);
                }
            }
        }
        sync_cube();
        for step in 0..DEPTH {
            let at = step * TILE;
            #[unroll]
            for i in 0..4u32 {
                let a = xs[(at + UNIT_POS_Y + SIDE * i) as usize];
                #[unroll]
                for j in 0..4u32 {
                    let place = comptime!((4 * i + j) as usize);
                    sums[place] += a * ws[(at + UNIT_POS_X + SIDE * j) as usize];
                    if comptime!(pair) {
                        others[place] += a * vs[(at + UNIT_POS_X + SIDE * j) as usize];
                    }
                }
            }
        }
        sync_cube();
        depth += DEPTH;
    }
    #[unroll]
    for i in 0..4u32 {
        let row = UNIT_POS_Y + SIDE * i;
        if row < rows {
            let target = row_of(plan, row_first + row, sizes.experts, sizes.top_k, form.write) * sizes.outputs;
            #[unroll]
            for j in 0..4u32 {
                let output = output_first + UNIT_POS_X + SIDE * j;
                let flat = matrix + output;
                if output < sizes.outputs && flat >= sizes.part_first && flat < sizes.part_end {
                    let place = comptime!((4 * i + j) as usize);
                    let at = expert * sizes.outputs + output;
                    let sum = biased(sums[place], bias, at, form.biased);
                    let other = biased(
                        others[place],
                        bias,
                        at + sizes.experts * sizes.outputs,
                        comptime!(form.biased && pair),
                    );
                    out[(target + output) as usize] = finished(sum, other, alpha, limit, form.finish);
                }
            }
        }
    }
}

/// Few rows. Cubes `[outputs / FEW_OUTPUTS, tiles]` of units `[LANES, FEW_OUTPUTS]`.
#[cube(launch)]
pub(crate) fn few(
    first: &[u32],
    second: &[u32],
    x: &[f32],
    bias: &[f32],
    plan: &[u32],
    out: &mut [f32],
    sizes: Sizes,
    alpha: f32,
    limit: f32,
    #[comptime] form: Form,
) {
    let pair = comptime!(form.finish.pair());
    let (expert, row_first, rows) = tile_of(plan, &sizes, FEW_ROWS, form.grouped);
    let output_first = sizes.output_first + CUBE_POS_X * FEW_OUTPUTS;
    let matrix = sizes.base + expert * sizes.outputs;
    let outside = matrix + sizes.outputs <= sizes.part_first || matrix >= sizes.part_end;
    if rows == 0u32 || outside {
        terminate!();
    }
    let mut partial = Shared::<[f32]>::new_slice(comptime!((LANES * FEW_OUTPUTS * FEW_ROWS) as usize));
    let mut others = Shared::<[f32]>::new_slice(comptime!(if pair {
        (LANES * FEW_OUTPUTS * FEW_ROWS) as usize
    } else {
        1
    }));
    let mut sums = Array::<f32>::new(4usize);
    let mut seconds = Array::<f32>::new(4usize);
    let mut x_rows = Array::<u32>::new(4usize);
    #[unroll]
    for i in 0..4u32 {
        sums[i as usize] = 0.0f32;
        seconds[i as usize] = 0.0f32;
        // Rows that are not there are the first once more.
        let row = if i < rows { row_first + i } else { row_first };
        x_rows[i as usize] = row_of(plan, row, sizes.experts, sizes.top_k, form.read) * sizes.inputs;
    }
    let output = output_first + UNIT_POS_Y;
    let flat = matrix + output;
    let there = output < sizes.outputs && flat >= sizes.part_first && flat < sizes.part_end;
    if there {
        let word = ((flat - sizes.part_first) * sizes.row_words) as usize;
        let per_word = comptime!(form.storage.per_word() as u32);
        let mut column = UNIT_POS_X * per_word;
        while column < sizes.inputs {
            #[unroll]
            for half in 0..per_word {
                let at = column + half;
                if at < sizes.inputs {
                    let weight = value(first, word, at as usize, form.storage);
                    let mut other = 0.0f32;
                    if comptime!(pair) {
                        other = value(second, word, at as usize, form.storage);
                    }
                    #[unroll]
                    for i in 0..4u32 {
                        let a = x[(x_rows[i as usize] + at) as usize];
                        sums[i as usize] += a * weight;
                        if comptime!(pair) {
                            seconds[i as usize] += a * other;
                        }
                    }
                }
            }
            column += LANES * per_word;
        }
    }
    #[unroll]
    for i in 0..4u32 {
        let at = ((UNIT_POS_Y * FEW_ROWS + i) * LANES + UNIT_POS_X) as usize;
        partial[at] = sums[i as usize];
        if comptime!(pair) {
            others[at] = seconds[i as usize];
        }
    }
    sync_cube();
    if there && UNIT_POS_X < rows {
        let begin = (UNIT_POS_Y * FEW_ROWS + UNIT_POS_X) * LANES;
        let mut sum = 0.0f32;
        let mut other = 0.0f32;
        for lane in 0..LANES {
            sum += partial[(begin + lane) as usize];
            if comptime!(pair) {
                other += others[(begin + lane) as usize];
            }
        }
        let at = expert * sizes.outputs + output;
        sum = biased(sum, bias, at, form.biased);
        other = biased(
            other,
            bias,
            at + sizes.experts * sizes.outputs,
            comptime!(form.biased && pair),
        );
        let target = row_of(plan, row_first + UNIT_POS_X, sizes.experts, sizes.top_k, form.write) * sizes.outputs;
        out[(target + output) as usize] = finished(sum, other, alpha, limit, form.finish);
    }
}
