//! Gated `DeltaNet` on the adapter: everything between its projections.

use burn::tensor::{DType, Int, Tensor};
use burn_cubecl::cubecl::prelude::CubeDim;
use burn_cubecl::tensor::CubeTensor;

use super::buffers::{Adapter, UNITS, buffer, cubes, cubes_of_units, uploaded};
use super::causal_conv::{Columns, Course, DeviceConv};
use super::gated_norm::norm_gated;
use super::kernels::delta::{DeltaForm, LENGTH_UNITS, delta, unit_lengths};
use super::kernels::gated_norm::GatedNormForm;
use super::states::{States, decoded_together, have_room};
use crate::blocks::experts::indices;
use crate::blocks::recurrent::RecurrentState;
use crate::blocks::timeline::Timeline;
use crate::device::Device;
use crate::error::ModelError;
use crate::spec::{DeltaNetLayout, DeltaNetSpec};

/// One layer's weights, but for the projections.
#[derive(Debug, Clone)]
pub(crate) struct DeviceDeltaNet {
    adapter: Adapter,
    conv: DeviceConv,
    /// `[2, value_heads]`: the bias of a, and exp of `A_log`.
    per_head: CubeTensor,
    /// `[value_dim]`.
    norm: CubeTensor,
    /// Columns that make `[q | k | v]`, z and `[b | a]` where rows are grouped by key head.
    order: Option<[Tensor<1, Int>; 3]>,
    /// Added to squared lengths of queries and keys.
    epsilon: f64,
    spec: DeltaNetSpec,
}

impl DeviceDeltaNet {
    /// `None` if the adapter could not bind the states of sequences that are decoded together. `conv` is followed by its `SiLU`; weights of each
    /// head are the bias of a, and `A_log`.
    pub(crate) fn new(
        spec: &DeltaNetSpec,
        conv: DeviceConv,
        [dt_bias, a_log]: [&[f32]; 2],
        norm: &[f32],
        epsilon: f64,
        device: &Device,
    ) -> Option<Self> {
        let adapter = Adapter::of(device);
        if decoded_together(spec.values() * spec.key_dim) > adapter.binding {
            return None;
        }
        let per_head = dt_bias.iter().copied().chain(a_log.iter().map(|log| log.exp()));
        Some(Self {
            adapter,
            conv,
            per_head: uploaded(per_head.collect(), device),
            norm: uploaded(norm.to_vec(), device),
            order: match spec.layout {
                DeltaNetLayout::Separate => None,
                DeltaNetLayout::PerKeyHead => Some(ungrouped(spec).map(|columns| indices(&columns, device))),
            },
            epsilon,
            spec: spec.clone(),
        })
    }

    /// Whether the states of a pass can be bound; else it is the host's.
    pub(crate) fn has_room(&self, timeline: &Timeline, remembers: bool) -> bool {
        have_room(
            &self.adapter,
            timeline,
            self.spec.values() * self.spec.key_dim,
            remembers,
        )
    }

    /// What the input projections say, in their order, `[cells, ..]` each → `[cells, value_heads * value_dim]`; `state` is continued and updated.
    /// There must be room.
    ///
    /// # Errors
    /// If they are not as many as the layout has.
    pub(crate) fn mix(
        &self,
        projected: &[Tensor<2>],
        timeline: &Timeline,
        mut state: Option<&mut RecurrentState>,
        device: &Device,
    ) -> Result<Tensor<2>, ModelError> {
        let (spec, adapter) = (&self.spec, &self.adapter);
        let course = Course {
            adapter,
            device,
            timeline,
            steps: timeline.there(adapter),
        };
        let per_row = spec.values() * spec.key_dim;
        let [qkv, z, gates] = self.parts(projected)?.map(buffer);
        let columns = Columns {
            of: &qkv,
            stride: spec.conv_channels(),
            first: 0,
        };
        let conv_state = state.as_deref_mut().map(|state| &mut state.conv);
        let mixed = self.conv.apply(columns, course, conv_state);
        let mut state = state.map(|state| &mut state.recurrent);
        let form = DeltaForm {
            key_heads: spec.key_heads as u32,
            value_heads: spec.value_heads as u32,
            key_dim: spec.key_dim as u32,
            value_dim: spec.value_dim as u32,
            remembers: state.is_some(),
        };
        let cells = timeline.cells();
        unit_lengths::launch(
            &adapter.client,
            cubes(cells * 2 * spec.key_heads),
            CubeDim::new_1d(LENGTH_UNITS),
            mixed.clone().into_buffer_arg(),
            cells as u32,
            (spec.key_dim as f64).powf(-0.5) as f32,
            self.epsilon as f32,
            form,
        );
        let states = States::new(course, per_row, state.as_deref_mut(), &qkv);
        let y = adapter.empty([cells, spec.values()], DType::F32);
        delta::launch(
            &adapter.client,
            cubes_of_units(timeline.batch() * spec.values()),
            CubeDim::new_1d(UNITS),
            mixed.into_buffer_arg(),
            gates.into_buffer_arg(),
            self.per_head.clone().into_buffer_arg(),
            course.steps.words.clone().into_buffer_arg(),
            states.past.clone().into_buffer_arg(),
            states.all.clone().into_buffer_arg(),
            y.clone().into_buffer_arg(),
            timeline.batch() as u32,
            timeline.length() as u32,
            course.steps.slots as u32,
            form,
        );
        if let Some(state) = state {
            states.keep(state);
        }
        let gates = Columns {
            of: &z,
            stride: spec.values(),
            first: 0,
        };
        let form = GatedNormForm {
            groups: spec.value_heads as u32,
            width: spec.value_dim as u32,
            gate_first: false,
        };
        Ok(norm_gated(
            y,
            gates,
            &self.norm,
            spec.norm_epsilon,
            cells,
            form,
            adapter,
        ))
    }

    /// `[q | k | v]`, z, and `[b | a]`.
    fn parts(&self, projected: &[Tensor<2>]) -> Result<[Tensor<2>; 3], ModelError> {
        match (&self.order, projected) {
            (None, [qkv, z, b, a]) => Ok([qkv.clone(), z.clone(), Tensor::cat(vec![b.clone(), a.clone()], 1)]),
            (Some([qkv, z, gates]), [qkvz, ba]) => Ok([
                qkvz.clone().select(1, qkv.clone()),
                qkvz.clone().select(1, z.clone()),
                ba.clone().select(1, gates.clone()),
            ]),
            _ => Err(ModelError::Execution {
                place: "DeltaNet".into(),
                reason: format!("{} projections are not those of its layout", projected.len()),
            }),
        }
    }
}

/// Where the columns of `[q | k | v]`, z and `[b | a]` lie in rows of [`DeltaNetLayout::PerKeyHead`].
fn ungrouped(spec: &DeltaNetSpec) -> [Vec<usize>; 3] {
    let (values, heads) = (spec.values() / spec.key_heads, spec.value_heads / spec.key_heads);
    let group = 2 * (spec.key_dim + values);
    let columns = |width: usize, first: usize, count: usize| {
        (0..spec.key_heads).flat_map(move |head| head * width + first..head * width + first + count)
    };
    let (query, key) = (
        columns(group, 0, spec.key_dim),
        columns(group, spec.key_dim, spec.key_dim),
    );
    let value = columns(group, 2 * spec.key_dim, values);
    [
        query.chain(key).chain(value).collect(),
        columns(group, group - values, values).collect(),
        columns(2 * heads, 0, heads)
            .chain(columns(2 * heads, heads, heads))
            .collect(),
    ]
}
