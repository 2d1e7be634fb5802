//! What calibration may see of a mixture-of-experts layer.

use crate::blocks::experts::Said;
use crate::blocks::router::host_f64;
use crate::error::ModelError;
use crate::layer_pass::{Live, Source, largest, unheard};
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

    /// Called when all passes of a wave have gone through a layer, of whichever kind, where they go together ([`crate::layerwise`]).
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
        self.live()?.all_outputs()
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
            Said::Outputs(outputs) => host_f64(largest(outputs.clone()), &self.place),
            Said::There { largest, .. } => host_f64(largest.clone(), &self.place),
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
            host_f64(live.experts.all_norms_misread(&x, live.device), &self.place)
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
