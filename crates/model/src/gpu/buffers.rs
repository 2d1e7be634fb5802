//! The border between burn's tensors and buffers that kernels read and write.

use std::sync::OnceLock;

use burn::tensor::{DType, Int, Shape, Tensor};
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::prelude::CubeCount;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{Cube, CubeDevice};

use crate::blocks::recurrent::write;
use crate::device::Device;
#[cfg(feature = "fusion")]
use crate::gpu::lazy as border;

/// Where kernels run.
#[derive(Clone)]
pub(crate) struct Adapter {
    pub(crate) client: Client,
    device: CubeDevice,
    /// Bytes that may be bound at once.
    pub(crate) binding: usize,
    /// The same as the adapter says, whatever the device was told.
    pub(crate) largest: usize,
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Adapter({:?}, {} bytes at once)", self.device, self.binding)
    }
}

impl Adapter {
    /// The adapter of a wgpu device.
    pub(crate) fn of(device: &Device) -> Self {
        // There is one a process.
        static OPENED: OnceLock<(Client, CubeDevice)> = OnceLock::new();
        let (client, place) = OPENED.get_or_init(|| {
            let place: Tensor<1> = Tensor::zeros([1], device.options());
            border::open(&place);
            let place = buffer(place);
            (place.client, place.device)
        });
        let largest = client.properties().memory.max_page_size;
        let largest = usize::try_from(largest).unwrap_or(usize::MAX);
        Self {
            binding: device.binding_limit().map_or(largest, |limit| limit.min(largest)),
            largest,
            client: client.clone(),
            device: place.clone(),
        }
    }

    /// A new buffer, whose values are whatever was there.
    pub(crate) fn empty(&self, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
        let shape = shape.into();
        let handle = self.client.empty(shape.num_elements() * dtype.size());
        CubeTensor::new_contiguous(self.client.clone(), self.device.clone(), shape, handle, dtype)
    }

    /// A new buffer of 32-bit words, given by their bytes.
    pub(crate) fn words(&self, bytes: &[u8]) -> CubeTensor {
        let (client, handle) = (self.client.clone(), self.client.create_from_slice(bytes));
        let shape = Shape::from([bytes.len() / 4]);
        CubeTensor::new_contiguous(client, self.device.clone(), shape, handle, DType::U32)
    }
}

/// Units of a cube where each unit is on its own.
pub(crate) const UNITS: u32 = 64;

/// Most cubes in one direction that every adapter takes.
const ACROSS: u32 = 65_535;

/// So many cubes at least, for kernels that count them in order.
pub(crate) fn cubes(count: usize) -> CubeCount {
    let count = count.max(1) as u32;
    let across = count.min(ACROSS);
    CubeCount::Static(across, count.div_ceil(across), 1)
}

/// Cubes of [`UNITS`] with at least so many units.
pub(crate) fn cubes_of_units(count: usize) -> CubeCount {
    cubes(count.div_ceil(UNITS as usize))
}

/// Values of the host as a buffer.
pub(crate) fn uploaded(values: Vec<f32>, device: &Device) -> CubeTensor {
    let count = values.len();
    buffer(write::<f32, 1>(values, [count], device))
}

/// A float tensor of the adapter as a contiguous buffer.
pub(crate) fn buffer<const D: usize>(x: Tensor<D>) -> CubeTensor {
    #[allow(clippy::expect_used)]
    // Only matrices on the adapter are asked for products, and its tensors alone meet them.
    let x = x.try_into_primitive::<Cube>().expect("a tensor of the wgpu device");
    into_contiguous(border::leave(x))
}

/// The same of integers.
pub(crate) fn int_buffer<const D: usize>(x: Tensor<D, Int>) -> CubeTensor {
    #[allow(clippy::expect_used)] // As above.
    let x = x.try_into_primitive::<Cube>().expect("a tensor of the wgpu device");
    into_contiguous(border::leave_ints(x))
}

/// A buffer as a float tensor.
pub(crate) fn tensor<const D: usize>(buffer: CubeTensor) -> Tensor<D> {
    border::enter(buffer)
}

/// A buffer as a tensor of integers.
pub(crate) fn int_tensor<const D: usize>(buffer: CubeTensor) -> Tensor<D, Int> {
    border::enter_ints(buffer)
}

/// Without fusion, burn's tensors are buffers.
#[cfg(not(feature = "fusion"))]
mod border {
    use super::{Cube, CubeTensor, Int, Tensor};

    pub(super) fn open(_: &Tensor<1>) {}

    pub(super) fn leave(x: CubeTensor) -> CubeTensor {
        x
    }

    pub(super) fn leave_ints(x: CubeTensor) -> CubeTensor {
        x
    }

    pub(super) fn enter<const D: usize>(buffer: CubeTensor) -> Tensor<D> {
        Tensor::from_primitive::<Cube>(buffer)
    }

    pub(super) fn enter_ints<const D: usize>(buffer: CubeTensor) -> Tensor<D, Int> {
        Tensor::from_primitive::<Cube>(buffer)
    }
}
