//! CPU inner loops: matrix products on weights that stay in the mapped file. The only crate with `unsafe`; knows no burn.

mod matmul;
mod experts;
mod activation;
mod exp;
mod projection;
mod precision;
mod weights;
mod mxfp4;
mod nibbles;
mod activations;
mod packed;
mod columns;
mod blocks;
mod tile;
mod vector;
mod portable;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(test)]
#[allow(clippy::float_cmp)]
mod wide;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests;

pub use activation::Activation;
pub use activations::instructions;
pub use experts::{Expert, experts};
pub use matmul::{matmul, matmul_single};
pub use mxfp4::{Mxfp4, matmul_mxfp4};
pub use precision::Precision;
pub use projection::{Projection, ProjectionWeights};
pub use weights::{WeightDtype, Weights};
pub mod mapped;
