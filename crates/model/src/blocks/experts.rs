//! Routed experts: each token through its own few, grouped so that an expert's weights are read once.

use burn::backend::flex::FlexTensor;
use burn::tensor::{Int, Tensor, TensorData};
use secateur_kernels::{Expert, Projection, ProjectionWeights};

use super::linear::Linear;
use super::mlp::Mlp;
use super::router::{Routing, Selected};
use crate::device::Device;
use crate::error::ModelError;
#[cfg(feature = "wgpu")]
use crate::gpu::GroupedExperts;
use crate::layer_pass::norms;
use crate::mask::ExpertId;
use crate::matrix::{Matrix, from_f32, host_f32, weights};
use crate::spec::{Activation, ExpertLayout, FusedNames, MoeSpec, Scoring};
use crate::weights::{ExpertSlice, WeightSource};

/// All experts of a layer.
#[derive(Debug, Clone)]
pub struct Experts {
    /// In the checkpoint's order.
    pub experts: Vec<Mlp>,
    /// The router's weight multiplies an expert's input, not its output.
    weighs_input: bool,
    /// Gate and up rows lie alternately in the file.
    pub(crate) interleaved: bool,
    /// All of them on an adapter.
    #[cfg(feature = "wgpu")]
    grouped: Option<GroupedExperts>,
}

/// What the selected experts said.
#[derive(Debug, Clone)]
pub struct ExpertOutputs {
    /// `[tokens * top_k, hidden]`, not yet multiplied by the router's weights.
    pub outputs: Tensor<2>,
    /// `[tokens, hidden]`: Σ weight × output.
    pub combined: Tensor<2>,
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

    /// Runs every token of `x`, `[tokens, hidden]`, through its selected experts.
    ///
    /// # Errors
    /// If the device fails.
    pub fn apply(
        &self,
        x: Tensor<2>,
        routing: &Routing,
        device: &Device,
        place: &str,
    ) -> Result<ExpertOutputs, ModelError> {
        #[cfg(feature = "wgpu")]
        if let (Some(grouped), Selected::Device(selected)) = (&self.grouped, &routing.selected) {
            return Ok(self.on_adapter(grouped, x, selected, routing));
        }
        self.dispatch(x, routing, device, place, &|grouped, counts| {
            self.run_groups(grouped, counts)
        })
    }

    /// All experts in few launches.
    #[cfg(feature = "wgpu")]
    fn on_adapter(
        &self,
        grouped: &GroupedExperts,
        x: Tensor<2>,
        selected: &Tensor<2, Int>,
        routing: &Routing,
    ) -> ExpertOutputs {
        let ([tokens, hidden], top_k) = (x.dims(), selected.dims()[1]);
        let x = if self.weighs_input {
            let slots: Tensor<3> = x.unsqueeze_dim::<3>(1) * routing.weights.clone().unsqueeze_dim::<3>(2);
            slots.reshape([tokens * top_k, hidden])
        } else {
            x
        };
        self.said(grouped.apply(x, selected.clone()), routing, [tokens, top_k, hidden])
    }

    /// The same with gate and up taken for halves, see [`Mlp::apply_misread`].
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
        self.dispatch(x, routing, device, place, &|grouped, counts| {
            self.each_group(&grouped, counts, &Mlp::apply_misread)
        })
    }

    fn dispatch(
        &self,
        x: Tensor<2>,
        routing: &Routing,
        device: &Device,
        place: &str,
        run: &dyn Fn(Tensor<2>, &[usize]) -> Tensor<2>,
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
        let outputs = run(grouped, &plan.counts).select(0, indices(&plan.back, device));
        Ok(self.said(outputs, routing, [tokens, top_k, hidden]))
    }

    /// Outputs, `[tokens * top_k, hidden]`, and their weighted sum.
    fn said(&self, outputs: Tensor<2>, routing: &Routing, [tokens, top_k, hidden]: [usize; 3]) -> ExpertOutputs {
        let mut weighted = outputs.clone().reshape([tokens, top_k, hidden]);
        if !self.weighs_input {
            weighted = weighted * routing.weights.clone().unsqueeze_dim::<3>(2);
        }
        ExpertOutputs {
            outputs,
            combined: weighted.sum_dim(1).reshape([tokens, hidden]),
        }
    }

    /// ‖E(x)‖₂ of every expert on all tokens, `[tokens, experts]`, gate and up taken for halves where they lie alternately.
    pub(crate) fn all_norms_misread(&self, x: &Tensor<2>) -> Tensor<2> {
        let norm = |expert: &Mlp| {
            norms(if self.interleaved {
                expert.apply_misread(x.clone())
            } else {
                expert.apply(x.clone())
            })
        };
        Tensor::cat(self.experts.iter().map(norm).collect(), 1)
    }

    /// `grouped` holds `counts[e]` consecutive rows for expert `e`.
    fn run_groups(&self, grouped: Tensor<2>, counts: &[usize]) -> Tensor<2> {
        let here: Option<Vec<(Biases, &Mlp, usize)>> = self
            .experts
            .iter()
            .zip(counts)
            .filter(|&(_, &rows)| rows > 0)
            .map(|(expert, &rows)| Some((Biases::of(expert)?, expert, rows)))
            .collect();
        if let Some(here) = here {
            let groups: Option<Vec<_>> = here
                .iter()
                .map(|(biases, expert, rows)| Some((kernel_view(expert, biases)?, *rows)))
                .collect();
            if let Some(groups) = groups {
                let [rows, hidden] = grouped.dims();
                let x = host_f32(grouped);
                let mut out = vec![0.0f32; rows * hidden];
                let precision = here
                    .first()
                    .map_or_else(Default::default, |(_, expert, _)| expert.up.weight.precision());
                precision.experts(x.as_slice().unwrap_or_default(), hidden, &groups, &mut out);
                return from_f32(out, [rows, hidden]);
            }
        }
        self.each_group(&grouped, counts, &Mlp::apply)
    }

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

/// The order in which rows are grouped by expert, and back.
struct Dispatch {
    /// Token of each grouped row.
    rows: Vec<usize>,
    /// `token * top_k + slot` of each grouped row.
    slots: Vec<usize>,
    /// Grouped row of each `token * top_k + slot`.
    back: Vec<usize>,
    /// Rows per expert.
    counts: Vec<usize>,
}

impl Dispatch {
    fn new(selected: &[ExpertId], top_k: usize, experts: usize) -> Self {
        let mut counts = vec![0; experts];
        for id in selected {
            counts[id.0] += 1;
        }
        let mut next: Vec<usize> = counts
            .iter()
            .scan(0, |start, &n| Some(std::mem::replace(start, *start + n)))
            .collect();
        let mut rows = vec![0; selected.len()];
        let mut slots = vec![0; selected.len()];
        let mut back = vec![0; selected.len()];
        for (slot, id) in selected.iter().enumerate() {
            let row = next[id.0];
            next[id.0] += 1;
            rows[row] = slot / top_k;
            slots[row] = slot;
            back[slot] = row;
        }
        Self {
            rows,
            slots,
            back,
            counts,
        }
    }
}

pub(crate) fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|&v| v as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device.burn())
}

#[cfg(test)]
mod tests {
    use super::Dispatch;
    use crate::mask::ExpertId;

    #[test]
    fn rows_are_grouped_and_found_again() {
        let selected = [2, 0, 0, 2, 1, 2].map(ExpertId);
        let plan = Dispatch::new(&selected, 2, 4);
        assert_eq!(plan.counts, [2, 1, 3, 0]);
        assert_eq!(plan.rows, [0, 1, 2, 0, 1, 2]);
        assert_eq!(plan.slots, [1, 2, 4, 0, 3, 5]);
        assert_eq!(plan.back, [3, 0, 1, 4, 2, 5]);
    }
}
