//! Checkpoint on disk in, forward pass out.
//!
//! A directory is opened ([`checkpoint`]), a family turns its config into a [`spec::DecoderSpec`] ([`families`]), the one
//! [`decoder`] is put together from [`blocks`], and [`Model`] scores, generates and lets calibration look on.

pub mod checkpoint;
pub mod families;
pub mod spec;
pub mod device;
#[cfg(feature = "wgpu")]
mod wgpu;
#[cfg(feature = "wgpu")]
pub mod gpu;
pub mod error;
mod awake;
pub mod matrix;
pub mod weights;
pub mod blocks;
mod shared;
mod stems;
mod reading;
pub mod batch;
pub mod pass;
pub mod mask;
pub mod observe;
mod layer_pass;
pub mod gathered;
pub mod cache;
pub mod decoder;
mod stem_states;
mod kept_layers;
mod kept_states;
pub mod model;
pub mod layerwise;
mod prefill;
pub mod score;
mod score_there;
pub mod divergence;
pub mod generate;
mod decode;
pub mod states;
pub mod export;
pub mod hub;
pub mod generation_config;
pub mod text;

pub use device::{Device, DeviceKind, Precision};
pub use error::ModelError;
pub use model::{MatrixValues, Model, MoeLayer};
