//! The device's programs. They know buffers and numbers; what those stand for is said where they are launched.

// The macro writes the functions that launch them, without documentation.
#![allow(missing_docs, clippy::pedantic)]

pub(crate) mod few;
pub(crate) mod group;
pub(crate) mod product;
pub(crate) mod route;
pub(crate) mod rows;
pub(crate) mod tile;
pub(crate) mod words;
