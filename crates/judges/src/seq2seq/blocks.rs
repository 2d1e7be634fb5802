//! Attention, feed-forward block and layer norm after each, as BART puts them together.

use burn::tensor::{Tensor, activation};
use secateur_model::ModelError;
use secateur_model::blocks::attend::{Weighing, attend};
use secateur_model::blocks::linear::Linear;
use secateur_model::blocks::norm::Norm;
use secateur_model::spec::{NormKind, NormSpec};
use secateur_model::weights::WeightSource;

use super::spec::{Activation, SideSpec};

/// `PyTorch`'s default, which BART's layer norms have.
const EPSILON: f64 = 1e-5;

/// A layer norm.
pub(super) fn layer_norm(weights: &dyn WeightSource, name: &str, hidden: usize) -> Result<Norm, ModelError> {
    let spec = NormSpec {
        kind: NormKind::Layer,
        epsilon: EPSILON,
    };
    Norm::new(weights, name, hidden, spec)
}

/// `norm(x + attention(x, memory))`.
#[derive(Debug, Clone)]
pub(super) struct Attention {
    heads: usize,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: Norm,
}

/// What is looked at: keys and values, `[batch, heads, length, width]`.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    pub(super) key: Tensor<4>,
    pub(super) value: Tensor<4>,
}

impl Attention {
    pub(super) fn new(weights: &dyn WeightSource, name: &str, hidden: usize, heads: usize) -> Result<Self, ModelError> {
        let linear = |what: &str| Linear::new(weights, &format!("{name}.{what}"), [hidden, hidden], true);
        Ok(Self {
            heads,
            query: linear("q_proj")?,
            key: linear("k_proj")?,
            value: linear("v_proj")?,
            output: linear("out_proj")?,
            norm: layer_norm(weights, &format!("{name}_layer_norm"), hidden)?,
        })
    }

    /// Keys and values of `x`, `[batch * length, hidden]`.
    pub(super) fn memory(&self, x: &Tensor<2>, batch: usize) -> Memory {
        Memory {
            key: self.split(self.key.apply(x.clone()), batch),
            value: self.split(self.value.apply(x.clone()), batch),
        }
    }

    /// `x` `[batch * length, hidden]`; `mask` is added to the scores, `[batch or 1, 1, length or 1, keys]`.
    pub(super) fn apply(&self, x: Tensor<2>, batch: usize, memory: Memory, mask: &Tensor<4>) -> Tensor<2> {
        let query = self.split(self.query.apply(x.clone()), batch);
        let width = query.dims()[3];
        let weighing = Weighing {
            scale: (width as f64).sqrt().recip(),
            mask,
            sinks: None,
        };
        let mixed = attend(query, memory.key, memory.value, &weighing);
        self.norm.apply(x + self.output.apply(mixed))
    }

    fn split(&self, x: Tensor<2>, batch: usize) -> Tensor<4> {
        let [cells, hidden] = x.dims();
        x.reshape([batch, cells / batch, self.heads, hidden / self.heads])
            .swap_dims(1, 2)
    }
}

/// `norm(x + W₂ act(W₁ x))`.
#[derive(Debug, Clone)]
pub(super) struct FeedForward {
    activation: Activation,
    inner: Linear,
    outer: Linear,
    norm: Norm,
}

impl FeedForward {
    pub(super) fn new(
        weights: &dyn WeightSource,
        layer: &str,
        hidden: usize,
        side: &SideSpec,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            activation,
            inner: Linear::new(weights, &format!("{layer}.fc1"), [side.inner, hidden], true)?,
            outer: Linear::new(weights, &format!("{layer}.fc2"), [hidden, side.inner], true)?,
            norm: layer_norm(weights, &format!("{layer}.final_layer_norm"), hidden)?,
        })
    }

    pub(super) fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let inner = self.inner.apply(x.clone());
        let active = match self.activation {
            Activation::Gelu => activation::gelu(inner),
            Activation::GeluTanh => activation::gelu_approximate(inner),
            Activation::Relu => activation::relu(inner),
        };
        self.norm.apply(x + self.outer.apply(active))
    }
}
