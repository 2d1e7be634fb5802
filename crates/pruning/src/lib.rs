//! Model and calibration text in, experts that stay out.
//!
//! ```text
//! tokens → statistics → ranking → plan → mask
//! ```
//!
//! Statistics once collected serve every method, and a ranking every fraction. Each stage hands over a plain value that is
//! saved in an open format and can be entered from a file.

mod error;
pub mod shape;
pub mod statistics;
mod statistics_file;
pub mod accumulate;
pub mod calibration;
mod collector;
pub mod partial;
mod weights;
pub mod methods;
pub mod ranking;
pub mod protection;
pub mod plan;
pub mod mask_files;
pub mod import;

pub use error::PruningError;
