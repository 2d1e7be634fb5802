//! What calibration may see of a mixture-of-experts layer.

use std::cell::OnceCell;

use burn::tensor::Tensor;

use crate::blocks::experts::{ExpertOutputs, Experts};
use crate::blocks::moe::{Moe, MoeOutputs};
use crate::blocks::router::{Routing, host_f64};
use crate::device::Device;
use crate::error::ModelError;
use crate::mask::ExpertId;

/// Looks at every `MoE` layer of a forward pass, in order.
///
/// Must not assume a batch: one call is one layer on the tokens of one sequence. Values are computed when asked for, so an
/// observer pays only for what it uses.
pub trait MoeObserver {
    /// Called once per `MoE` layer and sequence.
    ///
    /// # Errors
    /// If it cannot use what it sees; the forward pass stops.
    fn observe(&mut self, moe: &MoeObservation<'_>) -> Result<(), ModelError>;
}

/// What one `MoE` layer did with the tokens of one sequence.
pub struct MoeObservation<'a> {
    layer: usize,
    place: String,
    residual: &'a Tensor<2>,
    input: &'a Tensor<2>,
    routing: &'a Routing,
    said: &'a ExpertOutputs,
    experts: &'a Experts,
    weights: Vec<f64>,
    device: &'a Device,
    /// Outputs with gate and up rows misread; only where they can be.
    misread: OnceCell<ExpertOutputs>,
    /// What the block says is multiplied by this before it is added to the residual stream.
    residual_scale: f64,
}

impl<'a> MoeObservation<'a> {
    pub(crate) fn new(
        layer: usize,
        residual: &'a Tensor<2>,
        input: &'a Tensor<2>,
        outputs: &'a MoeOutputs,
        moe: &'a Moe,
        device: &'a Device,
        residual_scale: f64,
    ) -> Result<Self, ModelError> {
        let place = format!("layer {layer}");
        let weights = host_f64(outputs.routing.weights.clone(), &place)?;
        Ok(Self {
            layer,
            place,
            residual,
            input,
            routing: &outputs.routing,
            said: &outputs.routed,
            experts: &moe.experts,
            weights,
            device,
            misread: OnceCell::new(),
            residual_scale,
        })
    }

    /// Decoder layer index.
    #[must_use]
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// Tokens in the sequence.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.input.dims()[0]
    }

    /// Experts in the checkpoint.
    #[must_use]
    pub fn experts(&self) -> usize {
        self.experts.experts.len()
    }

    /// Experts per token.
    #[must_use]
    pub fn top_k(&self) -> usize {
        self.routing.selected.len() / self.tokens().max(1)
    }

    /// `[tokens * top_k]`, weight descending within a token.
    #[must_use]
    pub fn selected(&self) -> &[ExpertId] {
        &self.routing.selected
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
        host_f64(self.input.clone(), &self.place)
    }

    /// `[tokens * hidden]`: the residual stream before the norm.
    ///
    /// # Errors
    /// If the device fails.
    pub fn residual(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.residual.clone(), &self.place)
    }

    /// `[tokens * hidden]`: Σ weight × output, without the shared expert.
    ///
    /// # Errors
    /// If the device fails.
    pub fn routed_output(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.said.combined.clone(), &self.place)
    }

    /// `[tokens * experts]`, before the softmax or sigmoid.
    ///
    /// # Errors
    /// If the device fails.
    pub fn router_logits(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.routing.logits.clone(), &self.place)
    }

    /// `[tokens * experts]`: softmax over all experts, or sigmoid of each; without selection bias.
    ///
    /// # Errors
    /// If the device fails.
    pub fn scores(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.routing.scores.clone(), &self.place)
    }

    /// `[tokens * top_k * hidden]`, unweighted.
    ///
    /// # Errors
    /// If the device fails.
    pub fn outputs(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.said.outputs.clone(), &self.place)
    }

    /// `[tokens * top_k]`: ‖E(x)‖₂ of the unweighted outputs.
    ///
    /// # Errors
    /// If the device fails.
    pub fn output_norms(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(norms(self.said.outputs.clone()), &self.place)
    }

    /// `[tokens * top_k]`: largest absolute value of each output.
    ///
    /// # Errors
    /// If the device fails.
    pub fn output_max_abs(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(self.said.outputs.clone().abs().max_dim(1), &self.place)
    }

    /// `[tokens]`: cos(z, z + Σ g E(x)), where z is the residual stream before the norm. Shared experts are left out; where what a
    /// block says is scaled before it is added, the sum is too.
    ///
    /// # Errors
    /// If the device fails.
    pub fn residual_cosine(&self) -> Result<Vec<f64>, ModelError> {
        self.cosine(self.residual, self.said)
    }

    /// [`MoeObservation::output_norms`] of the outputs that come out if gate and up rows are taken for halves. The code of
    /// arXiv:2607.01444 reads every family so; where rows do not lie alternately, it is right.
    ///
    /// # Errors
    /// If the device fails.
    pub fn misread_output_norms(&self) -> Result<Vec<f64>, ModelError> {
        host_f64(norms(self.misread().outputs.clone()), &self.place)
    }

    /// `[tokens]`: the cosine with the normed input in place of the residual stream, of outputs misread as above.
    ///
    /// # Errors
    /// If the device fails.
    pub fn input_cosine(&self) -> Result<Vec<f64>, ModelError> {
        self.cosine(self.input, self.misread())
    }

    /// `[min(tokens, limit) * experts]`: ‖E(x)‖₂ of every expert on the first `limit` tokens, routed to it or not, misread as above.
    ///
    /// # Errors
    /// If the device fails.
    pub fn all_expert_output_norms(&self, limit: usize) -> Result<Vec<f64>, ModelError> {
        let tokens = limit.min(self.tokens());
        let x = self.input.clone().narrow(0, 0, tokens);
        let columns = (0..self.experts())
            .map(|e| norms(self.experts.apply_one_misread(ExpertId(e), x.clone())))
            .collect();
        host_f64(Tensor::cat(columns, 1), &self.place)
    }

    fn misread(&self) -> &ExpertOutputs {
        if !self.experts.interleaved {
            return self.said;
        }
        self.misread.get_or_init(|| {
            self.experts
                .apply_misread(self.input.clone(), self.routing, self.device)
        })
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

/// `[rows, 1]`.
fn norms(x: Tensor<2>) -> Tensor<2> {
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
