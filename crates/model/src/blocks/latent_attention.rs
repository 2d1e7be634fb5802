//! Multi-head latent attention: keys and values come from one narrow latent per token.
//!
//! Source: `DeepSeek`-V2, <https://arxiv.org/abs/2405.04434>, section 2.1; `DeepseekV2Attention` and `DeepseekV3Attention` in
//! transformers 5.23. The cache holds keys and values as they are multiplied, not the latent: more memory, no work twice.

use burn::tensor::Tensor;

use super::attend::attend_in_pass;
use super::linear::Linear;
use super::norm::Norm;
use super::state::{LayerState, remembered};
use crate::error::ModelError;
use crate::pass::Pass;
use crate::spec::{LatentAttentionSpec, Sight};
use crate::weights::WeightSource;

/// One layer's latent attention.
#[derive(Debug, Clone)]
pub struct LatentAttention {
    spec: LatentAttentionSpec,
    query: Query,
    /// `[key_value_rank + rotary, hidden]`: the latent, and the key part that all heads share.
    compress: Linear,
    norm: Norm,
    /// `[heads * (plain + value), key_value_rank]`, per head `[plain key | value]`.
    expand: Linear,
    /// `[hidden, heads * value]`.
    output: Linear,
}

#[derive(Debug, Clone)]
enum Query {
    Direct(Box<Linear>),
    Latent(Box<LatentQuery>),
}

#[derive(Debug, Clone)]
struct LatentQuery {
    compress: Linear,
    norm: Norm,
    expand: Linear,
}

impl LatentAttention {
    /// Reads the weights, whose names begin with `layer`.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(
        spec: &LatentAttentionSpec,
        layer: &str,
        hidden: usize,
        weights: &dyn WeightSource,
    ) -> Result<Self, ModelError> {
        let named = |name: &str| format!("{layer}{}{name}", spec.prefix);
        let linear = |name: &str, shape, bias| Linear::new(weights, &named(name), shape, bias);
        let queries = spec.heads * (spec.plain_dim + spec.rope.width);
        let rank = spec.key_value_rank;
        let query = match spec.query_rank {
            None => Query::Direct(Box::new(linear("q_proj", [queries, hidden], false)?)),
            Some(rank) => Query::Latent(Box::new(LatentQuery {
                compress: linear("q_a_proj", [rank, hidden], spec.bias)?,
                norm: Norm::new(weights, &named("q_a_layernorm"), rank, spec.norm)?,
                expand: linear("q_b_proj", [queries, rank], false)?,
            })),
        };
        Ok(Self {
            query,
            compress: linear("kv_a_proj_with_mqa", [rank + spec.rope.width, hidden], spec.bias)?,
            norm: Norm::new(weights, &named("kv_a_layernorm"), rank, spec.norm)?,
            expand: linear(
                "kv_b_proj",
                [spec.heads * (spec.plain_dim + spec.value_dim), rank],
                false,
            )?,
            output: linear("o_proj", [hidden, spec.heads * spec.value_dim], spec.bias)?,
            spec: spec.clone(),
        })
    }

    /// `[batch * length, hidden]` → the same.
    #[must_use]
    pub fn apply(&self, x: Tensor<2>, pass: &mut Pass<'_>, state: Option<&mut LayerState>) -> Tensor<2> {
        let LatentAttentionSpec {
            heads,
            plain_dim,
            value_dim,
            key_value_rank,
            ..
        } = self.spec;
        let rotary = self.spec.rope.width;
        let (batch, length) = (pass.batch.batch, pass.batch.length);
        let split = |t: Tensor<2>, heads: usize| {
            let width = t.dims()[1] / heads;
            t.reshape([batch, length, heads, width]).swap_dims(1, 2)
        };
        let angles = pass.angles(&self.spec.rope);

        let query = split(self.query.apply(x.clone()), heads);
        let turned = angles.rotate(query.clone().narrow(3, plain_dim, rotary), None);
        let query = Tensor::cat(vec![query.narrow(3, 0, plain_dim), turned], 3);

        let compressed = self.compress.apply(x);
        let latent = self.norm.apply(compressed.clone().narrow(1, 0, key_value_rank));
        let turned = angles.rotate(split(compressed.narrow(1, key_value_rank, rotary), 1), None);
        let both = split(self.expand.apply(latent), heads);
        let value = both.clone().narrow(3, plain_dim, value_dim);
        let shared = turned.expand([batch, heads, length, rotary]);
        let key = Tensor::cat(vec![both.narrow(3, 0, plain_dim), shared], 3);

        let (key, value) = remembered(state, key, value);
        let mixed = attend_in_pass([query, key, value], self.spec.scale, Sight::Full, None, pass);
        self.output.apply(mixed)
    }
}

impl Query {
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Direct(linear) => linear.apply(x),
            Self::Latent(latent) => latent.expand.apply(latent.norm.apply(latent.compress.apply(x))),
        }
    }
}
