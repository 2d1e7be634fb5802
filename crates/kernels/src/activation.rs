//! What is between an expert's projections.

use crate::exp::exp;

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

impl Activation {
    /// Turns `up` into what the last projection takes; `gate` is not looked at where the activation has none.
    pub(crate) fn apply(self, gate: &[f32], up: &mut [f32]) {
        match self {
            Self::SiluGated => each(gate, up, |gate, up| silu(gate) * up),
            Self::ClampedGated { alpha, limit } => each(gate, up, |gate, up| {
                let gate = gate.min(limit);
                (up.clamp(-limit, limit) + 1.0) * (gate / (1.0 + exp(-alpha * gate)))
            }),
            Self::ReluSquared => up.iter_mut().for_each(|up| *up = up.max(0.0) * up.max(0.0)),
        }
    }
}

fn each(gate: &[f32], up: &mut [f32], value: impl Fn(f32, f32) -> f32) {
    up.iter_mut().zip(gate).for_each(|(up, &gate)| *up = value(gate, *up));
}

/// `x · sigmoid(x)`.
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}
