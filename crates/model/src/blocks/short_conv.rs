//! LFM2's gated short convolution: `out(C · conv(B · x))` with `[B | C | x] = in(x)`, no activation.
//!
//! Source: `Lfm2MoeShortConv` in transformers 5.23; <https://arxiv.org/abs/2511.23404>.

#[cfg(feature = "wgpu")]
use std::sync::{Arc, OnceLock};

use burn::tensor::Tensor;

use super::causal_conv::CausalConv;
use super::linear::Linear;
use super::recurrent::{Real, RecurrentState, read, write};
use super::timeline::Timeline;
use crate::device::{Device, Precision};
use crate::error::ModelError;
#[cfg(feature = "wgpu")]
use crate::gpu::DeviceConv;
#[cfg(feature = "wgpu")]
use crate::matrix::on_adapter;
use crate::spec::ShortConvSpec;
use crate::weights::WeightSource;

/// One layer's short convolution.
#[derive(Debug, Clone)]
pub struct ShortConv {
    input: Linear,
    conv: CausalConv,
    output: Linear,
    /// The convolution on an adapter, from its first use on.
    #[cfg(feature = "wgpu")]
    there: Arc<OnceLock<DeviceConv>>,
}

impl ShortConv {
    /// Reads the weights under `layer`, the layer's prefix.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(
        spec: &ShortConvSpec,
        layer: &str,
        hidden: usize,
        weights: &dyn WeightSource,
    ) -> Result<Self, ModelError> {
        let named = |name: &str| format!("{layer}{}{name}", spec.prefix);
        Ok(Self {
            input: Linear::new(weights, &named("in_proj"), [3 * hidden, hidden], spec.bias)?,
            conv: CausalConv::new(weights, &named("conv"), [hidden, spec.kernel], spec.bias)?,
            output: Linear::new(weights, &named("out_proj"), [hidden, hidden], spec.bias)?,
            #[cfg(feature = "wgpu")]
            there: Arc::default(),
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
        let hidden = x.dims()[1];
        let mut parts = self.input.apply(x).chunk(3, 1).into_iter();
        let (Some(gate_in), Some(gate_out), Some(x)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ModelError::Execution {
                place: "short convolution".into(),
                reason: "the projection did not split into three".into(),
            });
        };
        let inputs = gate_in * x;
        #[cfg(feature = "wgpu")]
        if on_adapter(device) {
            let there = self.there.get_or_init(|| self.conv.there(false, device));
            let mixed = there.run(inputs, timeline, state, device);
            return Ok(self.output.apply(gate_out * mixed));
        }
        let mut fresh = RecurrentState::default();
        let state = state.unwrap_or(&mut fresh);
        let shape = [timeline.cells(), hidden];
        let mixed = match device.precision() {
            Precision::F32 | Precision::Fast => write(self.convolved::<f32>(inputs, timeline, state)?, shape, device),
            Precision::F64 => write(self.convolved::<f64>(inputs, timeline, state)?, shape, device),
        };
        Ok(self.output.apply(gate_out * mixed))
    }

    fn convolved<R: Real>(
        &self,
        inputs: Tensor<2>,
        timeline: &Timeline,
        state: &mut RecurrentState,
    ) -> Result<Vec<R>, ModelError> {
        let inputs: Vec<R> = read(inputs, "short convolution")?;
        Ok(self.conv.apply(&inputs, timeline, &mut state.conv))
    }
}
