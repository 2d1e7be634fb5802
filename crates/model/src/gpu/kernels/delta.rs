//! The gated delta rule (`blocks::delta_net`): a unit has one column of a head's matrix, and goes through the tokens.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::activation::{sigmoid, softplus, total};
use super::steps::{CACHED, NOTHING, ON, PADDING, WORDS, clear, load, reload, save};

/// What a kernel is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DeltaForm {
    pub(crate) key_heads: u32,
    pub(crate) value_heads: u32,
    pub(crate) key_dim: u32,
    pub(crate) value_dim: u32,
    /// States go on from those of before, and are kept.
    pub(crate) remembers: bool,
}

/// Units of a cube of [`unit_lengths`].
pub(crate) const LENGTH_UNITS: u32 = 32;

/// One cube for each cell and head of `[q | k | v]`: queries and keys to unit length, queries multiplied by `scale` then.
#[cube(launch)]
pub(crate) fn unit_lengths(qkv: &mut [f32], cells: u32, scale: f32, epsilon: f32, #[comptime] form: DeltaForm) {
    let heads = comptime!(2 * form.key_heads);
    let columns = comptime!(2 * form.key_heads * form.key_dim + form.value_heads * form.value_dim);
    let index = CUBE_POS as u32;
    if index >= cells * heads {
        terminate!();
    }
    let head = index % heads;
    let first = index / heads * columns + head * comptime!(form.key_dim);
    let mut own = 0.0f32;
    let mut at = UNIT_POS;
    while at < comptime!(form.key_dim) {
        let value = qkv[(first + at) as usize];
        own += value * value;
        at += LENGTH_UNITS;
    }
    let mut factor = 1.0f32 / (total(own, LENGTH_UNITS) + epsilon).sqrt();
    if head < comptime!(form.key_heads) {
        factor *= scale;
    }
    let mut at = UNIT_POS;
    while at < comptime!(form.key_dim) {
        qkv[(first + at) as usize] *= factor;
        at += LENGTH_UNITS;
    }
}

/// One unit for each row of the batch and value of `y`, `[cells, value_heads * value_dim]`, 0 at padding.
///
/// `gates` are `[b | a]`. `per_head` is `[2, value_heads]`: the bias of a, and exp of `A_log`. `past` and `states` are matrices
/// `[value_heads, key_dim, value_dim]`: of each row, and in `states` then of each row's kept ones.
#[cube(launch)]
pub(crate) fn delta(
    qkv: &[f32],
    gates: &[f32],
    per_head: &[f32],
    steps: &[u32],
    past: &[f32],
    states: &mut [f32],
    y: &mut [f32],
    rows: u32,
    length: u32,
    slots: u32,
    #[comptime] form: DeltaForm,
) {
    let inner = comptime!(form.value_heads * form.value_dim);
    let keys = comptime!(form.key_heads * form.key_dim);
    let width = comptime!(form.value_dim);
    let depth = comptime!(form.key_dim);
    let index = ABSOLUTE_POS as u32;
    if index >= rows * inner {
        terminate!();
    }
    let row = index / inner;
    let channel = index % inner;
    let head = channel / width;
    let key_head = head / comptime!(form.value_heads / form.key_heads);
    let bias = per_head[head as usize];
    let rate = per_head[(head + comptime!(form.value_heads)) as usize];
    let columns = comptime!(2 * form.key_heads * form.key_dim + form.value_heads * form.value_dim);
    let size = comptime!(form.value_heads * form.key_dim * form.value_dim);
    let own = head * comptime!(form.key_dim * form.value_dim) + channel % width;
    let mut kept = row * slots;
    if comptime!(form.remembers) {
        kept += rows;
    }
    let mut column = Array::<f32>::new(comptime!(form.key_dim as usize));
    if comptime!(form.remembers) {
        load(&mut column, past, row * size + own, width, depth);
    } else {
        clear(&mut column, depth);
    }
    for at in 0..length {
        let cell = row * length + at;
        let from = steps[(WORDS * cell + 1u32) as usize];
        let keep = steps[(WORDS * cell + 2u32) as usize];
        let mut said = 0.0f32;
        if from != PADDING {
            if from == NOTHING {
                clear(&mut column, depth);
            } else if from == CACHED {
                load(&mut column, past, row * size + own, width, depth);
            } else if from != ON {
                reload(&mut column, states, (kept + from - 1u32) * size + own, width, depth);
            }
            let gate = cell * comptime!(2 * form.value_heads) + head;
            let beta = sigmoid(gates[gate as usize]);
            let a = gates[(gate + comptime!(form.value_heads)) as usize];
            let decay = (-(rate * softplus(a + bias))).exp();
            let query = cell * columns + key_head * depth;
            let key = query + keys;
            let value = qkv[(cell * columns + comptime!(2 * form.key_heads * form.key_dim) + channel) as usize];
            let mut found = 0.0f32;
            for i in 0..depth {
                let held = column[i as usize] * decay;
                column[i as usize] = held;
                found += held * qkv[(key + i) as usize];
            }
            let change = beta * (value - found);
            for i in 0..depth {
                let held = column[i as usize] + change * qkv[(key + i) as usize];
                column[i as usize] = held;
                said += held * qkv[(query + i) as usize];
            }
            if keep != ON {
                save(&column, states, (kept + keep - 1u32) * size + own, width, depth);
            }
        }
        y[(cell * inner + channel) as usize] = said;
    }
    if comptime!(form.remembers) {
        save(&column, states, row * size + own, width, depth);
    }
}
