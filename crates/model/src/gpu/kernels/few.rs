//! Products of few rows: a cube takes on 8 outputs for up to 4 rows, and its units divide the inputs. Reading weights is all the work.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::product::{Form, Sizes, biased, finished, row_of, tile_of};
use super::words::value;

/// Outputs of a cube.
pub(crate) const FEW_OUTPUTS: u32 = 8;
/// Most rows of a cube.
pub(crate) const FEW_ROWS: u32 = 4;
/// Units for an output.
pub(crate) const LANES: u32 = 32;

/// Cubes `[outputs / FEW_OUTPUTS, tiles]` of units `[LANES, FEW_OUTPUTS]`.
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
