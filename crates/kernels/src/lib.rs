//! Secateur: kernels.
