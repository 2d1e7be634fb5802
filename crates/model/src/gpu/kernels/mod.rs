//! The device's programs. They know buffers and numbers; what those stand for is said where they are launched.

// The macro writes the functions that launch them, without documentation.
#![allow(missing_docs, clippy::pedantic)]

mod activation;
pub(crate) mod conv;
pub(crate) mod delta;
pub(crate) mod few;
pub(crate) mod gated_norm;
pub(crate) mod group;
pub(crate) mod product;
pub(crate) mod route;
pub(crate) mod rows;
pub(crate) mod selective;
pub(crate) mod steps;
pub(crate) mod tile;
pub(crate) mod words;
