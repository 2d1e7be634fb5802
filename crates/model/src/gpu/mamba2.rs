//! Mamba2 on the adapter: everything between its projections.

use burn::tensor::{DType, Tensor};
use burn_cubecl::cubecl::prelude::CubeDim;
use burn_cubecl::tensor::CubeTensor;

use super::buffers::{Adapter, UNITS, buffer, cubes_of_units, uploaded};
use super::causal_conv::{Columns, Course, DeviceConv};
use super::gated_norm::norm_gated;
use super::kernels::gated_norm::GatedNormForm;
use super::kernels::selective::{SelectiveForm, selective};
use super::states::{States, decoded_together, have_room};
use crate::blocks::recurrent::RecurrentState;
use crate::blocks::timeline::Timeline;
use crate::device::Device;
use crate::spec::Mamba2Spec;

/// One layer's weights, but for the projections.
#[derive(Debug, Clone)]
pub(crate) struct DeviceMamba2 {
    adapter: Adapter,
    conv: DeviceConv,
    /// `[3, heads]`: the bias of Δ, exp of `A_log`, and D.
    per_head: CubeTensor,
    /// `[heads * head_dim]`.
    norm: CubeTensor,
    spec: Mamba2Spec,
}

impl DeviceMamba2 {
    /// `None` if the adapter could not bind the states of sequences that are decoded together. `conv` is followed by its `SiLU`; weights of each
    /// head are the bias of Δ, `A_log` and D.
    pub(crate) fn new(
        spec: &Mamba2Spec,
        conv: DeviceConv,
        [dt_bias, a_log, skip]: [&[f32]; 3],
        norm: &[f32],
        device: &Device,
    ) -> Option<Self> {
        let adapter = Adapter::of(device);
        if decoded_together(spec.inner() * spec.state) > adapter.binding {
            return None;
        }
        let rates = a_log.iter().map(|log| log.exp());
        let per_head = dt_bias.iter().copied().chain(rates).chain(skip.iter().copied());
        Some(Self {
            adapter,
            conv,
            per_head: uploaded(per_head.collect(), device),
            norm: uploaded(norm.to_vec(), device),
            spec: spec.clone(),
        })
    }

    /// Whether the states of a pass can be bound; else it is the host's.
    pub(crate) fn has_room(&self, timeline: &Timeline, remembers: bool) -> bool {
        have_room(&self.adapter, timeline, self.spec.inner() * self.spec.state, remembers)
    }

    /// `[cells, projected]` → `[cells, heads * head_dim]`; `state` is continued and updated. There must be room.
    pub(crate) fn mix(
        &self,
        projected: Tensor<2>,
        timeline: &Timeline,
        mut state: Option<&mut RecurrentState>,
        device: &Device,
    ) -> Tensor<2> {
        let (spec, adapter) = (&self.spec, &self.adapter);
        let course = Course {
            adapter,
            device,
            timeline,
            steps: timeline.there(adapter),
        };
        let per_row = spec.inner() * spec.state;
        let projected = buffer(projected);
        let columns = |first| Columns {
            of: &projected,
            stride: spec.projected(),
            first,
        };
        let conv_state = state.as_deref_mut().map(|state| &mut state.conv);
        let mixed = self.conv.apply(columns(spec.inner()), course, conv_state);
        let mut state = state.map(|state| &mut state.recurrent);
        let states = States::new(course, per_row, state.as_deref_mut(), &projected);
        let y = adapter.empty([timeline.cells(), spec.inner()], DType::F32);
        selective::launch(
            &adapter.client,
            cubes_of_units(timeline.batch() * spec.inner()),
            CubeDim::new_1d(UNITS),
            projected.clone().into_buffer_arg(),
            mixed.into_buffer_arg(),
            self.per_head.clone().into_buffer_arg(),
            course.steps.words.clone().into_buffer_arg(),
            states.past.clone().into_buffer_arg(),
            states.all.clone().into_buffer_arg(),
            y.clone().into_buffer_arg(),
            timeline.batch() as u32,
            timeline.length() as u32,
            course.steps.slots as u32,
            SelectiveForm {
                heads: spec.heads as u32,
                head_dim: spec.head_dim as u32,
                groups: spec.groups as u32,
                state: spec.state as u32,
                remembers: state.is_some(),
            },
        );
        if let Some(state) = state {
            states.keep(state);
        }
        let form = GatedNormForm {
            groups: spec.groups as u32,
            width: (spec.inner() / spec.groups) as u32,
            gate_first: true,
        };
        let (gates, cells) = (columns(0), timeline.cells());
        norm_gated(y, gates, &self.norm, spec.norm_epsilon, cells, form, adapter)
    }
}
