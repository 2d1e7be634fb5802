//! Products of many rows: a cube takes on 64 outputs for up to 64 rows, and its units share what they read.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::product::{Form, Sizes, biased, finished, row_of, tile_of};
use super::words::value;

/// Outputs of a cube, and its most rows.
pub(crate) const TILE: u32 = 64;
/// Units of a cube along outputs and along rows: each has 4 × 4 sums.
pub(crate) const SIDE: u32 = 16;
/// Inputs that a cube holds at a time.
const DEPTH: u32 = 16;

/// Cubes `[outputs / TILE, tiles]` of units `[SIDE, SIDE]`.
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
