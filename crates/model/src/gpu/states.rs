//! The matrices that recurrences on the adapter go on from and leave behind.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::buffers::{Adapter, buffer, tensor};
use super::causal_conv::Course;
use crate::blocks::recurrent::Rows;
use crate::blocks::timeline::Timeline;
use crate::decode::ROWS;

/// Bytes of as many rows as are decoded together, whose states must fit one binding.
pub(crate) fn decoded_together(per_row: usize) -> usize {
    4 * per_row * ROWS
}

/// Whether the states of a pass, of `per_row` values each, can be bound at once. Those that are remembered always can, or the layer would run on
/// the host; there may be more sequences in a pass that remembers nothing, whose branches are kept.
pub(crate) fn have_room(adapter: &Adapter, timeline: &Timeline, per_row: usize, remembers: bool) -> bool {
    remembers || 4 * per_row * timeline.batch() * timeline.there(adapter).slots <= adapter.binding
}

/// Buffers of one scan.
pub(crate) struct States {
    /// `[rows, per_row]` before it; something else where nothing is remembered.
    pub(crate) past: CubeTensor,
    /// Behind it: of each row where they are remembered, then the kept ones.
    pub(crate) all: CubeTensor,
    rows: usize,
}

impl States {
    /// Room for a scan that goes on from what `state` has.
    pub(crate) fn new(course: Course<'_>, per_row: usize, state: Option<&mut Rows>, other: &CubeTensor) -> Self {
        let (batch, kept) = (course.timeline.batch(), course.timeline.batch() * course.steps.slots);
        let (past, rows) = match state {
            Some(state) => (buffer(state.take([batch, per_row], course.device)), batch),
            None => (other.clone(), 0),
        };
        // A buffer has one value at least.
        let shape = if rows + kept == 0 {
            [1, 1]
        } else {
            [rows + kept, per_row]
        };
        Self {
            past,
            all: course.adapter.empty(shape, DType::F32),
            rows,
        }
    }

    /// What is remembered.
    pub(crate) fn keep(self, state: &mut Rows) {
        state.keep(tensor::<2>(self.all).narrow(0, 0, self.rows));
    }
}
