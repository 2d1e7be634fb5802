//! A router's selection on the adapter.

use burn::tensor::{DType, Int, Tensor};
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim};

use super::buffers::{Adapter, buffer, int_tensor, tensor};
use super::kernels::route::{Rules, route, sparsemixer};
use crate::device::Device;
use crate::spec::{GroupScore, GroupSpec};

/// Units of a cube, each with a token.
const UNITS: u32 = 64;

/// How a layer selects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeviceRouter<'a> {
    pub(crate) experts: usize,
    pub(crate) top_k: usize,
    /// Added to the scores for picking only, `[experts]`.
    pub(crate) bias: Option<&'a Tensor<1>>,
    pub(crate) groups: Option<GroupSpec>,
    /// `None` keeps all.
    pub(crate) kept: Option<&'a [bool]>,
}

impl DeviceRouter<'_> {
    /// Picks by `scores`, `[tokens, experts]`: the experts, `[tokens, top_k]`, score descending, and their scores. These are NaN where a score
    /// is not finite.
    pub(crate) fn select(&self, scores: Tensor<2>, device: &Device) -> (Tensor<2, Int>, Tensor<2>) {
        let adapter = Adapter::of(device);
        let tokens = scores.dims()[0];
        let kept = self.kept.map(|kept| adapter.words(&flags(kept)));
        let there = self
            .kept
            .map_or(self.experts, |kept| kept.iter().filter(|&&kept| kept).count());
        let groups = self.groups.filter(|groups| groups.groups > 1);
        let rules = Rules {
            experts: self.experts as u32,
            top_k: self.top_k as u32,
            groups: groups.map_or(1, |groups| groups.groups as u32),
            chosen: groups.map_or(1, |groups| groups.chosen as u32),
            counted: match groups.map(|groups| groups.score) {
                Some(GroupScore::SumOfTopTwo) => 2,
                _ => 1,
            },
        };
        let scores = buffer(scores);
        let bias = self.bias.map_or_else(|| scores.clone(), |bias| buffer(bias.clone()));
        let masked = kept.is_some();
        let kept = kept.unwrap_or_else(|| scores.clone());
        let selected = adapter.empty([tokens, self.top_k], DType::I32);
        let picked = adapter.empty([tokens, self.top_k], DType::F32);
        route::launch(
            &adapter.client,
            CubeCount::Static((tokens as u32).div_ceil(UNITS), 1, 1),
            CubeDim::new_1d(UNITS),
            scores.into_buffer_arg(),
            bias.into_buffer_arg(),
            kept.into_buffer_arg(),
            selected.clone().into_buffer_arg(),
            picked.clone().into_buffer_arg(),
            tokens as u32,
            (there as u32 / rules.groups).max(1),
            rules,
            self.bias.is_some(),
            masked,
        );
        (int_tensor(selected), tensor(picked))
    }

    /// Two experts a token and their weights, by logits of which those of dropped experts are −∞.
    pub(crate) fn sparsemixer(&self, logits: Tensor<2>, jitter: f64, device: &Device) -> (Tensor<2, Int>, Tensor<2>) {
        let adapter = Adapter::of(device);
        let tokens = logits.dims()[0];
        let logits = buffer(logits);
        let kept = self.kept.map(|kept| adapter.words(&flags(kept)));
        let masked = kept.is_some();
        let kept = kept.unwrap_or_else(|| logits.clone());
        let selected = adapter.empty([tokens, 2], DType::I32);
        let weights = adapter.empty([tokens, 2], DType::F32);
        sparsemixer::launch(
            &adapter.client,
            CubeCount::Static((tokens as u32).div_ceil(UNITS), 1, 1),
            CubeDim::new_1d(UNITS),
            logits.into_buffer_arg(),
            kept.into_buffer_arg(),
            selected.clone().into_buffer_arg(),
            weights.clone().into_buffer_arg(),
            tokens as u32,
            2.0 * jitter as f32,
            self.experts as u32,
            masked,
        );
        (int_tensor(selected), tensor(weights))
    }
}

/// 1 for kept experts, as bytes of words.
fn flags(kept: &[bool]) -> Vec<u8> {
    kept.iter().flat_map(|&kept| u32::from(kept).to_le_bytes()).collect()
}
