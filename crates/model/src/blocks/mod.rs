//! The parts decoders are put together from, each written once.

pub mod attend;
pub mod attention;
mod causal_conv;
pub mod delta_net;
mod dispatch;
pub mod experts;
mod experts_in_place;
#[cfg(feature = "wgpu")]
mod experts_there;
pub mod latent_attention;
pub mod linear;
pub mod mamba2;
pub mod mixer;
pub mod mlp;
pub mod moe;
pub mod norm;
mod parts;
pub mod recurrent;
pub mod rope;
pub mod router;
mod selection;
pub mod short_conv;
pub mod state;
pub mod timeline;

#[cfg(test)]
mod mixer_tests;
