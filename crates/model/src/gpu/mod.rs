//! Experts and matrices on a graphics adapter: weights in the dtype of the file, uploaded once, and the kernels that read them there.
//!
//! What is here stands beside the host's: [`crate::matrix::Matrix`] chooses. A forward pass reads nothing back between the tokens it is
//! given and the values that are asked for, except where a recurrence runs on the host (`blocks::recurrent`).

mod buffers;
mod experts;
mod kernels;
mod matrix;
mod products;
mod routing;
mod weights;

pub(crate) use experts::GroupedExperts;
pub use matrix::DeviceMatrix;
pub(crate) use routing::DeviceRouter;
