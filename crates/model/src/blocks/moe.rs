//! A mixture-of-experts block: router, routed experts, and a shared expert that every token goes through.

use burn::tensor::{Tensor, activation};

use super::experts::{ExpertOutputs, Experts};
use super::mlp::Mlp;
use super::router::{Router, Routing};
use crate::device::Device;
use crate::error::ModelError;
use crate::matrix::Matrix;
use crate::spec::{MoeSpec, SharedExpertSpec};
use crate::weights::WeightSource;

/// One layer's experts.
#[derive(Debug, Clone)]
pub struct Moe {
    /// Who decides.
    pub router: Router,
    /// Who is decided upon.
    pub experts: Experts,
    shared: Option<SharedExpert>,
}

#[derive(Debug, Clone)]
struct SharedExpert {
    mlp: Mlp,
    /// `[1, hidden]`.
    gate: Option<Matrix>,
}

/// What a block did with a batch.
#[derive(Debug, Clone)]
pub struct MoeOutputs {
    /// The router's decision.
    pub routing: Routing,
    /// What the routed experts said.
    pub routed: ExpertOutputs,
    /// `[tokens, hidden]`: the routed experts together, and the shared one.
    pub all: Tensor<2>,
}

impl Moe {
    /// Reads the weights, whose names begin with `layer`.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(moe: &MoeSpec, layer: &str, hidden: usize, weights: &dyn WeightSource) -> Result<Self, ModelError> {
        let shared = match &moe.shared {
            Some(shared) => Some(SharedExpert::new(shared, moe, layer, hidden, weights)?),
            None => None,
        };
        Ok(Self {
            router: Router::new(moe, layer, hidden, weights)?,
            experts: Experts::new(moe, layer, hidden, weights)?,
            shared,
        })
    }

    /// `[tokens, hidden]` → the same. If `listens`, what each expert said is kept.
    ///
    /// # Errors
    /// If a router score is not finite, or the device fails.
    pub fn apply(&self, x: Tensor<2>, device: &Device, place: &str, listens: bool) -> Result<MoeOutputs, ModelError> {
        let routing = self.router.route(x.clone(), device, place)?;
        let routed = self.experts.apply(x.clone(), &routing, device, place, listens)?;
        let all = match &self.shared {
            Some(shared) => routed.combined.clone() + shared.apply(x, device),
            None => routed.combined.clone(),
        };
        Ok(MoeOutputs { routing, routed, all })
    }
}

impl SharedExpert {
    fn new(
        spec: &SharedExpertSpec,
        moe: &MoeSpec,
        layer: &str,
        hidden: usize,
        weights: &dyn WeightSource,
    ) -> Result<Self, ModelError> {
        let prefix = format!("{layer}{}", spec.prefix);
        let gate = match &spec.gate {
            Some(name) => Some(weights.matrix(&format!("{layer}{name}"), [1, hidden])?),
            None => None,
        };
        let widths = [hidden, spec.intermediate];
        Ok(Self {
            mlp: Mlp::new(weights, &prefix, &spec.names, widths, moe.activation, false)?,
            gate,
        })
    }

    fn apply(&self, x: Tensor<2>, device: &Device) -> Tensor<2> {
        match &self.gate {
            Some(gate) => activation::sigmoid(gate.apply(x.clone())) * self.mlp.apply_in_parts(x, device),
            None => self.mlp.apply_in_parts(x, device),
        }
    }
}
