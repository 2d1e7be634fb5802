//! Grouped-query self-attention.

use burn::tensor::{Tensor, activation};

use super::attend::attend_in_pass;
use super::linear::Linear;
use super::norm::Norm;
use super::rope::host;
use super::state::{LayerState, remembered};
use crate::error::ModelError;
use crate::pass::Pass;
use crate::spec::{AttentionSpec, NormOrder, NormWidth, Temperature};
use crate::weights::WeightSource;

/// One layer's attention.
#[derive(Debug, Clone)]
pub struct Attention {
    spec: AttentionSpec,
    /// `[heads * head_dim, hidden]`; twice as many rows with an output gate.
    query: Linear,
    /// `[key_value_heads * head_dim, hidden]`.
    key: Linear,
    /// `[key_value_heads * head_dim, hidden]`.
    value: Linear,
    /// `[hidden, heads * head_dim]`.
    output: Linear,
    /// Of queries and keys, where the family has them.
    norms: Option<(Norm, Norm)>,
    /// `[heads]`.
    sinks: Option<Tensor<1>>,
}

impl Attention {
    /// Reads the weights, whose names begin with `layer`.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(
        spec: &AttentionSpec,
        layer: &str,
        hidden: usize,
        weights: &dyn WeightSource,
    ) -> Result<Self, ModelError> {
        let named = |name: &str| format!("{layer}{}{name}", spec.prefix);
        let (queries, keys) = (spec.heads * spec.head_dim, spec.key_value_heads * spec.head_dim);
        let [q, k, v, o] = &spec.projections;
        let linear = |name: &str, shape, bias| Linear::new(weights, &named(name), shape, bias);
        let norms = match &spec.query_key_norm {
            None => None,
            Some(norm) => {
                let (query, key) = match norm.width {
                    NormWidth::PerHead => (spec.head_dim, spec.head_dim),
                    NormWidth::Flat => (queries, keys),
                };
                let read = |name: &str, width| Norm::new(weights, &named(name), width, norm.norm);
                Some((read(&norm.names[0], query)?, read(&norm.names[1], key)?))
            }
        };
        let sinks = if spec.sinks {
            Some(weights.vector(&named("sinks"), spec.heads)?)
        } else {
            None
        };
        let gated = if spec.output_gate { 2 } else { 1 };
        Ok(Self {
            query: linear(q, [gated * queries, hidden], spec.input_bias)?,
            key: linear(k, [keys, hidden], spec.input_bias)?,
            value: linear(v, [keys, hidden], spec.input_bias)?,
            output: linear(o, [hidden, queries], spec.output_bias)?,
            norms,
            sinks,
            spec: spec.clone(),
        })
    }

    /// `[batch * length, hidden]` → the same.
    #[must_use]
    pub fn apply(&self, x: Tensor<2>, pass: &mut Pass<'_>, state: Option<&mut LayerState>) -> Tensor<2> {
        let AttentionSpec {
            heads,
            key_value_heads,
            head_dim,
            ..
        } = self.spec;
        let (batch, length) = (pass.batch.batch, pass.batch.length);
        let [query, key, value] = Linear::apply_each([&self.query, &self.key, &self.value], x);
        let (query, gate) = self.split_gate(query);
        let (query, key) = self.normed(query, key);
        let value = self.clip(value);
        let split = |t: Tensor<2>, heads: usize| t.reshape([batch, length, heads, head_dim]).swap_dims(1, 2);
        let (query, key) = (split(query, heads), split(key, key_value_heads));
        let (query, key) = self.rotated(query, key, pass);
        let query = match self.spec.temperature {
            Some(temperature) => query * growth(temperature, pass),
            None => query,
        };
        let (key, value) = remembered(state, key, split(value, key_value_heads));
        let (scale, sight) = (self.spec.scale, self.spec.sight);
        let mixed = attend_in_pass([query, key, value], scale, sight, self.sinks.as_ref(), pass);
        self.output.apply(match gate {
            Some(gate) => mixed * activation::sigmoid(gate),
            None => mixed,
        })
    }

    /// Queries, and the gate on the output: both `[tokens, heads * head_dim]`, interleaved by head in the projection.
    fn split_gate(&self, query: Tensor<2>) -> (Tensor<2>, Option<Tensor<2>>) {
        if !self.spec.output_gate {
            return (query, None);
        }
        let (tokens, heads, width) = (query.dims()[0], self.spec.heads, self.spec.head_dim);
        let both = query.reshape([tokens, heads, 2 * width]);
        let part = |start| both.clone().narrow(2, start, width).reshape([tokens, heads * width]);
        (part(0), Some(part(width)))
    }

    /// Flat norm and clamping of queries and keys, unless the norm is left for their rotation.
    fn normed(&self, query: Tensor<2>, key: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        match (&self.norms, &self.spec.query_key_norm) {
            (Some((q, k)), Some(norm)) if norm.width == NormWidth::Flat && self.norms_to_rotate().is_none() => {
                (self.clip(q.apply(query)), self.clip(k.apply(key)))
            }
            _ => (self.clip(query), self.clip(key)),
        }
    }

    /// Norms of queries and keys that are rotated right behind them.
    fn norms_to_rotate(&self) -> Option<(&Norm, &Norm)> {
        let (norm, spec) = (self.spec.query_key_norm.as_ref()?, &self.spec);
        let behind = match norm.width {
            NormWidth::PerHead => norm.order == NormOrder::BeforeRotation,
            NormWidth::Flat => spec.clip.is_none(),
        };
        let (q, k) = self.norms.as_ref()?;
        (behind && spec.rope.is_some()).then_some((q, k))
    }

    /// Norm per head and rotary embedding, in the family's order.
    fn rotated(&self, query: Tensor<4>, key: Tensor<4>, pass: &mut Pass<'_>) -> (Tensor<4>, Tensor<4>) {
        let normed = |order: NormOrder, query: Tensor<4>, key: Tensor<4>| match (&self.norms, &self.spec.query_key_norm)
        {
            (Some((q, k)), Some(norm)) if norm.width == NormWidth::PerHead && norm.order == order => {
                (q.apply(query), k.apply(key))
            }
            _ => (query, key),
        };
        let Some(rope) = &self.spec.rope else {
            let (query, key) = normed(NormOrder::BeforeRotation, query, key);
            return normed(NormOrder::AfterRotation, query, key);
        };
        let (angles, norms) = (pass.angles(rope), self.norms_to_rotate());
        let query = angles.rotate(query, norms.map(|(q, _)| q));
        let key = angles.rotate(key, norms.map(|(_, k)| k));
        normed(NormOrder::AfterRotation, query, key)
    }

    fn clip(&self, x: Tensor<2>) -> Tensor<2> {
        match self.spec.clip {
            Some(limit) => x.clamp(-limit, limit),
            None => x,
        }
    }
}

/// `[batch, 1, length, 1]`.
fn growth(temperature: Temperature, pass: &Pass<'_>) -> Tensor<4> {
    let factor = |&position: &usize| {
        let steps = ((position as f64 + 1.0) / temperature.floor).floor();
        steps.ln_1p() * temperature.scale + 1.0
    };
    let factors = pass.batch.positions.iter().map(factor).collect();
    host(factors, [pass.batch.batch, 1, pass.batch.length, 1], pass.device)
}
