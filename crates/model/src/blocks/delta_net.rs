//! Gated `DeltaNet`: a linear attention whose state forgets by a gate and overwrites what a key held before.
//!
//! Source: Yang et al., <https://arxiv.org/abs/2412.06464>; `Qwen3NextGatedDeltaNet` and `Qwen3_5MoeGatedDeltaNet` in transformers 5.23.
//! Per value head, with `q` and `k` of unit length and `q` divided by √`key_dim`:
//!
//! ```text
//! S ← exp(g_t) S                    g = -exp(A_log) · softplus(a + dt_bias)
//! S ← S + k_t (β_t (v_t - Sᵀk_t))ᵀ   β = sigmoid(b)
//! o_t = Sᵀ q_t
//! ```

#[cfg(feature = "wgpu")]
use std::sync::{Arc, OnceLock};

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::causal_conv::CausalConv;
use super::linear::Linear;
use super::recurrent::{
    Real, RecurrentState, host_weight, inverse_rms, read, sigmoid, silu, softplus, squares, widen, write,
};
use super::timeline::Timeline;
use crate::device::{Device, Precision};
use crate::error::ModelError;
#[cfg(feature = "wgpu")]
use crate::gpu::DeviceDeltaNet;
#[cfg(feature = "wgpu")]
use crate::matrix::on_adapter;
use crate::spec::{DeltaNetLayout, DeltaNetSpec};
use crate::weights::WeightSource;

/// Added to the squared length of queries and keys before the root.
const LENGTH_EPSILON: f64 = 1e-6;

/// One layer's mixer.
#[derive(Debug, Clone)]
pub struct DeltaNet {
    spec: DeltaNetSpec,
    inputs: Vec<Linear>,
    conv: CausalConv,
    /// `[value_heads]` each.
    dt_bias: Vec<f32>,
    a_log: Vec<f32>,
    /// `[value_dim]`.
    norm: Vec<f32>,
    output: Linear,
    /// What an adapter needs, from its first use on; `None` where it cannot bind the states.
    #[cfg(feature = "wgpu")]
    there: Arc<OnceLock<Option<DeviceDeltaNet>>>,
}

/// Host values of a forward pass, `[cells, ..]` each.
struct Inputs<R> {
    /// `[q | k | v]`.
    qkv: Vec<R>,
    /// `[value_heads * value_dim]`.
    z: Vec<R>,
    /// `[value_heads]`.
    b: Vec<R>,
    /// `[value_heads]`.
    a: Vec<R>,
}

impl DeltaNet {
    /// Reads the weights under `layer`, the layer's prefix.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(
        spec: &DeltaNetSpec,
        layer: &str,
        hidden: usize,
        weights: &dyn WeightSource,
    ) -> Result<Self, ModelError> {
        let named = |name: &str| format!("{layer}{}{name}", spec.prefix);
        let inputs = spec
            .projections()
            .into_iter()
            .map(|(name, rows)| Linear::new(weights, &named(name), [rows, hidden], false))
            .collect::<Result<_, _>>()?;
        let channels = [spec.conv_channels(), spec.kernel];
        Ok(Self {
            inputs,
            conv: CausalConv::new(weights, &named("conv1d"), channels, false)?,
            dt_bias: host_weight(weights, &named("dt_bias"), spec.value_heads)?,
            a_log: host_weight(weights, &named("A_log"), spec.value_heads)?,
            norm: host_weight(weights, &named("norm.weight"), spec.value_dim)?,
            output: Linear::new(weights, &named("out_proj"), [hidden, spec.values()], false)?,
            #[cfg(feature = "wgpu")]
            there: Arc::default(),
            spec: spec.clone(),
        })
    }

    /// `[batch * length, hidden]` → the same shape. `state` is continued and updated.
    ///
    /// # Errors
    /// If the device fails.
    pub fn apply(
        &self,
        x: &Tensor<2>,
        timeline: &Timeline,
        state: Option<&mut RecurrentState>,
        device: &Device,
    ) -> Result<Tensor<2>, ModelError> {
        let projected: Vec<Tensor<2>> = self.inputs.iter().map(|input| input.apply(x.clone())).collect();
        #[cfg(feature = "wgpu")]
        if let Some(there) = self.there(device)
            && there.has_room(timeline, state.is_some())
        {
            return Ok(self.output.apply(there.mix(&projected, timeline, state, device)?));
        }
        let mut fresh = RecurrentState::default();
        let state = state.unwrap_or(&mut fresh);
        let shape = [timeline.cells(), self.spec.values()];
        let mixed = match device.precision() {
            Precision::F32 | Precision::Fast => write(self.mix::<f32>(projected, timeline, state)?, shape, device),
            Precision::F64 => write(self.mix::<f64>(projected, timeline, state)?, shape, device),
        };
        Ok(self.output.apply(mixed))
    }

    #[cfg(feature = "wgpu")]
    fn there(&self, device: &Device) -> Option<&DeviceDeltaNet> {
        if !on_adapter(device) {
            return None;
        }
        let there = self.there.get_or_init(|| {
            let (conv, per_head) = (self.conv.there(true, device), [&self.dt_bias[..], &self.a_log]);
            DeviceDeltaNet::new(&self.spec, conv, per_head, &self.norm, LENGTH_EPSILON, device)
        });
        there.as_ref()
    }

    /// Everything before the output projection, `[cells, value_heads * value_dim]`.
    fn mix<R: Real>(
        &self,
        projected: Vec<Tensor<2>>,
        timeline: &Timeline,
        state: &mut RecurrentState,
    ) -> Result<Vec<R>, ModelError> {
        let mut inputs = self.on_host::<R>(projected)?;
        inputs.qkv = self.conv.apply(&inputs.qkv, timeline, &mut state.conv);
        self.activate(&mut inputs.qkv);
        let scanned = self.scan(&inputs, timeline, state);
        Ok(self.norm_gated(&inputs.z, &scanned, timeline))
    }

    /// What the projections say, on the host.
    fn on_host<R: Real>(&self, projected: Vec<Tensor<2>>) -> Result<Inputs<R>, ModelError> {
        let mut projected = projected
            .into_iter()
            .map(|projected| read::<R, 2>(projected, "DeltaNet"))
            .collect::<Result<Vec<_>, _>>()?;
        let mut next = || projected.remove(0);
        Ok(match self.spec.layout {
            DeltaNetLayout::Separate => Inputs {
                qkv: next(),
                z: next(),
                b: next(),
                a: next(),
            },
            DeltaNetLayout::PerKeyHead => self.ungroup(&next(), &next()),
        })
    }

    /// Rows grouped by key head, put in the order of [`DeltaNetLayout::Separate`].
    fn ungroup<R: Real>(&self, qkvz: &[R], ba: &[R]) -> Inputs<R> {
        let DeltaNetSpec { key_heads, key_dim, .. } = self.spec;
        let (values, heads) = (self.spec.values() / key_heads, self.spec.value_heads / key_heads);
        let group = 2 * (key_dim + values);
        let mut inputs = Inputs {
            qkv: Vec::with_capacity(qkvz.len()),
            z: Vec::with_capacity(qkvz.len()),
            b: Vec::with_capacity(ba.len()),
            a: Vec::with_capacity(ba.len()),
        };
        for (cell, ba) in qkvz
            .chunks_exact(group * key_heads)
            .zip(ba.chunks_exact(2 * heads * key_heads))
        {
            for part in [0..key_dim, key_dim..2 * key_dim, 2 * key_dim..2 * key_dim + values] {
                for head in cell.chunks_exact(group) {
                    inputs.qkv.extend_from_slice(&head[part.clone()]);
                }
            }
            for head in cell.chunks_exact(group) {
                inputs.z.extend_from_slice(&head[group - values..]);
            }
            for head in ba.chunks_exact(2 * heads) {
                inputs.b.extend_from_slice(&head[..heads]);
                inputs.a.extend_from_slice(&head[heads..]);
            }
        }
        inputs
    }

    /// `SiLU`, then queries and keys to unit length, queries divided by √`key_dim`.
    fn activate<R: Real>(&self, qkv: &mut [R]) {
        let (keys, key_dim) = (self.spec.keys(), self.spec.key_dim);
        let query_scale = (key_dim as f64).powf(-0.5);
        qkv.par_chunks_mut(self.spec.conv_channels()).for_each(|cell| {
            for value in cell.iter_mut() {
                *value = silu(*value);
            }
            let (queries, rest) = cell.split_at_mut(keys);
            for (heads, factor) in [(queries, query_scale), (&mut rest[..keys], 1.0)] {
                for head in heads.chunks_exact_mut(key_dim) {
                    let scale = R::of(factor / (squares(head) + LENGTH_EPSILON).sqrt());
                    for value in head {
                        *value *= scale;
                    }
                }
            }
        });
    }

    /// The recurrence, `[batch, value_heads, length, value_dim]`.
    fn scan<R: Real>(&self, inputs: &Inputs<R>, timeline: &Timeline, state: &mut RecurrentState) -> Vec<R> {
        let DeltaNetSpec {
            value_heads,
            key_dim,
            value_dim,
            ..
        } = self.spec;
        let size = key_dim * value_dim;
        let matrices = state.recurrent.values::<R>(timeline.batch(), value_heads * size);
        let mut out = vec![R::default(); timeline.cells() * value_heads * value_dim];
        out.par_chunks_mut(timeline.length() * value_dim)
            .zip(matrices.par_chunks_mut(size))
            .enumerate()
            .for_each(|(index, (out, matrix))| {
                let (row, head) = (index / value_heads, index % value_heads);
                let mut change = vec![R::default(); value_dim];
                timeline.walk(row, matrix, |cell, matrix| {
                    let at = cell - row * timeline.length();
                    let out = &mut out[at * value_dim..(at + 1) * value_dim];
                    self.step(inputs, cell, head, matrix, &mut change, out);
                });
            });
        out
    }

    /// One token of one value head; `matrix` is `[key_dim, value_dim]`, `change` is scratch.
    fn step<R: Real>(
        &self,
        inputs: &Inputs<R>,
        cell: usize,
        head: usize,
        matrix: &mut [R],
        change: &mut [R],
        out: &mut [R],
    ) {
        let spec = &self.spec;
        let (keys, width) = (spec.keys(), spec.value_dim);
        let qkv = &inputs.qkv[cell * spec.conv_channels()..(cell + 1) * spec.conv_channels()];
        let key_head = head / (spec.value_heads / spec.key_heads);
        let query = &qkv[key_head * spec.key_dim..][..spec.key_dim];
        let key = &qkv[keys + key_head * spec.key_dim..][..spec.key_dim];
        let value = &qkv[2 * keys + head * width..][..width];
        let at = cell * spec.value_heads + head;
        let beta = sigmoid(inputs.b[at]);
        let gate = R::from(self.a_log[head]).exp() * softplus(inputs.a[at] + R::from(self.dt_bias[head]));
        let decay = (-gate).exp();
        change.fill(R::default());
        for (row, &key) in matrix.chunks_exact_mut(width).zip(key) {
            for (held, change) in row.iter_mut().zip(change.iter_mut()) {
                *held *= decay;
                *change += *held * key;
            }
        }
        for (change, &value) in change.iter_mut().zip(value) {
            *change = beta * (value - *change);
        }
        for ((row, &key), &query) in matrix.chunks_exact_mut(width).zip(key).zip(query) {
            for ((held, &change), out) in row.iter_mut().zip(change.iter()).zip(out.iter_mut()) {
                *held += key * change;
                *out += *held * query;
            }
        }
    }

    /// `norm(o) · silu(z)` per head, the norm first; `[cells, value_heads * value_dim]`.
    fn norm_gated<R: Real>(&self, z: &[R], scanned: &[R], timeline: &Timeline) -> Vec<R> {
        let DeltaNetSpec {
            value_heads, value_dim, ..
        } = self.spec;
        let length = timeline.length();
        let weight: Vec<R> = widen(&self.norm);
        let mut out = vec![R::default(); timeline.cells() * value_heads * value_dim];
        out.par_chunks_mut(value_dim)
            .zip(z.par_chunks(value_dim))
            .enumerate()
            .for_each(|(index, (out, z))| {
                let (cell, head) = (index / value_heads, index % value_heads);
                let (row, at) = (cell / length, cell % length);
                let o = &scanned[((row * value_heads + head) * length + at) * value_dim..][..value_dim];
                let scale = inverse_rms(o, self.spec.norm_epsilon);
                for (((out, &o), &z), &weight) in out.iter_mut().zip(o).zip(z).zip(&weight) {
                    *out = o * scale * weight * silu(z);
                }
            });
        out
    }
}
