//! What a mixture-of-experts layer did with a batch, and how an observer is shown each sequence of it.

use std::cell::OnceCell;

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::batch::Batch;
use crate::blocks::experts::{ExpertOutputs, Experts, Said};
use crate::blocks::moe::{Moe, MoeOutputs};
use crate::blocks::router::{Routing, host_f64};
use crate::device::Device;
use crate::error::ModelError;
use crate::matrix::{FEW_ROWS, in_place};
use crate::observe::{MoeObservation, MoeObserver, Question};

/// Where answers come from.
pub(crate) enum Source<'a> {
    /// They are computed when asked for.
    Live(Box<Live<'a>>),
    /// They have been read.
    Gathered(Vec<(Question, Vec<f64>)>),
}

/// The tensors of one sequence in one layer.
pub(crate) struct Live<'a> {
    place: String,
    pub(crate) residual: Tensor<2>,
    pub(crate) input: Tensor<2>,
    pub(crate) routing: Routing,
    pub(crate) said: ExpertOutputs,
    pub(crate) experts: &'a Experts,
    pub(crate) device: &'a Device,
    /// Outputs with gate and up rows misread; only where they can be.
    misread: OnceCell<ExpertOutputs>,
    /// What the block says is multiplied by this before it is added to the residual stream.
    residual_scale: f64,
}

/// What one `MoE` layer did with a batch.
pub(crate) struct LayerPass<'a> {
    pub(crate) layer: usize,
    pub(crate) residual: &'a Tensor<2>,
    pub(crate) input: &'a Tensor<2>,
    pub(crate) outputs: &'a MoeOutputs,
    pub(crate) moe: &'a Moe,
    pub(crate) device: &'a Device,
    pub(crate) residual_scale: f64,
}

impl LayerPass<'_> {
    /// Shows `observer` each sequence of `batch`, whose padding is behind their tokens.
    pub(crate) fn show(&self, batch: &Batch, observer: &mut dyn MoeObserver) -> Result<(), ModelError> {
        let MoeOutputs { routing, routed, .. } = self.outputs;
        let top_k = routing.selected.top_k(batch.ids.len());
        let place = format!("layer {}", self.layer);
        let selected = routing.selected.ids(&place)?;
        let all_weights = host_f64(routing.weights.clone(), &place)?;
        for row in 0..batch.batch {
            let (first, tokens) = (row * batch.length, batch.tokens(row));
            let part = |x: &Tensor<2>| x.clone().narrow(0, first, tokens);
            let slots = first * top_k..(first + tokens) * top_k;
            let live = Live {
                place: place.clone(),
                residual: part(self.residual),
                input: part(self.input),
                said: ExpertOutputs {
                    said: routed.said.part(slots.clone()),
                    combined: part(&routed.combined),
                },
                experts: &self.moe.experts,
                routing: routing.part(first, tokens, top_k),
                device: self.device,
                misread: OnceCell::new(),
                residual_scale: self.residual_scale,
            };
            observer.observe(&MoeObservation::new(
                self.layer,
                tokens,
                self.moe.experts.experts.len(),
                selected[slots.clone()].to_vec(),
                all_weights[slots].to_vec(),
                Source::Live(Box::new(live)),
            ))?;
        }
        Ok(())
    }

    /// What comes out if gate and up rows are misread; `None` where they cannot be.
    pub(crate) fn misread(&self) -> Result<Option<ExpertOutputs>, ModelError> {
        let experts = &self.moe.experts;
        if !experts.interleaved {
            return Ok(None);
        }
        let place = format!("layer {}", self.layer);
        experts
            .apply_misread(self.input.clone(), &self.outputs.routing, self.device, &place)
            .map(Some)
    }
}

impl Live<'_> {
    pub(crate) fn misread(&self) -> Result<&ExpertOutputs, ModelError> {
        if !self.experts.interleaved {
            return Ok(&self.said);
        }
        if let Some(misread) = self.misread.get() {
            return Ok(misread);
        }
        let misread = self
            .experts
            .apply_misread(self.input.clone(), &self.routing, self.device, &self.place)?;
        Ok(self.misread.get_or_init(|| misread))
    }

    /// `[tokens * top_k * hidden]`, unweighted.
    pub(crate) fn all_outputs(&self) -> Result<Vec<f64>, ModelError> {
        if let Said::Outputs(outputs) = &self.said.said {
            return host_f64(outputs.clone(), &self.place);
        }
        // The kernels tell how loud an expert was and keep no outputs: nobody but a test asks for them.
        let grouped = self
            .experts
            .apply_grouped(self.input.clone(), &self.routing, self.device, &self.place)?;
        match grouped.said {
            Said::Outputs(outputs) => host_f64(outputs, &self.place),
            Said::There { .. } | Said::Loudness(_) | Said::Nothing => Err(unheard(&self.place)),
        }
    }

    /// `[tokens * top_k]`: ‖E(x)‖₂ of each output.
    pub(crate) fn norms_of(&self, said: &ExpertOutputs) -> Result<Vec<f64>, ModelError> {
        match &said.said {
            Said::Outputs(outputs) => host_f64(norms(outputs.clone()), &self.place),
            Said::There { norms, .. } => host_f64(norms.clone(), &self.place),
            Said::Loudness(loudness) => Ok(loudness.iter().map(|said| said.norm).collect()),
            Said::Nothing => Err(unheard(&self.place)),
        }
    }

    /// Cosine with ε 1e-8 on the product of the norms, as torch's `cosine_similarity`. Taken in f64 on the host: `1 − cos`
    /// is what is used, and cancels.
    pub(crate) fn cosine(&self, before: &Tensor<2>, said: &ExpertOutputs) -> Result<Vec<f64>, ModelError> {
        if let Some(cosines) = cosines_in_place(before, &said.combined, self.residual_scale) {
            return Ok(cosines);
        }
        let hidden = before.dims()[1];
        let start = host_f64(before.clone(), &self.place)?;
        let change = host_f64(said.combined.clone(), &self.place)?;
        Ok(start
            .chunks_exact(hidden)
            .zip(change.chunks_exact(hidden))
            .map(|(a, change)| cosine(a, change, self.residual_scale))
            .collect())
    }
}

/// Nobody listened to the experts.
pub(crate) fn unheard(place: &str) -> ModelError {
    ModelError::Execution {
        place: place.to_owned(),
        reason: "what experts said was not kept".to_owned(),
    }
}

/// `[rows, 1]`.
pub(crate) fn norms(x: Tensor<2>) -> Tensor<2> {
    x.square().sum_dim(1).sqrt()
}

/// `[rows, 1]`: largest absolute values.
pub(crate) fn largest(x: Tensor<2>) -> Tensor<2> {
    x.abs().max_dim(1)
}

/// Cosines of rows of f32 where they lie; `None` where values are elsewhere.
fn cosines_in_place(before: &Tensor<2>, change: &Tensor<2>, scale: f64) -> Option<Vec<f64>> {
    let hidden = before.dims()[1];
    let (before, change) = (in_place(before)?, in_place(change)?);
    let start = before.as_slice::<f32>()?.par_chunks_exact(hidden);
    let rows = start.zip(change.as_slice::<f32>()?.par_chunks_exact(hidden));
    let cosines = rows.with_min_len(FEW_ROWS).map(|(a, change)| cosine(a, change, scale));
    Some(cosines.collect())
}

/// cos(a, a + scale · change).
fn cosine<T: Copy + Into<f64>>(a: &[T], change: &[T], scale: f64) -> f64 {
    let (mut dot, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&a, &change) in a.iter().zip(change) {
        let a: f64 = a.into();
        let b = a + scale * change.into();
        dot += a * b;
        aa += a * a;
        bb += b * b;
    }
    dot / (aa.sqrt().max(1e-8) * bb.sqrt().max(1e-8))
}
