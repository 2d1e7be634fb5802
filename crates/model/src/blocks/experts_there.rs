//! Experts on an adapter, for as many tokens at a time as it can bind what they say.

use burn::tensor::{Int, Tensor};

use super::experts::{ExpertOutputs, Experts, Said};
use super::mlp::{Mlp, activate_misread};
use super::parts::joined;
use super::router::{Routing, Selected};
use crate::device::Device;
use crate::error::ModelError;
use crate::layer_pass::{largest, norms};

/// How gate and up rows that lie alternately are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GateAndUp {
    /// As they are.
    Read,
    /// For halves, see [`Mlp::apply_misread`].
    Misread,
}

impl Experts {
    /// [`Experts::apply`] on an adapter. Of what each expert says, norms and largest values are kept if somebody listens: all of it may be more than can
    /// be bound.
    pub(super) fn apply_there(
        &self,
        x: &Tensor<2>,
        routing: &Routing,
        device: &Device,
        place: &str,
        (how, listens): (GateAndUp, bool),
    ) -> Result<ExpertOutputs, ModelError> {
        let tokens = x.dims()[0];
        let top_k = routing.selected.top_k(tokens);
        let at_once = device.tokens_at_once(top_k * self.widest(how)).min(tokens.max(1));
        let mut combined = Vec::new();
        let (mut all_norms, mut all_largest) = (Vec::new(), Vec::new());
        for first in (0..tokens).step_by(at_once) {
            let count = at_once.min(tokens - first);
            let outputs = if count == tokens {
                self.some_there(x.clone(), routing, device, place, how)?
            } else {
                let (x, routing) = (x.clone().narrow(0, first, count), routing.part(first, count, top_k));
                self.some_there(x, &routing, device, place, how)?
            };
            combined.push(outputs.combined);
            if let (true, Said::Outputs(said)) = (listens, outputs.said) {
                all_norms.push(norms(said.clone()));
                all_largest.push(largest(said));
            }
        }
        Ok(ExpertOutputs {
            said: if listens {
                Said::There {
                    norms: joined(all_norms),
                    largest: joined(all_largest),
                }
            } else {
                Said::Nothing
            },
            combined: joined(combined),
        })
    }

    /// Values of the widest thing that is there for each expert of a token.
    fn widest(&self, how: GateAndUp) -> usize {
        let Some(first) = self.experts.first() else { return 1 };
        let [inner, hidden] = first.up.weight.shape();
        match how {
            GateAndUp::Read => inner.max(hidden),
            // Both side by side.
            GateAndUp::Misread => (2 * inner).max(hidden),
        }
    }

    /// [`Experts::apply_there`] for few enough tokens.
    fn some_there(
        &self,
        x: Tensor<2>,
        routing: &Routing,
        device: &Device,
        place: &str,
        how: GateAndUp,
    ) -> Result<ExpertOutputs, ModelError> {
        if let (Some(grouped), Selected::Device(selected), Some(first)) =
            (&self.grouped, &routing.selected, self.experts.first())
        {
            let between = |gate, up| activate_misread(first.activation, gate, up);
            return Ok(match how {
                GateAndUp::Read => self.launched(x, routing, selected, &|x, selected| grouped.apply(x, selected)),
                GateAndUp::Misread => self.launched(x, routing, selected, &|x, selected| {
                    grouped.apply_between(x, selected, &between)
                }),
            });
        }
        let run = match how {
            GateAndUp::Read => Mlp::apply,
            GateAndUp::Misread => Mlp::apply_misread,
        };
        self.apply_each(x, routing, device, place, &run)
    }

    /// All experts in few launches.
    fn launched(
        &self,
        x: Tensor<2>,
        routing: &Routing,
        selected: &Tensor<2, Int>,
        run: &dyn Fn(Tensor<2>, Tensor<2, Int>) -> Tensor<2>,
    ) -> ExpertOutputs {
        let ([tokens, hidden], top_k) = (x.dims(), selected.dims()[1]);
        let x = if self.weighs_input {
            let slots: Tensor<3> = x.unsqueeze_dim::<3>(1) * routing.weights.clone().unsqueeze_dim::<3>(2);
            slots.reshape([tokens * top_k, hidden])
        } else {
            x
        };
        self.said(run(x, selected.clone()), routing, [tokens, top_k, hidden])
    }
}
