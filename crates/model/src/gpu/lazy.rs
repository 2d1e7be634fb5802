//! The border between burn's tensors and buffers where burn puts operations off to fuse them: who leaves waits for those before it, who enters
//! is an operation among others, that has been done already.

use std::sync::OnceLock;

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Int, Tensor};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{Cube, CubeBackend};

/// A buffer that a kernel has written or will have.
#[derive(Clone)]
pub(crate) struct Ready(CubeTensor);

impl Ready {
    fn spec(&self) -> TensorSpec {
        TensorSpec::new(self.0.meta.shape().clone(), self.0.dtype)
    }
}

/// What becomes a tensor of burn's `beside` another of its device, which says where.
#[backend_extension(Cube, Fusion)]
pub(crate) trait Enter: Backend {
    /// A float tensor.
    #[fusion(meta = |_beside, ready| ready.spec())]
    fn enter(beside: &FloatTensor<Self>, ready: Ready) -> FloatTensor<Self>;

    /// A tensor of integers.
    #[fusion(meta = |_beside, ready| ready.spec())]
    fn enter_ints(beside: &FloatTensor<Self>, ready: Ready) -> IntTensor<Self>;
}

impl Enter for CubeBackend {
    fn enter(_: &CubeTensor, ready: Ready) -> CubeTensor {
        ready.0
    }

    fn enter_ints(_: &CubeTensor, ready: Ready) -> CubeTensor {
        ready.0
    }
}

pub(crate) fn leave(x: FloatTensor<Cube>) -> CubeTensor {
    let client = x.client.clone();
    client.resolve_tensor_float::<CubeBackend>(x)
}

pub(crate) fn leave_ints(x: IntTensor<Cube>) -> CubeTensor {
    let client = x.client.clone();
    client.resolve_tensor_int::<CubeBackend>(x)
}

pub(crate) fn enter<const D: usize>(buffer: CubeTensor) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::enter(&beside().into_dispatch(), Ready(buffer)))
}

pub(crate) fn enter_ints<const D: usize>(buffer: CubeTensor) -> Tensor<D, Int> {
    Tensor::from_dispatch(Dispatch::enter_ints(&beside().into_dispatch(), Ready(buffer)))
}

/// A tensor of the adapter; there is one adapter a process.
static BESIDE: OnceLock<Tensor<1>> = OnceLock::new();

/// Before anything enters.
pub(crate) fn open(beside: &Tensor<1>) {
    BESIDE.get_or_init(|| beside.clone());
}

fn beside() -> Tensor<1> {
    #[allow(clippy::expect_used)] // Kernels are of an adapter, which was opened before.
    BESIDE.get().expect("an adapter").clone()
}
