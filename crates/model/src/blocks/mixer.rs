//! Mixers with a recurrent state, one face for all.

use burn::tensor::Tensor;

use super::delta_net::DeltaNet;
use super::mamba2::Mamba2;
use super::recurrent::RecurrentState;
use super::short_conv::ShortConv;
use super::timeline::Timeline;
use crate::device::Device;
use crate::error::ModelError;
use crate::spec::MixerSpec;
use crate::weights::WeightSource;

/// One layer's mixer.
#[derive(Debug, Clone)]
pub enum Mixer {
    /// Selective state space.
    Mamba2(Mamba2),
    /// Gated delta rule.
    DeltaNet(DeltaNet),
    /// Gated short convolution.
    ShortConv(ShortConv),
}

impl Mixer {
    /// Reads the weights under `layer`, the layer's prefix.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(spec: &MixerSpec, layer: &str, hidden: usize, weights: &dyn WeightSource) -> Result<Self, ModelError> {
        Ok(match spec {
            MixerSpec::Mamba2(spec) => Self::Mamba2(Mamba2::new(spec, layer, hidden, weights)?),
            MixerSpec::DeltaNet(spec) => Self::DeltaNet(DeltaNet::new(spec, layer, hidden, weights)?),
            MixerSpec::ShortConv(spec) => Self::ShortConv(ShortConv::new(spec, layer, hidden, weights)?),
        })
    }

    /// `[batch * length, hidden]` → the same shape. `state` is continued and updated. Padding changes no state and no other token.
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
        match self {
            Self::Mamba2(mixer) => mixer.apply(x, timeline, state, device),
            Self::DeltaNet(mixer) => mixer.apply(&x, timeline, state, device),
            Self::ShortConv(mixer) => mixer.apply(x, timeline, state, device),
        }
    }
}
