//! Grouped-query self-attention with rotary embedding and a key–value cache.

use burn::tensor::{Tensor, activation};

use super::linear::Linear;
use super::norm::RmsNorm;
use super::rope::Angles;
use crate::spec::{AttentionSpec, QueryKeyNorm};

/// One layer's attention.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Shapes and options.
    pub spec: AttentionSpec,
    /// `[heads * head_dim, hidden]`.
    pub query: Linear,
    /// `[key_value_heads * head_dim, hidden]`.
    pub key: Linear,
    /// `[key_value_heads * head_dim, hidden]`.
    pub value: Linear,
    /// `[hidden, heads * head_dim]`.
    pub output: Linear,
    /// Norms of queries and keys, where the family has them.
    pub norms: Option<(RmsNorm, RmsNorm)>,
}

/// Keys and values of the positions seen so far, `[batch, key_value_heads, positions, head_dim]`.
#[derive(Debug, Clone, Default)]
pub struct KeyValueCache {
    pub(crate) entries: Option<(Tensor<4>, Tensor<4>)>,
}

impl Attention {
    /// `x` is `[batch * length, hidden]`; `mask` is added to the scores, `[batch, 1, length, keys]`.
    #[must_use]
    pub fn apply(
        &self,
        x: Tensor<2>,
        batch: usize,
        angles: &Angles,
        mask: &Tensor<4>,
        cache: Option<&mut KeyValueCache>,
    ) -> Tensor<2> {
        let AttentionSpec {
            heads,
            key_value_heads,
            head_dim,
            ..
        } = self.spec;
        let length = x.dims()[0] / batch;
        let (query, key) = self.normed(self.query.apply(x.clone()), self.key.apply(x.clone()));
        let value = self.clip(self.value.apply(x));
        let split = |t: Tensor<2>, heads: usize| t.reshape([batch, length, heads, head_dim]).swap_dims(1, 2);
        let query = angles.rotate(self.normed_heads(split(query, heads), true));
        let key = angles.rotate(self.normed_heads(split(key, key_value_heads), false));
        let value = split(value, key_value_heads);
        let (key, value) = match cache {
            Some(cache) => cache.append(key, value),
            None => (key, value),
        };
        // Query heads that share a key head are stacked along the length: no key is repeated.
        let group = heads / key_value_heads;
        let keys = key.dims()[2];
        let query = query.reshape([batch, key_value_heads, group * length, head_dim]);
        let scores = query
            .matmul(key.swap_dims(2, 3))
            .mul_scalar((head_dim as f64).powf(-0.5));
        let scores = scores.reshape([batch, heads, length, keys]) + mask.clone();
        let shares = activation::softmax(scores, 3).reshape([batch, key_value_heads, group * length, keys]);
        let mixed = shares.matmul(value).reshape([batch, heads, length, head_dim]);
        self.output
            .apply(mixed.swap_dims(1, 2).reshape([batch * length, heads * head_dim]))
    }

    /// Flat norm and clamping of queries and keys.
    fn normed(&self, query: Tensor<2>, key: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        match (&self.norms, self.spec.query_key_norm) {
            (Some((q, k)), QueryKeyNorm::Flat) => (self.clip(q.apply(query)), self.clip(k.apply(key))),
            _ => (self.clip(query), self.clip(key)),
        }
    }

    fn normed_heads(&self, x: Tensor<4>, is_query: bool) -> Tensor<4> {
        match (&self.norms, self.spec.query_key_norm) {
            (Some((q, _)), QueryKeyNorm::PerHead) if is_query => q.apply(x),
            (Some((_, k)), QueryKeyNorm::PerHead) => k.apply(x),
            _ => x,
        }
    }

    fn clip(&self, x: Tensor<2>) -> Tensor<2> {
        match self.spec.clip {
            Some(limit) => x.clamp(-limit, limit),
            None => x,
        }
    }
}

impl KeyValueCache {
    fn append(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let (key, value) = match self.entries.take() {
            Some((keys, values)) => (Tensor::cat(vec![keys, key], 2), Tensor::cat(vec![values, value], 2)),
            None => (key, value),
        };
        self.entries = Some((key.clone(), value.clone()));
        (key, value)
    }
}
