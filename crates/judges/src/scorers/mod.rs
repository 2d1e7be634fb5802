//! Scorers of a text against its source that need a model, one file each.
//!
//! Every file says the equation, the source, range, direction, cost and what is known to be wrong with the original. [`KINDS`] lists
//! what a sweep file can name, [`open`] opens it. [`statements`], [`clusters`] and [`self_check`] are functions over an opened model: they need
//! more than one source and one text.

pub mod spec;
pub mod labels;
pub mod split;
mod progress;
pub mod nli;
mod image;
pub mod summac;
pub mod conv_weights;
pub mod align_score;
pub mod mini_check;
pub mod bert_score;
pub mod bert_score_layers;
pub mod harim_plus;
pub mod per_sentence;
pub mod statements;
pub mod clusters;
pub mod self_check;
pub mod lexical;
mod kinds;
mod open;

use secateur_metrics::value::Definition;

pub use image::Image;
pub use kinds::{KINDS, Kind, LEXICAL_KIND, SUBJECT_KIND};
pub use open::{open, open_bert_score, open_nli, prepared};
pub use spec::ScorerSpec;

/// What a scorer is called in a record, and what decides its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Name, unit, direction and who made it.
    pub definition: Definition,
    /// Kind and version of the rule, hash of the weights, options.
    pub identity: String,
}
