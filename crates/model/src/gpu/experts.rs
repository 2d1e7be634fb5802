//! All experts of a layer in few launches: slots are grouped on the adapter, and nothing is read back.

use std::sync::Arc;

use burn::tensor::{DType, Int, Tensor};
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim};
use burn_cubecl::tensor::CubeTensor;

use super::buffers::{Adapter, buffer, int_buffer, tensor};
use super::kernels::few::FEW_ROWS;
use super::kernels::group::{UNITS, count, place};
use super::kernels::product::{Finish, Rows};
use super::matrix::DeviceMatrix;
use super::products::{Ending, Operand, Plan, grouped};
use super::weights::DeviceRows;
use crate::blocks::linear::Linear;
use crate::blocks::mlp::Mlp;
use crate::matrix::{Matrix, Stored};
use crate::spec::Activation;

/// The experts of a layer.
#[derive(Debug, Clone)]
pub(crate) struct GroupedExperts {
    gate: Option<Arc<DeviceRows>>,
    up: Arc<DeviceRows>,
    down: Arc<DeviceRows>,
    /// `[experts, inner]` of the gate and then of up.
    bias_in: Option<CubeTensor>,
    /// `[experts, hidden]`.
    bias_out: Option<CubeTensor>,
    ending: Ending,
    experts: usize,
    hidden: usize,
    inner: usize,
}

impl GroupedExperts {
    /// Uploads experts of one shape and makes each a view of what is there; `None` if they are not in a file.
    pub(crate) fn take(experts: &mut [Mlp]) -> Option<Self> {
        let first = experts.first()?;
        let Matrix::Device(matrix) = &first.up.weight else {
            return None;
        };
        let adapter = matrix.adapter();
        let ([inner, hidden], activation) = (first.up.weight.shape(), first.activation);
        let up = together(experts, &|expert| Some(&mut expert.up), &adapter)?;
        let down = together(experts, &|expert| Some(&mut expert.down), &adapter)?;
        let gate = if activation.is_gated() {
            let gate = together(experts, &|expert| expert.gate.as_mut(), &adapter)?;
            if gate.storage != up.storage {
                return None;
            }
            Some(gate)
        } else {
            None
        };
        let gates = experts.iter().filter_map(|expert| expert.gate.as_ref());
        let inputs: Vec<&Linear> = gates.chain(experts.iter().map(|expert| &expert.up)).collect();
        let outputs: Vec<&Linear> = experts.iter().map(|expert| &expert.down).collect();
        Some(Self {
            gate,
            up,
            down,
            bias_in: biases(&inputs),
            bias_out: biases(&outputs),
            ending: ending(activation),
            experts: experts.len(),
            hidden,
            inner,
        })
    }

    /// What each token's experts say, `[tokens * top_k, hidden]`, for `x` of one row a token, or one a slot.
    pub(crate) fn apply(&self, x: Tensor<2>, selected: Tensor<2, Int>) -> Tensor<2> {
        let (plan, read) = self.plan_of(&x, selected);
        let operand = Operand {
            rows: self.gate.as_ref().unwrap_or(&self.up),
            second: self.gate.as_ref().map(|_| self.up.as_ref()),
            first: 0,
            outputs: self.inner,
            experts: self.experts,
            bias: self.bias_in.as_ref(),
        };
        let inner = grouped(&buffer(x), &plan, [read, Rows::Grouped], &operand, self.ending);
        self.down(&inner, &plan)
    }

    /// The same with something else between the projections: `between` makes `[slots, inner]` of the gate's outputs and up's. Without a gate, as
    /// [`Self::apply`].
    pub(crate) fn apply_between(
        &self,
        x: Tensor<2>,
        selected: Tensor<2, Int>,
        between: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let Some(gate) = &self.gate else {
            return self.apply(x, selected);
        };
        let (plan, read) = self.plan_of(&x, selected);
        let x = buffer(x);
        let biases = self.bias_in.clone().map(|bias| {
            let values = self.experts * self.inner;
            let both: Tensor<1> = tensor(bias);
            [0, values].map(|start| buffer(both.clone().narrow(0, start, values)))
        });
        let outputs = |rows: &DeviceRows, which: usize| {
            let operand = Operand {
                rows,
                second: None,
                first: 0,
                outputs: self.inner,
                experts: self.experts,
                bias: biases.as_ref().map(|biases| &biases[which]),
            };
            tensor(grouped(&x, &plan, [read, Rows::Grouped], &operand, Ending::PLAIN))
        };
        let inner = between(outputs(gate, 0), outputs(&self.up, 1));
        self.down(&buffer(inner), &plan)
    }

    /// Who goes where, and whether `x` has one row a token or one a slot.
    fn plan_of(&self, x: &Tensor<2>, selected: Tensor<2, Int>) -> (Plan, Rows) {
        let [tokens, top_k] = selected.dims();
        let read = if x.dims()[0] == tokens { Rows::Token } else { Rows::Slot };
        (self.plan(&int_buffer(selected), tokens * top_k, top_k), read)
    }

    /// The last projection of grouped rows.
    fn down(&self, inner: &CubeTensor, plan: &Plan) -> Tensor<2> {
        let operand = Operand {
            rows: &self.down,
            second: None,
            first: 0,
            outputs: self.hidden,
            experts: self.experts,
            bias: self.bias_out.as_ref(),
        };
        tensor(grouped(
            inner,
            plan,
            [Rows::Grouped, Rows::Slot],
            &operand,
            Ending::PLAIN,
        ))
    }

    fn plan(&self, selected: &CubeTensor, slots: usize, top_k: usize) -> Plan {
        let adapter = &self.up.adapter;
        let few = slots <= FEW_ROWS as usize * self.experts;
        let height = Plan::height(few);
        // Every expert has at most one tile that is not full.
        let tiles = slots / height as usize + self.experts.min(slots);
        let buffer = adapter.empty([self.experts + slots + 3 * tiles], DType::U32);
        let (cubes, units) = (self.experts as u32, CubeDim::new_1d(UNITS));
        let arguments = || (selected.clone().into_buffer_arg(), buffer.clone().into_buffer_arg());
        let cubes = || CubeCount::Static(cubes, 1, 1);
        let (from, to) = arguments();
        count::launch(&adapter.client, cubes(), units, from, to, slots as u32);
        let (from, to) = arguments();
        place::launch(
            &adapter.client,
            cubes(),
            units,
            from,
            to,
            slots as u32,
            self.experts as u32,
            tiles as u32,
            height,
        );
        Plan {
            buffer,
            tiles,
            few,
            slots,
            top_k,
        }
    }
}

/// One projection of all experts, each of which becomes a view.
fn together(
    experts: &mut [Mlp],
    of: &dyn Fn(&mut Mlp) -> Option<&mut Linear>,
    adapter: &Adapter,
) -> Option<Arc<DeviceRows>> {
    let mut all: Vec<Stored> = Vec::with_capacity(experts.len());
    let mut shape = None;
    for expert in experts.iter_mut() {
        match &of(expert)?.weight {
            Matrix::Device(matrix) if shape.is_none_or(|shape| shape == matrix.shape()) => {
                shape = Some(matrix.shape());
                all.push(matrix.stored()?.clone());
            }
            _ => return None,
        }
    }
    let [outputs, inputs] = shape?;
    let rows = Arc::new(DeviceRows::upload(&all, inputs, adapter));
    for (index, expert) in experts.iter_mut().enumerate() {
        of(expert)?.weight = Matrix::Device(DeviceMatrix::view(&rows, index * outputs, outputs));
    }
    Some(rows)
}

/// Biases one behind the other, if all have one.
fn biases(linears: &[&Linear]) -> Option<CubeTensor> {
    let all: Option<Vec<Tensor<1>>> = linears.iter().map(|linear| linear.bias.clone()).collect();
    Some(buffer(Tensor::cat(all?, 0)))
}

fn ending(activation: Activation) -> Ending {
    let (finish, alpha, limit) = match activation {
        Activation::SiluGated => (Finish::SiluGated, 0.0, 0.0),
        Activation::ReluSquared => (Finish::ReluSquared, 0.0, 0.0),
        Activation::ClampedGated { alpha, limit } => (Finish::ClampedGated, alpha as f32, limit as f32),
    };
    Ending { finish, alpha, limit }
}
