//! Root-mean-square norms of groups of values, which a gate multiplies.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use super::activation::{silu, total};

/// Units of a cube.
pub(crate) const UNITS: u32 = 64;

/// What a kernel is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GatedNormForm {
    pub(crate) groups: u32,
    /// Of a group.
    pub(crate) width: u32,
    /// `norm(x · silu(gate))`, and weights of all groups; else `norm(x) · silu(gate)`, and the same weights for each.
    pub(crate) gate_first: bool,
}

/// One cube for each cell and group of `x`, `[cells, groups * width]`. Gates are the first columns of rows of `stride` values.
#[cube(launch)]
pub(crate) fn gated_norm(
    x: &[f32],
    gates: &[f32],
    weight: &[f32],
    out: &mut [f32],
    cells: u32,
    stride: u32,
    epsilon: f32,
    #[comptime] form: GatedNormForm,
) {
    let groups = comptime!(form.groups);
    let width = comptime!(form.width);
    let index = CUBE_POS as u32;
    if index >= cells * groups {
        terminate!();
    }
    let group = index % groups;
    let first = index * width;
    let gate = index / groups * stride + group * width;
    let mut own = 0.0f32;
    let mut at = UNIT_POS;
    while at < width {
        let value = gated(x, gates, first + at, gate + at, form.gate_first);
        own += value * value;
        at += UNITS;
    }
    let scale = 1.0f32 / (total(own, UNITS) / comptime!(form.width as f32) + epsilon).sqrt();
    let mut at = UNIT_POS;
    while at < width {
        let mut value = gated(x, gates, first + at, gate + at, form.gate_first) * scale;
        if comptime!(form.gate_first) {
            value *= weight[(group * width + at) as usize];
        } else {
            value *= weight[at as usize] * silu(gates[(gate + at) as usize]);
        }
        out[(first + at) as usize] = value;
        at += UNITS;
    }
}

/// What the norm is taken of.
#[cube]
fn gated(x: &[f32], gates: &[f32], at: u32, gate: u32, #[comptime] first: bool) -> f32 {
    if comptime!(first) {
        x[at as usize] * silu(gates[gate as usize])
    } else {
        x[at as usize]
    }
}
