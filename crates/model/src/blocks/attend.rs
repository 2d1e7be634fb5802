//! The core of attention: scores, softmax, mixture of values.

use burn::tensor::{Tensor, activation};

/// What keys and queries are weighed with besides their product.
#[derive(Debug, Clone)]
pub struct Weighing<'a> {
    /// Multiplies products.
    pub scale: f64,
    /// Added to the scores, `[batch, 1, length, keys]`.
    pub mask: &'a Tensor<4>,
    /// One further score per head that stands for nothing, `[heads]`.
    pub sinks: Option<&'a Tensor<1>>,
}

/// Queries `[batch, heads, length, width]`, keys `[batch, key_value_heads, keys, width]` and values
/// `[batch, key_value_heads, keys, value_width]` → `[batch * length, heads * value_width]`.
#[must_use]
pub fn attend(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, weighing: &Weighing<'_>) -> Tensor<2> {
    let [batch, heads, length, width] = query.dims();
    let [_, key_value_heads, keys, _] = key.dims();
    let value_width = value.dims()[3];
    // Query heads that share a key head are stacked along the length: no key is repeated.
    let group = heads / key_value_heads;
    let query = query.reshape([batch, key_value_heads, group * length, width]);
    let scores = query.matmul(key.swap_dims(2, 3)).mul_scalar(weighing.scale);
    let scores = scores.reshape([batch, heads, length, keys]) + weighing.mask.clone();
    let shares = match weighing.sinks {
        None => activation::softmax(scores, 3),
        Some(sinks) => {
            let sinks = sinks
                .clone()
                .reshape([1, heads, 1, 1])
                .expand([batch, heads, length, 1]);
            activation::softmax(Tensor::cat(vec![scores, sinks], 3), 3).narrow(3, 0, keys)
        }
    };
    let shares = shares.reshape([batch, key_value_heads, group * length, keys]);
    let mixed = shares.matmul(value).reshape([batch, heads, length, value_width]);
    mixed.swap_dims(1, 2).reshape([batch * length, heads * value_width])
}
