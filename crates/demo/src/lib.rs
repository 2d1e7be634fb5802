//! The demo: three tiny Mixture-of-Experts models, the facts they are taught, and the tasks that test them.

pub mod facts;
pub mod text;
pub mod tasks;
pub mod train;
