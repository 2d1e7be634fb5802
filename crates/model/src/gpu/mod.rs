//! Experts and matrices on a graphics adapter: weights in the dtype of the file, uploaded once, and the kernels that read them there.
//!
//! What is here stands beside the host's: [`crate::matrix::Matrix`] chooses. A forward pass reads nothing back between the tokens it is
//! given and the values that are asked for, except where `blocks::recurrent` says that a recurrence runs on the host.

mod buffers;
mod causal_conv;
mod delta_net;
mod experts;
mod gated_norm;
mod kernels;
#[cfg(feature = "fusion")]
mod lazy;
mod mamba2;
mod matrix;
mod products;
mod routing;
mod states;
mod steps;
mod weights;

pub(crate) use buffers::Adapter;
pub(crate) use causal_conv::DeviceConv;
pub(crate) use delta_net::DeviceDeltaNet;
pub(crate) use experts::GroupedExperts;
pub(crate) use mamba2::DeviceMamba2;
pub use matrix::DeviceMatrix;
pub(crate) use routing::DeviceRouter;
pub(crate) use steps::DeviceSteps;
