//! Experts by the CPU kernels, on weights where they lie in the file: tokens are neither copied to be grouped, nor back.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use secateur_kernels::{Buffer, Expert, Loudness, Mixture, Projection, ProjectionWeights, Visit};

use super::dispatch::Dispatch;
use super::experts::{ExpertOutputs, Experts, Said};
use super::linear::Linear;
use super::mlp::Mlp;
use super::router::Routing;
use crate::matrix::{Matrix, from_buffer, host_f32, weights};
use crate::spec::Activation;

impl Experts {
    /// [`Experts::apply`] by the kernels; `None` where weights are not in the file.
    pub(super) fn apply_in_place(&self, x: &Tensor<2>, routing: &Routing, listens: bool) -> Option<ExpertOutputs> {
        let [tokens, hidden] = x.dims();
        let top_k = routing.selected.top_k(tokens);
        let plan = Dispatch::new(routing.selected.host()?, top_k, self.experts.len());
        let (x, weights) = (host_f32(x.clone()), host_f32(routing.weights.clone()));
        let weights: &[f32] = weights.as_slice()?;
        let visits: Vec<Visit> = plan
            .slots
            .iter()
            .map(|&slot| self.visit(slot, top_k, weights))
            .collect();
        let biases: Vec<Biases> = self.experts.iter().map(Biases::of).collect::<Option<_>>()?;
        let mut groups = Vec::new();
        let mut rest = visits.as_slice();
        for ((expert, biases), &count) in self.experts.iter().zip(&biases).zip(&plan.counts) {
            let (here, others) = rest.split_at(count);
            rest = others;
            if count > 0 {
                groups.push((kernel_view(expert, biases)?, here));
            }
        }
        let precision = self
            .experts
            .first()
            .map_or_else(Default::default, |expert| expert.up.weight.precision());
        let mixture = Mixture {
            x: x.as_slice()?,
            hidden,
            groups: &groups,
            precision,
        };
        let mut combined = Buffer::new(tokens * hidden);
        let mut loudness = vec![Loudness::default(); if listens { visits.len() } else { 0 }];
        mixture.run(listens.then_some(loudness.as_mut_slice()), &mut combined);
        let said = if listens {
            Said::Loudness(plan.back.iter().map(|&row| loudness[row]).collect())
        } else {
            Said::Nothing
        };
        Some(ExpertOutputs {
            said,
            combined: from_buffer(combined, [tokens, hidden]),
        })
    }

    fn visit(&self, slot: usize, top_k: usize, weights: &[f32]) -> Visit {
        let (input_weight, output_weight) = if self.weighs_input {
            (weights[slot], 1.0)
        } else {
            (1.0, weights[slot])
        };
        Visit {
            token: slot / top_k,
            input_weight,
            output_weight,
        }
    }
}

/// An expert's biases as host values: gate, up, down.
struct Biases([Option<FlexTensor>; 3]);

impl Biases {
    /// `None` where the weights are not in the file.
    fn of(expert: &Mlp) -> Option<Self> {
        let bias = |linear: &Linear| linear.bias.clone().map(host_f32);
        let in_place = |linear: &Linear| matches!(linear.weight, Matrix::Stored { .. } | Matrix::Packed(..));
        let all = expert.gate.iter().chain([&expert.up, &expert.down]).all(in_place);
        all.then(|| {
            Self([
                expert.gate.as_ref().and_then(bias),
                bias(&expert.up),
                bias(&expert.down),
            ])
        })
    }
}

/// An expert as the kernels run it, on weights in the file.
fn kernel_view<'a>(expert: &'a Mlp, biases: &'a Biases) -> Option<Expert<'a>> {
    let gate = match &expert.gate {
        Some(gate) => Some(projection(gate, biases.0[0].as_ref())?),
        None => None,
    };
    Some(Expert {
        gate,
        up: projection(&expert.up, biases.0[1].as_ref())?,
        down: projection(&expert.down, biases.0[2].as_ref())?,
        activation: match expert.activation {
            Activation::SiluGated => secateur_kernels::Activation::SiluGated,
            Activation::ReluSquared => secateur_kernels::Activation::ReluSquared,
            Activation::ClampedGated { alpha, limit } => secateur_kernels::Activation::ClampedGated {
                alpha: alpha as f32,
                limit: limit as f32,
            },
        },
    })
}

fn projection<'a>(linear: &'a Linear, bias: Option<&'a FlexTensor>) -> Option<Projection<'a>> {
    let bias = match bias {
        Some(bias) => Some(bias.as_slice::<f32>()?),
        None => None,
    };
    let weights = match &linear.weight {
        Matrix::Stored {
            stored,
            outputs,
            inputs,
            ..
        } => ProjectionWeights::Plain(weights(stored, *outputs, *inputs)),
        Matrix::Packed(packed, _) => ProjectionWeights::Mxfp4(packed.view()),
        _ => return None,
    };
    Some(Projection { weights, bias })
}
