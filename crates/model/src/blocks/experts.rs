//! Routed experts: each token through its own few, grouped so that an expert's weights are read once.

use burn::tensor::{Int, Tensor, TensorData};
use secateur_kernels::GatedExpert;

use super::linear::GatedMlp;
use super::router::Routing;
use crate::device::Device;
use crate::mask::ExpertId;
use crate::matrix::{Matrix, from_f32, host_f32, weights};

/// All experts of a layer.
#[derive(Debug, Clone)]
pub struct Experts {
    /// In the checkpoint's order.
    pub experts: Vec<GatedMlp>,
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
    /// Runs every token of `x`, `[tokens, hidden]`, through its selected experts.
    #[must_use]
    pub fn apply(&self, x: Tensor<2>, routing: &Routing, device: &Device) -> ExpertOutputs {
        let [tokens, hidden] = x.dims();
        let top_k = routing.selected.len() / tokens.max(1);
        let plan = Dispatch::new(&routing.selected, top_k, self.experts.len());
        let grouped = x.select(0, indices(&plan.rows, device));
        let outputs = self
            .run_groups(grouped, &plan.counts)
            .select(0, indices(&plan.back, device));
        let weighted = outputs.clone().reshape([tokens, top_k, hidden]) * routing.weights.clone().unsqueeze_dim::<3>(2);
        ExpertOutputs {
            outputs,
            combined: weighted.sum_dim(1).reshape([tokens, hidden]),
        }
    }

    /// One expert on all tokens.
    #[must_use]
    pub fn apply_one(&self, expert: ExpertId, x: Tensor<2>) -> Tensor<2> {
        self.experts[expert.0].apply(x)
    }

    /// `grouped` holds `counts[e]` consecutive rows for expert `e`.
    fn run_groups(&self, grouped: Tensor<2>, counts: &[usize]) -> Tensor<2> {
        let stored: Option<Vec<_>> = self
            .experts
            .iter()
            .zip(counts)
            .filter(|&(_, &rows)| rows > 0)
            .map(|(expert, &rows)| Some((kernel_view(expert)?, rows)))
            .collect();
        if let Some(groups) = stored {
            let [rows, hidden] = grouped.dims();
            let x = host_f32(grouped);
            let mut out = vec![0.0f32; rows * hidden];
            secateur_kernels::gated_experts(x.as_slice().unwrap_or_default(), hidden, &groups, &mut out);
            return from_f32(out, [rows, hidden]);
        }
        let mut start = 0;
        let mut parts = Vec::new();
        for (expert, &rows) in self.experts.iter().zip(counts).filter(|&(_, &rows)| rows > 0) {
            parts.push(expert.apply(grouped.clone().narrow(0, start, rows)));
            start += rows;
        }
        Tensor::cat(parts, 0)
    }
}

fn kernel_view(expert: &GatedMlp) -> Option<GatedExpert<'_>> {
    let view = |matrix| match matrix {
        &Matrix::Stored {
            ref stored,
            outputs,
            inputs,
        } => Some(weights(stored, outputs, inputs)),
        Matrix::Dense(_) => None,
    };
    Some(GatedExpert {
        gate: view(&expert.gate)?,
        up: view(&expert.up)?,
        down: view(&expert.down)?,
    })
}

/// The order in which rows are grouped by expert, and back.
struct Dispatch {
    /// Token of each grouped row.
    rows: Vec<usize>,
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
        let mut back = vec![0; selected.len()];
        for (slot, id) in selected.iter().enumerate() {
            let row = next[id.0];
            next[id.0] += 1;
            rows[row] = slot / top_k;
            back[slot] = row;
        }
        Self { rows, back, counts }
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
        assert_eq!(plan.back, [3, 0, 1, 4, 2, 5]);
    }
}
