//! The Secateur command line.
fn main() {}
