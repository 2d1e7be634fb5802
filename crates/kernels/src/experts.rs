//! Gated experts on tokens that are already grouped by expert.

use rayon::prelude::*;

use crate::matmul::matmul_single;
use crate::weights::Weights;

/// Multiply–adds from which a layer's experts are worth more than one thread.
const PARALLEL_FROM: usize = 1 << 19;

/// `down(silu(gate x) · up x)`.
#[derive(Debug, Clone, Copy)]
pub struct GatedExpert<'a> {
    /// `[intermediate, hidden]`.
    pub gate: Weights<'a>,
    /// `[intermediate, hidden]`.
    pub up: Weights<'a>,
    /// `[hidden, intermediate]`.
    pub down: Weights<'a>,
}

/// Runs consecutive groups of rows of `x` through one expert each: `x` and `out` are `[Σ rows, hidden]`.
///
/// # Panics
/// If the rows of the groups do not add up to those of `x` and `out`, or the weights do not fit together.
pub fn gated_experts(x: &[f32], hidden: usize, groups: &[(GatedExpert<'_>, usize)], out: &mut [f32]) {
    let rows: usize = groups.iter().map(|(_, rows)| rows).sum();
    assert!(
        x.len() == rows * hidden && out.len() == rows * hidden,
        "groups do not cover x and out"
    );
    let mut jobs = Vec::with_capacity(groups.len());
    let (mut x, mut out) = (x, out);
    let mut work = 0;
    for (expert, rows) in groups {
        let (here, rest) = x.split_at(rows * hidden);
        let (to, rest_out) = out.split_at_mut(rows * hidden);
        (x, out) = (rest, rest_out);
        work += 3 * rows * hidden * expert.gate.rows;
        jobs.push((expert, here, to));
    }
    let run = |(expert, x, out): (&GatedExpert<'_>, &[f32], &mut [f32])| one(*expert, x, hidden, out);
    if work < PARALLEL_FROM {
        jobs.into_iter().for_each(run);
    } else {
        jobs.into_par_iter().for_each(run);
    }
}

fn one(expert: GatedExpert<'_>, x: &[f32], hidden: usize, out: &mut [f32]) {
    let tokens = x.len() / hidden;
    let mut gate = vec![0.0; tokens * expert.gate.rows];
    let mut up = vec![0.0; tokens * expert.up.rows];
    matmul_single(x, expert.gate, &mut gate);
    matmul_single(x, expert.up, &mut up);
    for (gate, up) in gate.iter_mut().zip(&up) {
        *gate = silu(*gate) * up;
    }
    matmul_single(&gate, expert.down, out);
}

/// `x · sigmoid(x)`.
fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::{GatedExpert, gated_experts};
    use crate::weights::{WeightDtype, Weights};

    #[test]
    fn two_experts_by_hand() {
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let (gate, up, down, double) = (
            bytes(&[1.0, 0.0]),
            bytes(&[0.0, 1.0]),
            bytes(&[1.0, -1.0]),
            bytes(&[2.0, -2.0]),
        );
        let w = |bytes, rows, columns| Weights {
            bytes,
            dtype: WeightDtype::F32,
            rows,
            columns,
        };
        let first = GatedExpert {
            gate: w(&gate, 1, 2),
            up: w(&up, 1, 2),
            down: w(&down, 2, 1),
        };
        let second = GatedExpert {
            down: w(&double, 2, 1),
            ..first
        };
        let mut out = [0.0; 4];
        gated_experts(&[1.0, 3.0, 1.0, 3.0], 2, &[(first, 1), (second, 1)], &mut out);
        let silu = 1.0 / (1.0 + (-1.0f32).exp());
        for (found, expected) in out.iter().zip([3.0 * silu, -3.0 * silu, 6.0 * silu, -6.0 * silu]) {
            assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
    }
}
