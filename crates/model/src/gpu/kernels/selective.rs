//! The recurrence of Mamba2 (`blocks::mamba2`): a unit has one row of a head's matrix, and goes through the tokens.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::activation::softplus;
use super::steps::{CACHED, NOTHING, ON, PADDING, WORDS, clear, load, reload, save};

/// What a kernel is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SelectiveForm {
    pub(crate) heads: u32,
    pub(crate) head_dim: u32,
    pub(crate) groups: u32,
    pub(crate) state: u32,
    /// States go on from those of before, and are kept.
    pub(crate) remembers: bool,
}

/// One unit for each row of the batch and value of `y`, `[cells, heads * head_dim]`, 0 at padding.
///
/// `projected` has Δ in its last columns, and `mixed` is `[x | B | C]`. `per_head` is `[3, heads]`: the bias of Δ, exp of `A_log`, and D. `past` and
/// `states` are matrices `[heads, head_dim, state]`: of each row, and in `states` then of each row's kept ones.
#[cube(launch)]
pub(crate) fn selective(
    projected: &[f32],
    mixed: &[f32],
    per_head: &[f32],
    steps: &[u32],
    past: &[f32],
    states: &mut [f32],
    y: &mut [f32],
    rows: u32,
    length: u32,
    slots: u32,
    #[comptime] form: SelectiveForm,
) {
    let inner = comptime!(form.heads * form.head_dim);
    let width = comptime!(form.state);
    let index = ABSOLUTE_POS as u32;
    if index >= rows * inner {
        terminate!();
    }
    let row = index / inner;
    let channel = index % inner;
    let head = channel / comptime!(form.head_dim);
    let group = head / comptime!(form.heads / form.groups);
    let bias = per_head[head as usize];
    let rate = per_head[(head + comptime!(form.heads)) as usize];
    let skip = per_head[(head + comptime!(2 * form.heads)) as usize];
    let channels = comptime!(form.heads * form.head_dim + 2 * form.groups * form.state);
    let columns = comptime!(2 * form.heads * form.head_dim + 2 * form.groups * form.state + form.heads);
    let size = comptime!(form.heads * form.head_dim * form.state);
    let own = channel * width;
    let mut kept = row * slots;
    if comptime!(form.remembers) {
        kept += rows;
    }
    let mut matrix = Array::<f32>::new(comptime!(form.state as usize));
    if comptime!(form.remembers) {
        load(&mut matrix, past, row * size + own, 1u32, width);
    } else {
        clear(&mut matrix, width);
    }
    for at in 0..length {
        let cell = row * length + at;
        let from = steps[(WORDS * cell + 1u32) as usize];
        let keep = steps[(WORDS * cell + 2u32) as usize];
        let mut said = 0.0f32;
        if from != PADDING {
            if from == NOTHING {
                clear(&mut matrix, width);
            } else if from == CACHED {
                load(&mut matrix, past, row * size + own, 1u32, width);
            } else if from != ON {
                reload(&mut matrix, states, (kept + from - 1u32) * size + own, 1u32, width);
            }
            let x = mixed[(cell * channels + channel) as usize];
            let dt = projected[((cell + 1u32) * columns + head - comptime!(form.heads)) as usize];
            let dt = softplus(dt + bias);
            let decay = (-(dt * rate)).exp();
            let taken = dt * x;
            let b = cell * channels + inner + group * width;
            let c = b + comptime!(form.groups * form.state);
            for i in 0..width {
                let value = matrix[i as usize] * decay + taken * mixed[(b + i) as usize];
                matrix[i as usize] = value;
                said += value * mixed[(c + i) as usize];
            }
            said += skip * x;
            if keep != ON {
                save(&matrix, states, (kept + keep - 1u32) * size + own, 1u32, width);
            }
        }
        y[(cell * inner + channel) as usize] = said;
    }
    if comptime!(form.remembers) {
        save(&matrix, states, row * size + own, 1u32, width);
    }
}
