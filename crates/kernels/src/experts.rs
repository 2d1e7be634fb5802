//! Experts on tokens that are already grouped by expert.

use rayon::prelude::*;

use crate::matmul::matmul_single;
use crate::mxfp4::{Mxfp4, matmul_mxfp4_single};
use crate::weights::Weights;

/// Multiply–adds from which a layer's experts are worth more than one thread.
const PARALLEL_FROM: usize = 1 << 19;

/// `down(activation(gate x, up x))`.
#[derive(Debug, Clone, Copy)]
pub struct Expert<'a> {
    /// `[intermediate, hidden]`; `None` where the activation has no gate.
    pub gate: Option<Projection<'a>>,
    /// `[intermediate, hidden]`.
    pub up: Projection<'a>,
    /// `[hidden, intermediate]`.
    pub down: Projection<'a>,
    /// What is between.
    pub activation: Activation,
}

/// `x Wᵀ + b`.
#[derive(Debug, Clone, Copy)]
pub struct Projection<'a> {
    /// The matrix.
    pub weights: ProjectionWeights<'a>,
    /// One value per row.
    pub bias: Option<&'a [f32]>,
}

/// A matrix as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub enum ProjectionWeights<'a> {
    /// Values.
    Plain(Weights<'a>),
    /// 4-bit blocks.
    Mxfp4(Mxfp4<'a>),
}

/// What is between the projections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `silu(gate) · up`.
    SiluGated,
    /// `(up + 1) · gate · sigmoid(alpha · gate)`, with `gate ≤ limit` and `|up| ≤ limit`.
    ClampedGated {
        /// Steepness of the sigmoid.
        alpha: f32,
        /// Clamp.
        limit: f32,
    },
    /// `relu(up)²`.
    ReluSquared,
}

/// Runs consecutive groups of rows of `x` through one expert each: `x` and `out` are `[Σ rows, hidden]`.
///
/// # Panics
/// If the rows of the groups do not add up to those of `x` and `out`, or the weights do not fit together.
pub fn experts(x: &[f32], hidden: usize, groups: &[(Expert<'_>, usize)], out: &mut [f32]) {
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
        work += 3 * rows * hidden * expert.up.rows();
        jobs.push((expert, here, to));
    }
    let run = |(expert, x, out): (&Expert<'_>, &[f32], &mut [f32])| one(expert, x, hidden, out);
    if work < PARALLEL_FROM {
        jobs.into_iter().for_each(run);
    } else {
        jobs.into_par_iter().for_each(run);
    }
}

fn one(expert: &Expert<'_>, x: &[f32], hidden: usize, out: &mut [f32]) {
    let tokens = x.len() / hidden;
    let mut up = vec![0.0; tokens * expert.up.rows()];
    expert.up.apply(x, &mut up);
    let inner = match &expert.gate {
        None => {
            for up in &mut up {
                *up = expert.activation.gated(0.0, *up);
            }
            up
        }
        Some(gate) => {
            let mut gated = vec![0.0; tokens * gate.rows()];
            gate.apply(x, &mut gated);
            for (gate, up) in gated.iter_mut().zip(&up) {
                *gate = expert.activation.gated(*gate, *up);
            }
            gated
        }
    };
    expert.down.apply(&inner, out);
}

impl Activation {
    fn gated(self, gate: f32, up: f32) -> f32 {
        match self {
            Self::SiluGated => silu(gate) * up,
            Self::ClampedGated { alpha, limit } => {
                let gate = gate.min(limit);
                (up.clamp(-limit, limit) + 1.0) * (gate / (1.0 + (-alpha * gate).exp()))
            }
            Self::ReluSquared => up.max(0.0) * up.max(0.0),
        }
    }
}

impl Projection<'_> {
    fn rows(&self) -> usize {
        match &self.weights {
            ProjectionWeights::Plain(weights) => weights.rows,
            ProjectionWeights::Mxfp4(weights) => weights.rows,
        }
    }

    fn apply(&self, x: &[f32], y: &mut [f32]) {
        match self.weights {
            ProjectionWeights::Plain(weights) => matmul_single(x, weights, y),
            ProjectionWeights::Mxfp4(weights) => matmul_mxfp4_single(x, weights, y),
        }
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), self.rows(), "one bias per row");
            for row in y.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
            }
        }
    }
}

/// `x · sigmoid(x)`.
fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::{Activation, Expert, Projection, ProjectionWeights, experts};
    use crate::weights::{WeightDtype, Weights};

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn plain(bytes: &[u8], rows: usize, columns: usize) -> Projection<'_> {
        Projection {
            weights: ProjectionWeights::Plain(Weights {
                bytes,
                dtype: WeightDtype::F32,
                rows,
                columns,
            }),
            bias: None,
        }
    }

    fn near(found: &[f32], expected: &[f32]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
        }
    }

    #[test]
    fn two_experts_by_hand() {
        let (gate, up, down, double) = (
            bytes(&[1.0, 0.0]),
            bytes(&[0.0, 1.0]),
            bytes(&[1.0, -1.0]),
            bytes(&[2.0, -2.0]),
        );
        let first = Expert {
            gate: Some(plain(&gate, 1, 2)),
            up: plain(&up, 1, 2),
            down: plain(&down, 2, 1),
            activation: Activation::SiluGated,
        };
        let second = Expert {
            down: plain(&double, 2, 1),
            ..first
        };
        let mut out = [0.0; 4];
        experts(&[1.0, 3.0, 1.0, 3.0], 2, &[(first, 1), (second, 1)], &mut out);
        let silu = 1.0 / (1.0 + (-1.0f32).exp());
        near(&out, &[3.0 * silu, -3.0 * silu, 6.0 * silu, -6.0 * silu]);
    }

    #[test]
    fn clamps_biases_and_squares_by_hand() {
        let (gate, up, down) = (bytes(&[1.0, 0.0]), bytes(&[0.0, 1.0]), bytes(&[1.0, -1.0]));
        let clamped = Expert {
            gate: Some(Projection {
                bias: Some(&[9.0]),
                ..plain(&gate, 1, 2)
            }),
            up: Projection {
                bias: Some(&[-12.0]),
                ..plain(&up, 1, 2)
            },
            down: Projection {
                bias: Some(&[0.5, 0.25]),
                ..plain(&down, 2, 1)
            },
            activation: Activation::ClampedGated { alpha: 2.0, limit: 7.0 },
        };
        let mut out = [0.0; 2];
        experts(&[1.0, 3.0], 2, &[(clamped, 1)], &mut out);
        // gate = min(10, 7), up = max(−9, −7): (−7 + 1) · 7 · sigmoid(14).
        let inner = -42.0 / (1.0 + (-14.0f32).exp());
        near(&out, &[inner + 0.5, -inner + 0.25]);

        let squared = Expert {
            gate: None,
            up: plain(&up, 1, 2),
            down: plain(&down, 2, 1),
            activation: Activation::ReluSquared,
        };
        experts(&[1.0, 3.0], 2, &[(squared, 1)], &mut out);
        near(&out, &[9.0, -9.0]);
        experts(&[1.0, -3.0], 2, &[(squared, 1)], &mut out);
        near(&out, &[0.0, 0.0]);
    }
}
