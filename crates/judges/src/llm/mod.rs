//! A language model as judge, behind an `OpenAI`-compatible endpoint.
//!
//! [`Endpoint`] is what a sweep file says of a judge, [`Client`] asks it, and the two protocols of the reference experiment
//! (<https://arxiv.org/abs/2607.01444>) say what is asked: [`absolute`] whether one text contradicts its source, [`relative`] which of
//! two texts hallucinates, omits and repeats more and which is better aligned. [`figures`] turns verdicts into rates with
//! intervals, position bias, and agreement between judges; [`scorer`] is the absolute protocol as a scorer among others.
//!
//! Every reply is kept by its content ([`cache`]): what was asked once is never asked again, and a run that is stopped, or whose
//! endpoint goes away, goes on where it was. A reply that does not hold a verdict is counted as unparsable and stays without
//! a number.

pub mod endpoint;
pub mod messages;
pub mod record;
pub mod cache;
mod reply;
pub mod client;
mod ask;
pub mod absolute;
pub mod relative;
pub mod figures;
pub mod scorer;

pub use client::Client;
pub use endpoint::Endpoint;
pub use record::{Record, Run, Summary, Unjudged, Verdict};

/// Who looks on, and who may say stop.
pub struct Watch<'a> {
    /// Asked often, also while waiting; a request that is under way is still finished.
    pub should_stop: &'a (dyn Fn() -> bool + Sync),
    /// Called with the number of items finished since the last call.
    pub progress: &'a mut dyn FnMut(usize),
}
