//! A causal convolution on the adapter.

use burn::tensor::{DType, Tensor};
use burn_cubecl::cubecl::prelude::CubeDim;
use burn_cubecl::tensor::CubeTensor;

use super::buffers::{Adapter, UNITS, buffer, cubes_of_units, tensor, uploaded};
use super::kernels::conv::{ConvForm, convolve, remember};
use super::steps::DeviceSteps;
use crate::blocks::recurrent::{RecurrentState, Rows};
use crate::blocks::timeline::Timeline;
use crate::device::Device;

/// One layer's.
#[derive(Debug, Clone)]
pub(crate) struct DeviceConv {
    form: ConvForm,
    /// `[kernel, channels]`.
    weight: CubeTensor,
    /// `[channels]`.
    bias: Option<CubeTensor>,
}

/// Columns of a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) of: &'a CubeTensor,
    /// Values of its rows.
    pub(crate) stride: usize,
    pub(crate) first: usize,
}

/// Where a pass runs, and through which tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course<'a> {
    pub(crate) adapter: &'a Adapter,
    pub(crate) device: &'a Device,
    pub(crate) timeline: &'a Timeline,
    pub(crate) steps: &'a DeviceSteps,
}

impl DeviceConv {
    /// Uploads weights `[kernel, channels]` and biases; with `silu` the activation follows.
    pub(crate) fn new(
        weight: &[f32],
        bias: Option<&[f32]>,
        [channels, kernel]: [usize; 2],
        silu: bool,
        device: &Device,
    ) -> Self {
        Self {
            form: ConvForm {
                channels: channels as u32,
                taps: kernel as u32,
                biased: bias.is_some(),
                silu,
            },
            weight: uploaded(weight.to_vec(), device),
            bias: bias.map(|bias| uploaded(bias.to_vec(), device)),
        }
    }

    /// `[cells, channels]` of some columns, 0 at padding. The state keeps the last inputs of each row.
    pub(crate) fn apply(&self, x: Columns<'_>, course: Course<'_>, mut state: Option<&mut Rows>) -> CubeTensor {
        let Course { adapter, timeline, .. } = course;
        let (channels, taps) = (self.form.channels as usize, self.form.taps as usize);
        let (rows, cells) = (timeline.batch(), timeline.cells());
        let past = match state.as_deref_mut() {
            Some(state) => buffer(state.take([rows, taps * channels], course.device)),
            // Nothing is cached, and nothing read.
            None => x.of.clone(),
        };
        let y = adapter.empty([cells, channels], DType::F32);
        convolve::launch(
            &adapter.client,
            cubes_of_units(cells * channels),
            CubeDim::new_1d(UNITS),
            x.of.clone().into_buffer_arg(),
            past.clone().into_buffer_arg(),
            self.weight.clone().into_buffer_arg(),
            self.bias.as_ref().unwrap_or(&self.weight).clone().into_buffer_arg(),
            course.steps.words.clone().into_buffer_arg(),
            y.clone().into_buffer_arg(),
            cells as u32,
            timeline.length() as u32,
            x.stride as u32,
            x.first as u32,
            self.form,
        );
        if let Some(state) = state {
            let kept = adapter.empty([rows, taps * channels], DType::F32);
            remember::launch(
                &adapter.client,
                cubes_of_units(rows * channels),
                CubeDim::new_1d(UNITS),
                x.of.clone().into_buffer_arg(),
                past.into_buffer_arg(),
                course.steps.words.clone().into_buffer_arg(),
                kept.clone().into_buffer_arg(),
                rows as u32,
                timeline.length() as u32,
                x.stride as u32,
                x.first as u32,
                self.form,
            );
            state.keep(tensor(kept));
        }
        y
    }

    /// By itself, with no activation: `[cells, channels]` → the same.
    pub(crate) fn run(
        &self,
        x: Tensor<2>,
        timeline: &Timeline,
        state: Option<&mut RecurrentState>,
        device: &Device,
    ) -> Tensor<2> {
        let adapter = &Adapter::of(device);
        let course = Course {
            adapter,
            device,
            timeline,
            steps: timeline.there(adapter),
        };
        let x = buffer(x);
        let columns = Columns {
            of: &x,
            stride: self.form.channels as usize,
            first: 0,
        };
        tensor(self.apply(columns, course, state.map(|state| &mut state.conv)))
    }
}
