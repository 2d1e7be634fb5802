//! Records in, prompts and calibration text out. Knows no model.

pub mod item;
