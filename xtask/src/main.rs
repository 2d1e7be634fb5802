//! Developer driver.
fn main() {}
