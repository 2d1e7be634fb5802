//! Mamba2: a selective state space with one decay per head.
//!
//! Source: Dao and Gu, <https://arxiv.org/abs/2405.21060>; `NemotronHMamba2Mixer` in transformers 5.23. Per head, with the decay
//! `A = -exp(A_log)` and B, C shared by the heads of a group:
//!
//! ```text
//! S_t = exp(Δ_t A) S_(t-1) + Δ_t x_t B_tᵀ        Δ = softplus(dt + dt_bias)
//! y_t = S_t C_t + D x_t
//! ```
//!
//! Δ is not clamped: the fused kernels that the models were trained and are served with do not either (transformers raises it to
//! `time_step_min` in prefill only).

#[cfg(feature = "wgpu")]
use std::sync::{Arc, OnceLock};

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::causal_conv::CausalConv;
use super::linear::Linear;
use super::recurrent::{Real, RecurrentState, host_weight, inverse_rms, read, silu, softplus, widen, write};
use super::timeline::Timeline;
use crate::device::{Device, Precision};
use crate::error::ModelError;
#[cfg(feature = "wgpu")]
use crate::gpu::DeviceMamba2;
#[cfg(feature = "wgpu")]
use crate::matrix::on_adapter;
use crate::spec::Mamba2Spec;
use crate::weights::WeightSource;

/// One layer's mixer.
#[derive(Debug, Clone)]
pub struct Mamba2 {
    spec: Mamba2Spec,
    input: Linear,
    conv: CausalConv,
    /// `[heads]` each.
    dt_bias: Vec<f32>,
    a_log: Vec<f32>,
    skip: Vec<f32>,
    /// `[heads * head_dim]`.
    norm: Vec<f32>,
    output: Linear,
    /// What an adapter needs, from its first use on; `None` where it cannot bind the states.
    #[cfg(feature = "wgpu")]
    there: Arc<OnceLock<Option<DeviceMamba2>>>,
}

/// Host values of a forward pass, `[cells, ..]` each.
struct Inputs<R> {
    /// `[cells, projected]`: gate first, dt last.
    projected: Vec<R>,
    /// `[cells, conv_channels]`: x, B, C after convolution and `SiLU`.
    mixed: Vec<R>,
}

impl Mamba2 {
    /// Reads the weights under `layer`, the layer's prefix.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(spec: &Mamba2Spec, layer: &str, hidden: usize, weights: &dyn WeightSource) -> Result<Self, ModelError> {
        let named = |name: &str| format!("{layer}{}{name}", spec.prefix);
        let per_head = |name: &str| host_weight(weights, &named(name), spec.heads);
        let channels = [spec.conv_channels(), spec.kernel];
        Ok(Self {
            input: Linear::new(weights, &named("in_proj"), [spec.projected(), hidden], spec.bias)?,
            conv: CausalConv::new(weights, &named("conv1d"), channels, spec.conv_bias)?,
            dt_bias: per_head("dt_bias")?,
            a_log: per_head("A_log")?,
            skip: per_head("D")?,
            norm: host_weight(weights, &named("norm.weight"), spec.inner())?,
            output: Linear::new(weights, &named("out_proj"), [hidden, spec.inner()], spec.bias)?,
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
        x: Tensor<2>,
        timeline: &Timeline,
        state: Option<&mut RecurrentState>,
        device: &Device,
    ) -> Result<Tensor<2>, ModelError> {
        let projected = self.input.apply(x);
        #[cfg(feature = "wgpu")]
        if let Some(there) = self.there(device)
            && there.has_room(timeline, state.is_some())
        {
            return Ok(self.output.apply(there.mix(projected, timeline, state, device)));
        }
        let mut fresh = RecurrentState::default();
        let state = state.unwrap_or(&mut fresh);
        let shape = [timeline.cells(), self.spec.inner()];
        let mixed = match device.precision() {
            Precision::F32 | Precision::Fast => write(self.mix::<f32>(projected, timeline, state)?, shape, device),
            Precision::F64 => write(self.mix::<f64>(projected, timeline, state)?, shape, device),
        };
        Ok(self.output.apply(mixed))
    }

    #[cfg(feature = "wgpu")]
    fn there(&self, device: &Device) -> Option<&DeviceMamba2> {
        if !on_adapter(device) {
            return None;
        }
        let there = self.there.get_or_init(|| {
            let per_head = [&self.dt_bias[..], &self.a_log, &self.skip];
            DeviceMamba2::new(&self.spec, self.conv.there(true, device), per_head, &self.norm, device)
        });
        there.as_ref()
    }

    /// Everything between the projections, `[cells, heads * head_dim]`.
    fn mix<R: Real>(
        &self,
        projected: Tensor<2>,
        timeline: &Timeline,
        state: &mut RecurrentState,
    ) -> Result<Vec<R>, ModelError> {
        let projected: Vec<R> = read(projected, "Mamba2")?;
        let (inner, channels) = (self.spec.inner(), self.spec.conv_channels());
        let conv_inputs: Vec<R> = projected
            .chunks_exact(self.spec.projected())
            .flat_map(|cell| &cell[inner..inner + channels])
            .copied()
            .collect();
        let mut mixed = self.conv.apply(&conv_inputs, timeline, &mut state.conv);
        mixed.par_iter_mut().for_each(|value| *value = silu(*value));
        let inputs = Inputs { projected, mixed };
        let scanned = self.scan(&inputs, timeline, state);
        Ok(self.gated_norm(&inputs, &scanned, timeline))
    }

    /// The recurrence, `[batch, heads, length, head_dim]`.
    fn scan<R: Real>(&self, inputs: &Inputs<R>, timeline: &Timeline, state: &mut RecurrentState) -> Vec<R> {
        let Mamba2Spec { heads, head_dim, .. } = self.spec;
        let size = head_dim * self.spec.state;
        let matrices = state.recurrent.values::<R>(timeline.batch(), heads * size);
        let mut y = vec![R::default(); timeline.cells() * heads * head_dim];
        y.par_chunks_mut(timeline.length() * head_dim)
            .zip(matrices.par_chunks_mut(size))
            .enumerate()
            .for_each(|(index, (y, matrix))| {
                let (row, head) = (index / heads, index % heads);
                timeline.walk(row, matrix, |cell, matrix| {
                    let at = cell - row * timeline.length();
                    let y = &mut y[at * head_dim..(at + 1) * head_dim];
                    self.step(inputs, cell, head, matrix, y);
                });
            });
        y
    }

    /// One token of one head; `matrix` is `[head_dim, state]`.
    fn step<R: Real>(&self, inputs: &Inputs<R>, cell: usize, head: usize, matrix: &mut [R], y: &mut [R]) {
        let spec = &self.spec;
        let (inner, width) = (spec.inner(), spec.state);
        let mixed = &inputs.mixed[cell * spec.conv_channels()..(cell + 1) * spec.conv_channels()];
        let group = head / (spec.heads / spec.groups);
        let x = &mixed[head * spec.head_dim..(head + 1) * spec.head_dim];
        let b = &mixed[inner + group * width..][..width];
        let c = &mixed[inner + (spec.groups + group) * width..][..width];
        let dt = inputs.projected[(cell + 1) * spec.projected() - spec.heads + head];
        let dt = softplus(dt + R::from(self.dt_bias[head]));
        let decay = (-(dt * R::from(self.a_log[head]).exp())).exp();
        let skip = R::from(self.skip[head]);
        for ((row, &x), y) in matrix.chunks_exact_mut(width).zip(x).zip(y) {
            *y = advance(row, decay, dt * x, b, c) + skip * x;
        }
    }

    /// `norm(y · silu(gate))` per group, the gate first; `[cells, heads * head_dim]`, 0 at padding.
    fn gated_norm<R: Real>(&self, inputs: &Inputs<R>, scanned: &[R], timeline: &Timeline) -> Vec<R> {
        let Mamba2Spec { heads, head_dim, .. } = self.spec;
        let (inner, length) = (self.spec.inner(), timeline.length());
        let weight: Vec<R> = widen(&self.norm);
        let mut out = vec![R::default(); timeline.cells() * inner];
        out.par_chunks_mut(inner).enumerate().for_each(|(cell, out)| {
            let gate = &inputs.projected[cell * self.spec.projected()..][..inner];
            let (row, at) = (cell / length, cell % length);
            for (head, out) in out.chunks_exact_mut(head_dim).enumerate() {
                let y = &scanned[((row * heads + head) * length + at) * head_dim..][..head_dim];
                let gate = &gate[head * head_dim..(head + 1) * head_dim];
                for ((out, &y), &gate) in out.iter_mut().zip(y).zip(gate) {
                    *out = y * silu(gate);
                }
            }
            let group = inner / self.spec.groups;
            for (out, weight) in out.chunks_exact_mut(group).zip(weight.chunks_exact(group)) {
                let scale = inverse_rms(out, self.spec.norm_epsilon);
                for (out, &weight) in out.iter_mut().zip(weight) {
                    *out = *out * scale * weight;
                }
            }
        });
        out
    }
}

/// Lanes of partial sums, so that the sum below needs no order and runs in vector registers.
const LANES: usize = 8;

/// `row = decay · row + x · b`; returns `row · c`.
fn advance<R: Real>(row: &mut [R], decay: R, x: R, b: &[R], c: &[R]) -> R {
    let mut sums = [R::default(); LANES];
    let whole = row.len() - row.len() % LANES;
    let (body, rest) = row.split_at_mut(whole);
    for ((row, b), c) in body
        .chunks_exact_mut(LANES)
        .zip(b.chunks_exact(LANES))
        .zip(c.chunks_exact(LANES))
    {
        for lane in 0..LANES {
            row[lane] = row[lane] * decay + x * b[lane];
            sums[lane] += row[lane] * c[lane];
        }
    }
    let mut sum = sums.into_iter().fold(R::default(), |sum, lane| sum + lane);
    for ((row, &b), &c) in rest.iter_mut().zip(&b[whole..]).zip(&c[whole..]) {
        *row = *row * decay + x * b;
        sum += *row * c;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::advance;

    #[test]
    fn a_row_decays_takes_up_and_is_read() {
        for width in [1usize, 7, 8, 9, 24] {
            let mut row: Vec<f64> = (0..width).map(|n| n as f64).collect();
            let b: Vec<f64> = (0..width).map(|n| 1.0 + n as f64).collect();
            let c = vec![2.0; width];
            let sum = advance(&mut row, 0.5, 3.0, &b, &c);
            let expected: Vec<f64> = (0..width).map(|n| 0.5 * n as f64 + 3.0 * (1.0 + n as f64)).collect();
            assert_eq!(row, expected);
            assert!((sum - 2.0 * expected.iter().sum::<f64>()).abs() < 1e-12);
        }
    }
}
