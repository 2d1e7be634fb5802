//! The parts decoders are put together from, each written once.

pub mod attention;
pub mod experts;
pub mod linear;
pub mod norm;
pub mod rope;
pub mod router;
