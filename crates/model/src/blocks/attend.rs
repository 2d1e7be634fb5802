//! The core of attention: scores, softmax, mixture of values.

use std::ops::Range;

use burn::tensor::{Tensor, activation};
use secateur_kernels::{Attention, Buffer};

use crate::device::Device;
use crate::matrix::{from_buffer, heads, host_f32, in_place, reads_in_place};
use crate::pass::Pass;
use crate::spec::Sight;

/// Scores of a layer that are there at a time, where all of them would be: 64 MiB in f32, half of what every WebGPU adapter can bind
/// (`maxStorageBufferBindingSize`, 128 MiB by default).
pub(crate) const SCORES: usize = 1 << 24;

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

/// Whether attention computes nothing of keys that are not seen.
pub(crate) fn attends_to_what_is_seen(device: &Device) -> bool {
    reads_in_place(device)
}

/// [`attend`] in a pass, whose tokens see what `sight` says. On the CPU device by its kernel, which reads keys where the cache has them, and
/// computes nothing of those that are not seen.
#[must_use]
pub fn attend_in_pass(
    [query, key, value]: [Tensor<4>; 3],
    scale: f64,
    sight: Sight,
    sinks: Option<&Tensor<1>>,
    pass: &mut Pass<'_>,
) -> Tensor<2> {
    if attends_to_what_is_seen(pass.device)
        && let Some(mixed) = attend_in_place([&query, &key, &value], scale, sight, sinks, pass)
    {
        return mixed;
    }
    attend_in_parts([query, key, value], scale, sight, sinks, pass, SCORES)
}

/// [`attend`] to so many scores at a time, or those of one token of each row.
fn attend_in_parts(
    [query, key, value]: [Tensor<4>; 3],
    scale: f64,
    sight: Sight,
    sinks: Option<&Tensor<1>>,
    pass: &mut Pass<'_>,
    scores: usize,
) -> Tensor<2> {
    let [batch, heads, length, _] = query.dims();
    let width = heads * value.dims()[3];
    let at_once = (scores / (batch * heads * key.dims()[2])).max(1);
    let mut mix = |query: Tensor<4>, tokens: Range<usize>| {
        let weighing = Weighing {
            scale,
            mask: &pass.mask(sight, tokens),
            sinks,
        };
        attend(query, key.clone(), value.clone(), &weighing)
    };
    if at_once >= length {
        return mix(query, 0..length);
    }
    let parts = (0..length).step_by(at_once).map(|start| {
        let count = at_once.min(length - start);
        let mixed = mix(query.clone().narrow(2, start, count), start..start + count);
        mixed.reshape([batch, count, width])
    });
    Tensor::cat(parts.collect(), 1).reshape([batch * length, width])
}

fn attend_in_place(
    [query, key, value]: [&Tensor<4>; 3],
    scale: f64,
    sight: Sight,
    sinks: Option<&Tensor<1>>,
    pass: &mut Pass<'_>,
) -> Option<Tensor<2>> {
    let [batch, query_heads, length, _] = query.dims();
    let width = query_heads * value.dims()[3];
    let (query, key, value) = (in_place(query)?, in_place(key)?, in_place(value)?);
    let sinks = sinks.map(|sinks| host_f32(sinks.clone()));
    let seen = pass.seen(sight);
    let attention = Attention {
        query: heads(&query)?,
        key: heads(&key)?,
        value: heads(&value)?,
        seen: &seen,
        scale: scale as f32,
        sinks: match &sinks {
            Some(sinks) => Some(sinks.as_slice::<f32>()?),
            None => None,
        },
    };
    let mut mixed = Buffer::new(batch * length * width);
    attention.run(&mut mixed);
    Some(from_buffer(mixed, [batch * length, width]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::blocks::rope::host;
    use crate::device::{DeviceKind, Precision};

    #[test]
    fn parts_say_what_the_whole_does() {
        let device = Device::open(DeviceKind::Cpu, Precision::F32).unwrap();
        let batch = Batch::right_padded(&[&[1, 2, 3, 4, 5, 6, 7], &[1, 2, 3]]);
        let drawn = |heads: usize, seed: usize| {
            let values = (0..2 * heads * 7 * 4).map(|at| ((at * 37 + seed) % 23) as f64 / 11.0 - 1.0);
            host(values.collect(), [2, heads, 7, 4], &device)
        };
        let sinks = host(vec![0.5, -0.5, 1.0, 0.0], [4], &device);
        let mixed = |scores: usize| -> Vec<f32> {
            let mut pass = Pass::new(&batch, batch.slots(None), &device);
            let mixed = attend_in_parts(
                [drawn(4, 1), drawn(2, 2), drawn(2, 3)],
                0.5,
                Sight::Window(3),
                Some(&sinks),
                &mut pass,
                scores,
            );
            host_f32(mixed).as_slice::<f32>().unwrap().to_vec()
        };
        let whole = mixed(usize::MAX);
        // One token of each row has 2 · 4 · 7 scores.
        for tokens in [0, 1, 2, 5, 6, 7] {
            let parts = mixed(tokens * 56);
            assert_eq!(parts.len(), whole.len());
            let same = parts
                .iter()
                .zip(&whole)
                .all(|(part, whole)| (part - whole).abs() < 1e-6);
            assert!(same, "{tokens} tokens at a time");
        }
    }
}
