//! Norms with a gate on the adapter.

use burn::tensor::{DType, Tensor};
use burn_cubecl::cubecl::prelude::CubeDim;
use burn_cubecl::tensor::CubeTensor;

use super::buffers::{Adapter, cubes, tensor};
use super::causal_conv::Columns;
use super::kernels::gated_norm::{GatedNormForm, UNITS, gated_norm};

/// `x`, `[cells, groups * width]`, normed and multiplied by the `SiLU` of the gates, the first columns of `gates`.
pub(crate) fn norm_gated(
    x: CubeTensor,
    gates: Columns<'_>,
    weight: &CubeTensor,
    epsilon: f64,
    cells: usize,
    form: GatedNormForm,
    adapter: &Adapter,
) -> Tensor<2> {
    let groups = form.groups as usize;
    let out = adapter.empty([cells, groups * form.width as usize], DType::F32);
    gated_norm::launch(
        &adapter.client,
        cubes(cells * groups),
        CubeDim::new_1d(UNITS),
        x.into_buffer_arg(),
        gates.of.clone().into_buffer_arg(),
        weight.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        cells as u32,
        gates.stride as u32,
        epsilon as f32,
        form,
    );
    tensor(out)
}
