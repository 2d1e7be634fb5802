//! CPU inner loops: matrix products on weights that stay in the mapped file. The only crate with `unsafe`; knows no burn.

mod activations;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod experts;
mod matmul;
mod mxfp4;
mod portable;
#[cfg(test)]
mod tests;
mod weights;

pub use experts::{Activation, Expert, Projection, ProjectionWeights, experts};
pub use matmul::{matmul, matmul_single};
pub use mxfp4::{Mxfp4, matmul_mxfp4};
pub use weights::{WeightDtype, Weights};
pub mod mapped;
