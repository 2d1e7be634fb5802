//! What calibration may see of a mixture-of-experts layer.

use std::cell::OnceCell;

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::blocks::experts::{ExpertOutputs, Experts, Said};
use crate::blocks::moe::{Moe, MoeOutputs};
use crate::blocks::router::{Routing, host_f64};
use crate::device::Device;
use crate::error::ModelError;
use crate::layerwise::Between;
use crate::mask::ExpertId;

/// Looks at every `MoE` layer of a forward pass: layer by layer and, within a layer, sequence by sequence.
///
/// One call is one layer on the tokens of one sequence, also where several are run side by side. Values are computed when asked for, so
/// an observer pays only for what it uses.
pub trait MoeObserver {
    /// Called once per `MoE` layer and sequence.
    ///
    /// # Errors
    /// If it cannot use what it sees; the forward pass stops.
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError>;

    /// What it will ask besides selection and weights, where that is known: an adapter then computes just that, and the host reads it once
    /// behind the last layer. `None`, the default, is anything; each answer is then read when it is asked for.
    fn asks(&self) -> Option<&[Question]> {
        None
    }

    /// Called when all passes of a wave have gone through a layer, of whichever kind, where they go together ([`crate::layerwise`]) and
    /// what was shown of it is complete.
    ///
    /// # Errors
    /// If it cannot go on; the wave stops.
    fn between_layers(&mut self, between: &Between<'_>) -> Result<(), ModelError> {
        let _ = between;
        Ok(())
    }
}

/// What may be asked of an observation beforehand; each is answered by the method of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// [`MoeObservation::scores`].
    Scores,
    /// [`MoeObservation::output_norms`].
    OutputNorms,
    /// [`MoeObservation::output_max_abs`].
    OutputMaxAbs,
    /// [`MoeObservation::residual_cosine`].
    ResidualCosine,
    /// [`MoeObservation::misread_output_norms`].
    MisreadOutputNorms,
    /// [`MoeObservation::input_cosine`].
    InputCosine,
    /// [`MoeObservation::all_expert_output_norms`] of so many tokens.
    AllExpertOutputNorms(usize),
}

/// What one `MoE` layer did with the tokens of one sequence.
pub struct MoeObservation<'a> {
    layer: usize,
    place: String,
    tokens: usize,
    experts: usize,
    selected: Vec<ExpertId>,
    weights: Vec<f64>,
    source: Source<'a>,
}

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
    residual: Tensor<2>,
    input: Tensor<2>,
    routing: Routing,
    said: ExpertOutputs,
    experts: &'a Experts,
    device: &'a Device,
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
                routing: Routing {
                    logits: part(&routing.logits),
                    scores: part(&routing.scores),
                    selected: routing.selected.part(first, tokens, top_k),
                    weights: part(&routing.weights),
                },
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
    fn misread(&self) -> Result<&ExpertOutputs, ModelError> {
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

    fn norms_of(&self, said: &ExpertOutputs) -> Result<Vec<f64>, ModelError> {
        match &said.said {
            Said::Outputs(outputs) => host_f64(norms(outputs.clone()), &self.place),
            Said::Loudness(loudness) => Ok(loudness.iter().map(|said| said.norm).collect()),
            Said::Nothing => Err(unheard(&self.place)),
        }
    }

    /// Cosine with ε 1e-8 on the product of the norms, as torch's `cosine_similarity`. Taken in f64 on the host: `1 − cos`
    /// is what is used, and cancels.
    fn cosine(&self, before: &Tensor<2>, said: &ExpertOutputs) -> Result<Vec<f64>, ModelError> {
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

impl<'a> MoeObservation<'a> {
    pub(crate) fn new(
        layer: usize,
        tokens: usize,
        experts: usize,
        selected: Vec<ExpertId>,
        weights: Vec<f64>,
        source: Source<'a>,
    ) -> Self {
        Self {
            layer,
            place: format!("layer {layer}"),
            tokens,
            experts,
            selected,
            weights,
            source,
        }
    }
}

impl MoeObservation<'_> {
    /// Decoder layer index.
    #[must_use]
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// Tokens in the sequence.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Experts in the checkpoint.
    #[must_use]
    pub fn experts(&self) -> usize {
        self.experts
    }

    /// Experts per token.
    #[must_use]
    pub fn top_k(&self) -> usize {
        self.selected.len() / self.tokens().max(1)
    }

    /// `[tokens * top_k]`, weight descending within a token.
    #[must_use]
    pub fn selected(&self) -> &[ExpertId] {
        &self.selected
    }

    /// `[tokens * top_k]`: what the outputs are really multiplied by, after renormalisation and scaling.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// `[tokens * hidden]`: what the router and the experts read.
    ///
    /// # Errors
    /// If the device fails, as for all that follow.
    pub fn input(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.live()?.input.clone(), &self.place)
    }

    /// `[tokens * hidden]`: the residual stream before the norm.
    ///
    /// # Errors
    /// If the device fails.
    pub fn residual(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.live()?.residual.clone(), &self.place)
    }

    /// `[tokens * hidden]`: Σ weight × output, without the shared expert.
    ///
    /// # Errors
    /// If the device fails.
    pub fn routed_output(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.live()?.said.combined.clone(), &self.place)
    }

    /// `[tokens * experts]`, before the softmax or sigmoid.
    ///
    /// # Errors
    /// If the device fails.
    pub fn router_logits(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.live()?.routing.logits.clone(), &self.place)
    }

    /// `[tokens * experts]`: softmax over all experts, or sigmoid of each; without selection bias.
    ///
    /// # Errors
    /// If the device fails.
    pub fn scores(&self) -> Result<Vec<f64>, ModelError> {
        self.answer(Question::Scores, |live| {
            host_f64(live.routing.scores.clone(), &self.place)
        })
    }

    /// `[tokens * top_k * hidden]`, unweighted.
    ///
    /// # Errors
    /// If the device fails.
    pub fn outputs(&self) -> Result<Vec<f64>, ModelError> {
        let live = self.live()?;
        if let Said::Outputs(outputs) = &live.said.said {
            return host_f64(outputs.clone(), &self.place);
        }
        // The kernels tell how loud an expert was and keep no outputs: nobody but a test asks for them.
        let grouped = live
            .experts
            .apply_grouped(live.input.clone(), &live.routing, live.device, &self.place)?;
        match grouped.said {
            Said::Outputs(outputs) => host_f64(outputs, &self.place),
            Said::Loudness(_) | Said::Nothing => Err(unheard(&self.place)),
        }
    }

    /// `[tokens * top_k]`: ‖E(x)‖₂ of the unweighted outputs.
    ///
    /// # Errors
    /// If the device fails.
    pub fn output_norms(&self) -> Result<Vec<f64>, ModelError> {
        self.answer(Question::OutputNorms, |live| live.norms_of(&live.said))
    }

    /// `[tokens * top_k]`: largest absolute value of each output.
    ///
    /// # Errors
    /// If the device fails.
    pub fn output_max_abs(&self) -> Result<Vec<f64>, ModelError> {
        self.answer(Question::OutputMaxAbs, |live| match &live.said.said {
            Said::Outputs(outputs) => host_f64(outputs.clone().abs().max_dim(1), &self.place),
            Said::Loudness(loudness) => Ok(loudness.iter().map(|said| f64::from(said.largest)).collect()),
            Said::Nothing => Err(unheard(&self.place)),
        })
    }

    /// `[tokens]`: cos(z, z + Σ g E(x)), where z is the residual stream before the norm. Shared experts are left out; where what a
    /// block says is scaled before it is added, the sum is too.
    ///
    /// # Errors
    /// If the device fails.
    pub fn residual_cosine(&self) -> Result<Vec<f64>, ModelError> {
        self.answer(Question::ResidualCosine, |live| live.cosine(&live.residual, &live.said))
    }

    /// [`MoeObservation::output_norms`] of the outputs that come out if gate and up rows are taken for halves. The code of
    /// arXiv:2607.01444 reads every family so; where rows do not lie alternately, it is right.
    ///
    /// # Errors
    /// If the device fails.
    pub fn misread_output_norms(&self) -> Result<Vec<f64>, ModelError> {
        self.answer(Question::MisreadOutputNorms, |live| live.norms_of(live.misread()?))
    }

    /// `[tokens]`: the cosine with the normed input in place of the residual stream, of outputs misread as above.
    ///
    /// # Errors
    /// If the device fails.
    pub fn input_cosine(&self) -> Result<Vec<f64>, ModelError> {
        self.answer(Question::InputCosine, |live| live.cosine(&live.input, live.misread()?))
    }

    /// `[min(tokens, limit) * experts]`: ‖E(x)‖₂ of every expert on the first `limit` tokens, routed to it or not, misread as above.
    ///
    /// # Errors
    /// If the device fails.
    pub fn all_expert_output_norms(&self, limit: usize) -> Result<Vec<f64>, ModelError> {
        self.answer(Question::AllExpertOutputNorms(limit), |live| {
            let x = live.input.clone().narrow(0, 0, limit.min(self.tokens()));
            host_f64(live.experts.all_norms_misread(&x), &self.place)
        })
    }

    fn live(&self) -> Result<&Live<'_>, ModelError> {
        match &self.source {
            Source::Live(live) => Ok(live),
            Source::Gathered(_) => Err(ModelError::Observer(format!(
                "{}: the observer asks for something that it did not announce",
                self.place
            ))),
        }
    }

    /// The answer that has been read, or else the one that is computed now.
    fn answer(
        &self,
        question: Question,
        compute: impl FnOnce(&Live<'_>) -> Result<Vec<f64>, ModelError>,
    ) -> Result<Vec<f64>, ModelError> {
        if let Source::Gathered(answers) = &self.source
            && let Some((_, values)) = answers.iter().find(|(known, _)| *known == question)
        {
            return Ok(values.clone());
        }
        compute(self.live()?)
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

/// cos(a, a + scale · change).
fn cosine(a: &[f64], change: &[f64], scale: f64) -> f64 {
    let (mut dot, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, change) in a.iter().zip(change) {
        let b = a + scale * change;
        dot += a * b;
        aa += a * a;
        bb += b * b;
    }
    dot / (aa.sqrt().max(1e-8) * bb.sqrt().max(1e-8))
}
