//! CPU inner loops: matrix products on weights that stay in the mapped file. The only crate with `unsafe`; knows no burn.

mod experts;
mod matmul;
mod mxfp4;
mod portable;
mod weights;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use experts::{Activation, Expert, Projection, ProjectionWeights, experts};
pub use matmul::{matmul, matmul_single};
pub use mxfp4::{Mxfp4, matmul_mxfp4};
pub use weights::{WeightDtype, Weights};
pub mod mapped;
