//! Which experts a token goes to, and with which weight.

use burn::tensor::{Int, Tensor, TensorData, activation};
use rayon::prelude::*;

use super::rope::host;
use super::selection::{Selection, two_by_sparsemixer};
use crate::device::{Device, count_read};
use crate::error::ModelError;
use crate::mask::ExpertId;
use crate::matrix::Matrix;
use crate::spec::{MoeSpec, Normalise, RouterSpec, Scoring};
use crate::weights::WeightSource;

/// Tokens whose experts one thread picks at a time.
const TOKENS: usize = 64;

/// One layer's router.
#[derive(Debug, Clone)]
pub struct Router {
    spec: RouterSpec,
    /// `[experts, hidden]`.
    pub weight: Matrix,
    /// `[experts]`.
    bias: Option<Tensor<1>>,
    /// `[experts]`, for selection only.
    selection_bias: Option<Vec<f64>>,
    /// The same on the device.
    #[cfg(feature = "wgpu")]
    selection_bias_there: Option<Tensor<1>>,
    /// Experts in the checkpoint.
    pub experts: usize,
    /// Experts per token.
    pub top_k: usize,
    /// Kept experts; `None` keeps all. Added to the logits as 0 or −∞ before the softmax, which equals slicing the rows away.
    pub kept: Option<Vec<bool>>,
}

/// What the router decided for a batch.
#[derive(Debug, Clone)]
pub struct Routing {
    /// `[tokens, experts]`, as the router computed them: dropped experts included.
    pub logits: Tensor<2>,
    /// Softmax over the kept experts, or sigmoid of each, `[tokens, experts]`.
    pub scores: Tensor<2>,
    /// Weight descending within a token, ties to the lower index.
    pub selected: Selected,
    /// `[tokens, top_k]`: what expert outputs (in one family: inputs) are multiplied by.
    pub weights: Tensor<2>,
}

/// The experts of each token.
// A pass holds one a layer.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum Selected {
    /// `[tokens * top_k]`.
    Host(Vec<ExpertId>),
    /// `[tokens, top_k]`, on an adapter.
    Device(Tensor<2, Int>),
}

impl Routing {
    /// Of some neighbouring tokens.
    pub(crate) fn part(&self, first: usize, tokens: usize, top_k: usize) -> Self {
        let part = |x: &Tensor<2>| x.clone().narrow(0, first, tokens);
        Self {
            logits: part(&self.logits),
            scores: part(&self.scores),
            selected: self.selected.part(first, tokens, top_k),
            weights: part(&self.weights),
        }
    }
}

impl Selected {
    /// `[tokens * top_k]`, unless they are on an adapter.
    #[must_use]
    pub fn host(&self) -> Option<&[ExpertId]> {
        match self {
            Self::Host(ids) => Some(ids),
            Self::Device(_) => None,
        }
    }

    /// Experts per token, of so many tokens.
    pub(crate) fn top_k(&self, tokens: usize) -> usize {
        match self {
            Self::Host(ids) => ids.len() / tokens.max(1),
            Self::Device(ids) => ids.dims()[1],
        }
    }

    /// Of some neighbouring tokens.
    fn part(&self, first: usize, tokens: usize, top_k: usize) -> Self {
        match self {
            Self::Host(ids) => Self::Host(ids[first * top_k..(first + tokens) * top_k].to_vec()),
            Self::Device(ids) => Self::Device(ids.clone().narrow(0, first, tokens)),
        }
    }

    /// `[tokens * top_k]`, read from the adapter if they are there.
    ///
    /// # Errors
    /// If the device fails.
    pub fn ids(&self, place: &str) -> Result<Vec<ExpertId>, ModelError> {
        match self {
            Self::Host(ids) => Ok(ids.clone()),
            Self::Device(ids) => {
                count_read();
                let failed = |reason: String| ModelError::Execution {
                    place: place.to_owned(),
                    reason,
                };
                let data = ids.clone().try_into_data().map_err(|e| failed(format!("{e:?}")))?;
                let ids = data.convert::<u32>().try_into_vec::<u32>();
                let ids = ids.map_err(|e| failed(format!("{e:?}")))?;
                Ok(ids.into_iter().map(|id| ExpertId(id as usize)).collect())
            }
        }
    }
}

impl Router {
    /// Reads the weights, whose names begin with `layer`.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(moe: &MoeSpec, layer: &str, hidden: usize, weights: &dyn WeightSource) -> Result<Self, ModelError> {
        let named = |name: &String| format!("{layer}{name}");
        let vector = |name: &Option<String>| {
            name.as_ref()
                .map(|name| weights.vector(&named(name), moe.experts))
                .transpose()
        };
        let selection_bias_there = vector(&moe.router.selection_bias)?;
        let selection_bias = match selection_bias_there.clone() {
            Some(bias) => Some(host_f64(bias, layer)?),
            None => None,
        };
        Ok(Self {
            #[cfg(feature = "wgpu")]
            selection_bias_there,
            weight: weights.matrix(&named(&moe.router.weight), [moe.experts, hidden])?,
            bias: vector(&moe.router.bias)?,
            selection_bias,
            experts: moe.experts,
            top_k: moe.top_k,
            kept: None,
            spec: moe.router.clone(),
        })
    }

    /// Routes `[tokens, hidden]`.
    ///
    /// # Errors
    /// If a score is not finite, or the device fails.
    pub fn route(&self, x: Tensor<2>, device: &Device, place: &str) -> Result<Routing, ModelError> {
        let tokens = x.dims()[0];
        let mut logits = self.weight.apply(x);
        if let Some(bias) = &self.bias {
            logits = logits + bias.clone().unsqueeze();
        }
        let masked = match &self.kept {
            Some(kept) => logits.clone() + penalty(kept, device),
            None => logits.clone(),
        };
        let scores = match self.spec.scoring {
            Scoring::Sigmoid | Scoring::SigmoidOnInput => activation::sigmoid(masked.clone()),
            _ => activation::softmax(masked.clone(), 1),
        };
        #[cfg(feature = "wgpu")]
        if let Matrix::Device(_) = self.weight {
            let (selected, weights) = self.on_adapter(&scores, masked, device);
            return Ok(Routing {
                logits,
                scores,
                selected: Selected::Device(selected),
                weights,
            });
        }
        let (selected, weights) = match self.spec.scoring {
            Scoring::Softmax | Scoring::Sigmoid => {
                let selected = self.select(&host_f64(scores.clone(), place)?, place)?;
                let weights = self.normalised(self.gathered(&scores, &selected, tokens, device));
                (selected, weights)
            }
            Scoring::SoftmaxOfSelected => {
                let selected = self.select(&host_f64(masked.clone(), place)?, place)?;
                let weights = activation::softmax(self.gathered(&masked, &selected, tokens, device), 1);
                (selected, self.normalised(weights))
            }
            Scoring::SigmoidOnInput => {
                let selected = self.select(&host_f64(masked, place)?, place)?;
                let weights = self.gathered(&scores, &selected, tokens, device);
                (selected, weights)
            }
            Scoring::Sparsemixer { jitter } => {
                let values = host_f64(masked, place)?;
                let (selected, weights) = two_by_sparsemixer(&values, self.experts, jitter, place)?;
                (selected, host(weights, [tokens, self.top_k], device))
            }
        };
        Ok(Routing {
            logits,
            scores,
            selected: Selected::Host(selected),
            weights,
        })
    }

    /// Experts and their weights, both `[tokens, top_k]`, without the host.
    #[cfg(feature = "wgpu")]
    fn on_adapter(&self, scores: &Tensor<2>, masked: Tensor<2>, device: &Device) -> (Tensor<2, Int>, Tensor<2>) {
        let router = crate::gpu::DeviceRouter {
            experts: self.experts,
            top_k: self.top_k,
            bias: self.selection_bias_there.as_ref(),
            groups: self.spec.groups,
            kept: self.kept.as_deref(),
        };
        match self.spec.scoring {
            Scoring::Softmax | Scoring::Sigmoid => {
                let (selected, picked) = router.select(scores.clone(), device);
                (selected, self.normalised(picked))
            }
            Scoring::SoftmaxOfSelected => {
                let (selected, picked) = router.select(masked, device);
                (selected, self.normalised(activation::softmax(picked, 1)))
            }
            Scoring::SigmoidOnInput => {
                let (selected, picked) = router.select(masked, device);
                (selected, activation::sigmoid(picked))
            }
            Scoring::Sparsemixer { jitter } => router.sparsemixer(masked, jitter, device),
        }
    }

    /// Values of the selected, `[tokens, top_k]`.
    fn gathered(&self, values: &Tensor<2>, selected: &[ExpertId], tokens: usize, device: &Device) -> Tensor<2> {
        let indices: Vec<i64> = selected.iter().map(|id| id.0 as i64).collect();
        let indices: Tensor<2, Int> = Tensor::from_data(TensorData::new(indices, [tokens, self.top_k]), device.burn());
        values.clone().gather(1, indices)
    }

    fn normalised(&self, weights: Tensor<2>) -> Tensor<2> {
        let weights = match self.spec.normalise {
            Normalise::None => weights,
            Normalise::Sum { epsilon, floor } => {
                let mut sum = weights.clone().sum_dim(1);
                if epsilon > 0.0 {
                    sum = sum.add_scalar(epsilon);
                }
                if floor > 0.0 {
                    sum = sum.clamp_min(floor);
                }
                weights / sum
            }
        };
        if (self.spec.scale - 1.0).abs() > 0.0 {
            weights.mul_scalar(self.spec.scale)
        } else {
            weights
        }
    }

    fn select(&self, scores: &[f64], place: &str) -> Result<Vec<ExpertId>, ModelError> {
        let selection = Selection {
            top_k: self.top_k,
            bias: self.selection_bias.as_deref(),
            groups: self.spec.groups,
            kept: self.kept.as_deref(),
        };
        let some = |scores: &[f64]| {
            let mut selected = Vec::with_capacity(scores.len() / self.experts * self.top_k);
            for token in scores.chunks_exact(self.experts) {
                selection.select(token, place, &mut selected)?;
            }
            Ok(selected)
        };
        let at_once = TOKENS * self.experts;
        if scores.len() < 2 * at_once {
            return some(scores);
        }
        let selected: Result<Vec<_>, ModelError> = scores.par_chunks(at_once).map(some).collect();
        Ok(selected?.concat())
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
    count_read();
    let data = x.try_into_data().map_err(|e| failed(format!("{e:?}")))?;
    data.convert::<f64>()
        .try_into_vec::<f64>()
        .map_err(|e| failed(format!("{e:?}")))
}
