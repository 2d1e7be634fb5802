//! A feed-forward network: a dense layer, an expert, or a shared expert.

use burn::tensor::{Tensor, activation};

use super::linear::Linear;
use super::parts::in_parts;
use crate::device::Device;
use crate::error::ModelError;
use crate::spec::{Activation, MlpNames};
use crate::weights::WeightSource;

/// `down(activation(gate x, up x))`.
#[derive(Debug, Clone)]
pub struct Mlp {
    /// `[intermediate, hidden]`; `None` where the activation has no gate.
    pub gate: Option<Linear>,
    /// `[intermediate, hidden]`.
    pub up: Linear,
    /// `[hidden, intermediate]`.
    pub down: Linear,
    /// What is between.
    pub activation: Activation,
}

impl Mlp {
    /// Reads the matrices, whose names begin with `prefix`.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(
        weights: &dyn WeightSource,
        prefix: &str,
        names: &MlpNames,
        [hidden, intermediate]: [usize; 2],
        activation: Activation,
        bias: bool,
    ) -> Result<Self, ModelError> {
        let linear = |name: &str, shape| Linear::new(weights, &format!("{prefix}{name}"), shape, bias);
        let gate = if activation.is_gated() {
            Some(linear(&names.gate, [intermediate, hidden])?)
        } else {
            None
        };
        Ok(Self {
            gate,
            up: linear(&names.up, [intermediate, hidden])?,
            down: linear(&names.down, [hidden, intermediate])?,
            activation,
        })
    }

    /// [`Mlp::apply`] to as many tokens at a time as `device` can bind what is between the projections.
    pub(crate) fn apply_in_parts(&self, x: Tensor<2>, device: &Device) -> Tensor<2> {
        in_parts(x, device.tokens_at_once(self.up.weight.shape()[0]), |x| self.apply(x))
    }

    /// `[tokens, hidden]` → `[tokens, hidden]`.
    #[must_use]
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let (gate, up) = self.gate_and_up(x);
        self.down.apply(activate(self.activation, gate, up))
    }

    /// What comes out if gate and up rows, which lie alternately, are taken for halves: the first half of all rows as the gate,
    /// the second as up. Not the model's function; published masks were made so.
    #[must_use]
    pub fn apply_misread(&self, x: Tensor<2>) -> Tensor<2> {
        let (gate, up) = self.gate_and_up(x);
        self.down.apply(match gate {
            Some(gate) => activate_misread(self.activation, gate, up),
            None => activate(self.activation, None, up),
        })
    }

    /// Both `[tokens, intermediate]`.
    fn gate_and_up(&self, x: Tensor<2>) -> (Option<Tensor<2>>, Tensor<2>) {
        match &self.gate {
            Some(gate) => {
                let [gate, up] = Linear::apply_each([gate, &self.up], x);
                (Some(gate), up)
            }
            None => (None, self.up.apply(x)),
        }
    }
}

/// What goes into the down projection if gate and up rows, which lie alternately, are taken for halves.
pub(crate) fn activate_misread(kind: Activation, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let [tokens, inner] = gate.dims();
    let pairs: Tensor<3> = Tensor::stack(vec![gate, up], 2);
    let rows: Tensor<2> = pairs.reshape([tokens, 2 * inner]);
    let half = |start| rows.clone().narrow(1, start, inner);
    activate(kind, Some(half(0)), half(inner))
}

/// What goes into the down projection.
fn activate(kind: Activation, gate: Option<Tensor<2>>, up: Tensor<2>) -> Tensor<2> {
    match (kind, gate) {
        (Activation::SiluGated, Some(gate)) => activation::silu(gate) * up,
        (Activation::ClampedGated { alpha, limit }, Some(gate)) => {
            let gate = gate.clamp_max(limit);
            let share = gate.clone() * activation::sigmoid(gate.mul_scalar(alpha));
            up.clamp(-limit, limit).add_scalar(1.0) * share
        }
        (Activation::ReluSquared | Activation::SiluGated | Activation::ClampedGated { .. }, _) => {
            activation::relu(up).square()
        }
    }
}
