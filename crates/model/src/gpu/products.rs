//! Launches of products, one for each part of the weights.

use burn::tensor::DType;
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim};
use burn_cubecl::tensor::CubeTensor;

use super::kernels::few::{FEW_OUTPUTS, FEW_ROWS, LANES, few};
use super::kernels::product::{Finish, Form, Rows, SizesLaunch};
use super::kernels::tile::{SIDE, TILE, tile};
use super::weights::{DeviceRows, Part};

/// Weights of a product: `experts` matrices of `outputs` rows, one below the other from row `first` on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<'a> {
    pub(crate) rows: &'a DeviceRows,
    /// Of the up projection where `rows` are the gate's, laid out alike.
    pub(crate) second: Option<&'a DeviceRows>,
    pub(crate) first: usize,
    pub(crate) outputs: usize,
    pub(crate) experts: usize,
    /// `[experts, outputs]` of the first projection, then of the second.
    pub(crate) bias: Option<&'a CubeTensor>,
}

/// What becomes of sums.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) finish: Finish,
    pub(crate) alpha: f32,
    pub(crate) limit: f32,
}

impl Ending {
    /// Sums as they are.
    pub(crate) const PLAIN: Self = Self {
        finish: Finish::Plain,
        alpha: 0.0,
        limit: 0.0,
    };
}

/// Rows grouped by expert, see `kernels::group`.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) buffer: CubeTensor,
    pub(crate) tiles: usize,
    pub(crate) few: bool,
    /// Grouped rows.
    pub(crate) slots: usize,
    pub(crate) top_k: usize,
}

impl Plan {
    /// Most rows of a tile.
    pub(crate) fn height(few: bool) -> u32 {
        if few { FEW_ROWS } else { TILE }
    }
}

/// `x Wᵀ` with one matrix: `[rows, inputs]` → `[rows, outputs]`.
pub(crate) fn dense(x: &CubeTensor, rows: usize, operand: &Operand<'_>) -> CubeTensor {
    let few = rows <= 4 * FEW_ROWS as usize;
    let out = operand.rows.adapter.empty([rows, operand.outputs], DType::F32);
    for part in operand.rows.parts(operand.first, operand.first + operand.outputs) {
        let output_first = part.first.max(operand.first) - operand.first;
        let output_end = part.end.min(operand.first + operand.outputs) - operand.first;
        Launch {
            operand,
            part,
            ending: Ending::PLAIN,
            few,
            outputs: [output_first, output_end],
            tiles: rows.div_ceil(Plan::height(few) as usize),
            rows,
            top_k: 1,
        }
        .run(x, None, [Rows::Grouped; 2], &out);
    }
    out
}

/// Each grouped row with the matrix of its expert: → `[slots, outputs]`.
pub(crate) fn grouped(
    x: &CubeTensor,
    plan: &Plan,
    read_write: [Rows; 2],
    operand: &Operand<'_>,
    ending: Ending,
) -> CubeTensor {
    let out = operand.rows.adapter.empty([plan.slots, operand.outputs], DType::F32);
    let end = operand.first + operand.experts * operand.outputs;
    for part in operand.rows.parts(operand.first, end) {
        Launch {
            operand,
            part,
            ending,
            few: plan.few,
            outputs: [0, operand.outputs],
            tiles: plan.tiles,
            rows: plan.slots,
            top_k: plan.top_k,
        }
        .run(x, Some(&plan.buffer), read_write, &out);
    }
    out
}

/// One launch.
struct Launch<'a> {
    operand: &'a Operand<'a>,
    part: &'a Part,
    ending: Ending,
    few: bool,
    /// The first output that cubes look at, and the one behind the last.
    outputs: [usize; 2],
    tiles: usize,
    rows: usize,
    top_k: usize,
}

impl Launch<'_> {
    fn run(&self, x: &CubeTensor, plan: Option<&CubeTensor>, [read, write]: [Rows; 2], out: &CubeTensor) {
        let Self { operand, part, .. } = self;
        let weights = operand.rows;
        // Kernels that have no use for a buffer are given another one in its place.
        let words = || part.words.clone().into_buffer_arg();
        let second = match operand
            .second
            .and_then(|second| second.parts(part.first, part.end).next())
        {
            Some(second) => second.words.clone().into_buffer_arg(),
            None => words(),
        };
        let bias = operand.bias.unwrap_or(x).clone().into_buffer_arg();
        let form = Form {
            storage: weights.storage,
            grouped: plan.is_some(),
            read,
            write,
            finish: self.ending.finish,
            biased: operand.bias.is_some(),
        };
        let plan = plan.map_or_else(words, |plan| plan.clone().into_buffer_arg());
        let sizes = SizesLaunch::new(
            self.rows as u32,
            weights.inputs as u32,
            operand.outputs as u32,
            weights.row_words as u32,
            operand.first as u32,
            part.first as u32,
            part.end as u32,
            self.outputs[0] as u32,
            operand.experts as u32,
            self.top_k as u32,
        );
        let client = &weights.adapter.client;
        let width = (self.outputs[1] - self.outputs[0]) as u32;
        let (x, out) = (x.clone().into_buffer_arg(), out.clone().into_buffer_arg());
        let Ending { alpha, limit, .. } = self.ending;
        if self.few {
            let cubes = CubeCount::Static(width.div_ceil(FEW_OUTPUTS), self.tiles as u32, 1);
            let units = CubeDim::new_2d(LANES, FEW_OUTPUTS);
            few::launch(
                client,
                cubes,
                units,
                words(),
                second,
                x,
                bias,
                plan,
                out,
                sizes,
                alpha,
                limit,
                form,
            );
        } else {
            let cubes = CubeCount::Static(width.div_ceil(TILE), self.tiles as u32, 1);
            let units = CubeDim::new_2d(SIDE, SIDE);
            tile::launch(
                client,
                cubes,
                units,
                words(),
                second,
                x,
                bias,
                plan,
                out,
                sizes,
                alpha,
                limit,
                form,
            );
        }
    }
}
