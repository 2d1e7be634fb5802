//! Which experts a token goes to, and with which weight.

use burn::tensor::{Int, Tensor, TensorData, activation};

use super::rope::host;
use crate::device::Device;
use crate::error::ModelError;
use crate::mask::ExpertId;
use crate::matrix::Matrix;

/// Softmax over all experts, then the largest `top_k` (Mixtral, `OLMoE`, Qwen).
#[derive(Debug, Clone)]
pub struct Router {
    /// `[experts, hidden]`.
    pub weight: Matrix,
    /// Experts in the checkpoint.
    pub experts: usize,
    /// Experts per token.
    pub top_k: usize,
    /// Weights of the selected experts are divided by their sum.
    pub renormalise: bool,
    /// Kept experts; `None` keeps all. Added to the logits as 0 or −∞ before the softmax, which equals slicing the rows away.
    pub kept: Option<Vec<bool>>,
}

/// What the router decided for a batch.
#[derive(Debug, Clone)]
pub struct Routing {
    /// `[tokens, experts]`, as the router computed them: dropped experts included.
    pub logits: Tensor<2>,
    /// Softmax over the kept experts, `[tokens, experts]`.
    pub scores: Tensor<2>,
    /// `[tokens * top_k]`, weight descending within a token, ties to the lower index.
    pub selected: Vec<ExpertId>,
    /// `[tokens, top_k]`: what expert outputs are multiplied by.
    pub weights: Tensor<2>,
}

impl Router {
    /// Routes `[tokens, hidden]`.
    ///
    /// # Errors
    /// If a score is not finite, or the device fails.
    pub fn route(&self, x: Tensor<2>, device: &Device, place: &str) -> Result<Routing, ModelError> {
        let tokens = x.dims()[0];
        let logits = self.weight.apply(x);
        let masked = match &self.kept {
            Some(kept) => logits.clone() + penalty(kept, device),
            None => logits.clone(),
        };
        let scores = activation::softmax(masked, 1);
        let selected = self.select(&host_f64(scores.clone(), place)?, place)?;
        let indices: Vec<i64> = selected.iter().map(|id| id.0 as i64).collect();
        let indices: Tensor<2, Int> = Tensor::from_data(TensorData::new(indices, [tokens, self.top_k]), device.burn());
        let weights = scores.clone().gather(1, indices);
        let weights = if self.renormalise {
            weights.clone() / weights.sum_dim(1)
        } else {
            weights
        };
        Ok(Routing {
            logits,
            scores,
            selected,
            weights,
        })
    }

    fn select(&self, scores: &[f64], place: &str) -> Result<Vec<ExpertId>, ModelError> {
        let mut selected = Vec::with_capacity(scores.len() / self.experts * self.top_k);
        let mut order: Vec<usize> = Vec::with_capacity(self.experts);
        for token in scores.chunks_exact(self.experts) {
            if let Some(bad) = token.iter().find(|score| !score.is_finite()) {
                return Err(ModelError::NotFinite {
                    place: format!("{place}: router"),
                    found: bad.to_string(),
                });
            }
            order.clear();
            order.extend((0..self.experts).filter(|&e| self.kept.as_ref().is_none_or(|kept| kept[e])));
            // A stable order by score: the lower index wins a tie.
            order.sort_by(|&a, &b| token[b].total_cmp(&token[a]));
            selected.extend(order.iter().take(self.top_k).map(|&e| ExpertId(e)));
        }
        Ok(selected)
    }
}

/// 0 for kept experts, −∞ for dropped ones, `[1, experts]`.
fn penalty(kept: &[bool], device: &Device) -> Tensor<2> {
    let row = kept
        .iter()
        .map(|&kept| if kept { 0.0 } else { f64::NEG_INFINITY })
        .collect();
    host(row, [1, kept.len()], device)
}

/// A tensor's values on the host, widened to f64.
///
/// # Errors
/// If the device fails.
pub(crate) fn host_f64<const D: usize>(x: Tensor<D>, place: &str) -> Result<Vec<f64>, ModelError> {
    let failed = |reason: String| ModelError::Execution {
        place: place.to_owned(),
        reason,
    };
    let data = x.try_into_data().map_err(|e| failed(format!("{e:?}")))?;
    data.convert::<f64>()
        .try_into_vec::<f64>()
        .map_err(|e| failed(format!("{e:?}")))
}
