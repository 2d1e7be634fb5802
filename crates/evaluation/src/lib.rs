//! Model and task in, answers out, with every prompt and output kept.
//!
//! An [`engine::Engine`] is a model that can score and generate, here or elsewhere. [`evaluate::evaluate`] puts a task's items to it
//! ([`encoding`], [`requests`]), scores the [`answer::Answer`]s ([`score`]), and sums them up with intervals
//! ([`summary`]); [`compare::compare`] holds a pruned model's answers against the unpruned one's, and
//! [`regressions::regressions`] says which items changed.

pub mod engine;
pub mod bigram;
#[cfg(feature = "local")]
pub mod texts;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "served")]
pub mod served;
pub mod encoding;
pub mod requests;
mod run;
pub mod divergence;
pub mod answer;
pub mod score;
pub mod judging;
pub mod design;
pub mod summary;
pub mod compare;
pub mod regressions;
pub mod diagrams;
pub mod resume;
pub mod evaluate;
pub mod subject_harim;
pub mod error;

pub use diagrams::diagrams;
