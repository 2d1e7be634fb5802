//! Routed experts: each token through its own few, grouped so that an expert's weights are read once.

use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData};
use secateur_kernels::Loudness;

use super::dispatch::Dispatch;
#[cfg(feature = "wgpu")]
use super::experts_there::GateAndUp;
use super::linear::Linear;
use super::mlp::Mlp;
use super::parts::in_parts;
use super::router::{Routing, Selected};
use crate::device::Device;
#[cfg(feature = "wgpu")]
use crate::device::DeviceKind;
use crate::error::ModelError;
#[cfg(feature = "wgpu")]
use crate::gpu::GroupedExperts;
use crate::layer_pass::norms;
use crate::matrix::reads_in_place;
use crate::spec::{ExpertLayout, FusedNames, MoeSpec, Scoring};
use crate::weights::{ExpertSlice, WeightSource};

/// All experts of a layer.
#[derive(Debug, Clone)]
pub struct Experts {
    /// In the checkpoint's order.
    pub experts: Vec<Mlp>,
    /// The router's weight multiplies an expert's input, not its output.
    pub(super) weighs_input: bool,
    /// Gate and up rows lie alternately in the file.
    pub(crate) interleaved: bool,
    /// All of them on an adapter.
    #[cfg(feature = "wgpu")]
    pub(super) grouped: Option<GroupedExperts>,
}

/// What the selected experts said.
#[derive(Debug, Clone)]
pub struct ExpertOutputs {
    /// Each by itself, not yet multiplied by the router's weights.
    pub said: Said,
    /// `[tokens, hidden]`: Σ weight × output.
    pub combined: Tensor<2>,
}

/// What is known of each selected expert's output, `[tokens * top_k]`.
// There is one per layer and sequence at a time.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum Said {
    /// All, `[tokens * top_k, hidden]`.
    Outputs(Tensor<2>),
    /// Norms and largest values.
    Loudness(Vec<Loudness>),
    /// The same on an adapter, `[tokens * top_k, 1]` each.
    There {
        /// ‖E(x)‖₂.
        norms: Tensor<2>,
        /// Largest absolute values.
        largest: Tensor<2>,
    },
    /// Nothing: nobody listened.
    Nothing,
}

impl Said {
    /// Of some tokens' experts.
    pub(crate) fn part(&self, slots: Range<usize>) -> Self {
        match self {
            Self::Outputs(outputs) => Self::Outputs(outputs.clone().narrow(0, slots.start, slots.len())),
            Self::Loudness(loudness) => Self::Loudness(loudness[slots].to_vec()),
            Self::There { norms, largest } => {
                let part = |values: &Tensor<2>| values.clone().narrow(0, slots.start, slots.len());
                Self::There {
                    norms: part(norms),
                    largest: part(largest),
                }
            }
            Self::Nothing => Self::Nothing,
        }
    }
}

impl Experts {
    /// Reads the weights, whose names begin with `layer`.
    ///
    /// # Errors
    /// If one is missing.
    pub fn new(moe: &MoeSpec, layer: &str, hidden: usize, weights: &dyn WeightSource) -> Result<Self, ModelError> {
        let widths = [hidden, moe.intermediate];
        let one = |expert: usize| match &moe.layout {
            ExpertLayout::PerExpert { prefix, names } => {
                let prefix = format!("{layer}{}", prefix.replace("{expert}", &expert.to_string()));
                Mlp::new(weights, &prefix, names, widths, moe.activation, false)
            }
            ExpertLayout::Fused(names) => fused(moe, names, layer, expert, widths, weights),
        };
        let experts: Vec<Mlp> = (0..moe.experts).map(one).collect::<Result<_, _>>()?;
        #[cfg(feature = "wgpu")]
        let (experts, grouped) = {
            let mut experts = experts;
            let grouped = GroupedExperts::take(&mut experts);
            (experts, grouped)
        };
        Ok(Self {
            experts,
            #[cfg(feature = "wgpu")]
            grouped,
            weighs_input: moe.router.scoring == Scoring::SigmoidOnInput,
            interleaved: matches!(&moe.layout, ExpertLayout::Fused(names) if names.interleaved),
        })
    }

    /// Runs every token of `x`, `[tokens, hidden]`, through its selected experts. If `listens`, how loud each was is kept as well.
    ///
    /// # Errors
    /// If the device fails.
    pub fn apply(
        &self,
        x: Tensor<2>,
        routing: &Routing,
        device: &Device,
        place: &str,
        listens: bool,
    ) -> Result<ExpertOutputs, ModelError> {
        #[cfg(feature = "wgpu")]
        if device.kind() == DeviceKind::Wgpu {
            return self.apply_there(&x, routing, device, place, (GateAndUp::Read, listens));
        }
        if reads_in_place(device)
            && let Some(outputs) = self.apply_in_place(&x, routing, listens)
        {
            return Ok(outputs);
        }
        self.apply_grouped(x, routing, device, place)
    }

    /// [`Experts::apply`] with all outputs, which are computed where the tokens of an expert are grouped in a tensor.
    ///
    /// # Errors
    /// If the device fails.
    pub fn apply_grouped(
        &self,
        x: Tensor<2>,
        routing: &Routing,
        device: &Device,
        place: &str,
    ) -> Result<ExpertOutputs, ModelError> {
        self.apply_each(x, routing, device, place, &Mlp::apply)
    }

    /// [`Experts::apply`] with gate and up taken for halves, see [`Mlp::apply_misread`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn apply_misread(
        &self,
        x: Tensor<2>,
        routing: &Routing,
        device: &Device,
        place: &str,
    ) -> Result<ExpertOutputs, ModelError> {
        #[cfg(feature = "wgpu")]
        if device.kind() == DeviceKind::Wgpu {
            return self.apply_there(&x, routing, device, place, (GateAndUp::Misread, true));
        }
        self.apply_each(x, routing, device, place, &Mlp::apply_misread)
    }

    /// One expert after the other, with the tokens that go to it; each by `run`.
    pub(super) fn apply_each(
        &self,
        x: Tensor<2>,
        routing: &Routing,
        device: &Device,
        place: &str,
        run: &dyn Fn(&Mlp, Tensor<2>) -> Tensor<2>,
    ) -> Result<ExpertOutputs, ModelError> {
        let [tokens, hidden] = x.dims();
        let top_k = routing.selected.top_k(tokens);
        let read;
        let selected = match &routing.selected {
            Selected::Host(ids) => ids,
            there @ Selected::Device(_) => {
                read = there.ids(place)?;
                &read
            }
        };
        let plan = Dispatch::new(selected, top_k, self.experts.len());
        let mut grouped = x.select(0, indices(&plan.rows, device));
        if self.weighs_input {
            let slots = routing.weights.clone().reshape([tokens * top_k, 1]);
            grouped = grouped * slots.select(0, indices(&plan.slots, device));
        }
        let outputs = self.each_group(&grouped, &plan.counts, run);
        let outputs = outputs.select(0, indices(&plan.back, device));
        Ok(self.said(outputs, routing, [tokens, top_k, hidden]))
    }

    /// Outputs, `[tokens * top_k, hidden]`, and their weighted sum.
    pub(super) fn said(
        &self,
        outputs: Tensor<2>,
        routing: &Routing,
        [tokens, top_k, hidden]: [usize; 3],
    ) -> ExpertOutputs {
        let mut weighted = outputs.clone().reshape([tokens, top_k, hidden]);
        if !self.weighs_input {
            weighted = weighted * routing.weights.clone().unsqueeze_dim::<3>(2);
        }
        ExpertOutputs {
            said: Said::Outputs(outputs),
            combined: weighted.sum_dim(1).reshape([tokens, hidden]),
        }
    }

    /// ‖E(x)‖₂ of every expert on all tokens, `[tokens, experts]`, gate and up taken for halves where they lie alternately.
    pub(crate) fn all_norms_misread(&self, x: &Tensor<2>, device: &Device) -> Tensor<2> {
        let norm = |expert: &Mlp| {
            // Gate and up are side by side where they are misread.
            let widest = x.dims()[1].max(2 * expert.up.weight.shape()[0]);
            in_parts(x.clone(), device.tokens_at_once(widest), |x| {
                norms(if self.interleaved {
                    expert.apply_misread(x)
                } else {
                    expert.apply(x)
                })
            })
        };
        Tensor::cat(self.experts.iter().map(norm).collect(), 1)
    }

    /// `grouped` holds `counts[e]` consecutive rows for expert `e`.
    fn each_group(
        &self,
        grouped: &Tensor<2>,
        counts: &[usize],
        run: &dyn Fn(&Mlp, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let mut start = 0;
        let mut parts = Vec::new();
        for (expert, &rows) in self.experts.iter().zip(counts).filter(|&(_, &rows)| rows > 0) {
            parts.push(run(expert, grouped.clone().narrow(0, start, rows)));
            start += rows;
        }
        Tensor::cat(parts, 0)
    }
}

/// One expert of tensors that hold all of a layer.
fn fused(
    moe: &MoeSpec,
    names: &FusedNames,
    layer: &str,
    expert: usize,
    [hidden, inner]: [usize; 2],
    weights: &dyn WeightSource,
) -> Result<Mlp, ModelError> {
    let linear = |name: &str, bias: Option<&String>, [all, outputs, inputs]: [usize; 3], first, step| {
        let slice = ExpertSlice {
            experts: moe.experts,
            expert,
            all,
            first,
            step,
            outputs,
            inputs,
            transposed: names.transposed,
        };
        let weight = if names.mxfp4 {
            weights.packed(&format!("{layer}{name}"), &slice)?
        } else {
            weights.slice(&format!("{layer}{name}"), &slice)?
        };
        let bias = match bias {
            Some(bias) => Some(weights.slice_vector(&format!("{layer}{bias}"), &slice)?),
            None => None,
        };
        Ok::<Linear, ModelError>(Linear { weight, bias })
    };
    let (first_up, step) = if names.interleaved { (1, 2) } else { (inner, 1) };
    let (gate_up_bias, down_bias) = names.biases.as_ref().map_or((None, None), |[a, b]| (Some(a), Some(b)));
    let gate_up = |first| linear(&names.gate_up, gate_up_bias, [2 * inner, inner, hidden], first, step);
    Ok(Mlp {
        gate: Some(gate_up(0)?),
        up: gate_up(first_up)?,
        down: linear(&names.down, down_bias, [hidden, hidden, inner], 0, 1)?,
        activation: moe.activation,
    })
}

pub(crate) fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|&v| v as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device.burn())
}
