//! CPU inner loops: matrix products on weights that stay in the mapped file. The only crate with `unsafe`; knows no burn.

mod matmul;
mod mixture;
mod experts;
mod given;
mod activation;
mod attention;
mod heads;
mod softmax;
mod seen;
mod outer;
mod turn;
mod norm;
mod add;
mod rotate;
mod exp;
mod projection;
mod precision;
mod weights;
mod mxfp4;
mod nibbles;
mod tokens;
mod activations;
mod packed;
mod blank;
mod columns;
mod blocks;
mod tile;
mod panel;
#[cfg(any(target_arch = "x86_64", test))]
mod turned;
mod runs;
mod scratch;
mod vector;
mod widest;
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
pub use add::add;
pub use attention::Attention;
pub use experts::{Expert, experts};
pub use heads::Heads;
pub use matmul::{matmul, matmul_single};
pub use mixture::{Loudness, Mixture};
pub use mxfp4::{Mxfp4, matmul_mxfp4};
pub use norm::rms_norm;
pub use precision::Precision;
pub use projection::{Projection, ProjectionWeights};
pub use rotate::{NormFirst, Pairs, rotate};
pub use scratch::Buffer;
pub use seen::Seen;
pub use tokens::Visit;
pub use weights::{WeightDtype, Weights};
pub mod mapped;
