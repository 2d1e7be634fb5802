//! Answers in, numbers out. Pure: no model, no files.
//!
//! One file per metric, each with its [`value::Definition`]; [`registry::METRICS`] lists them. [`statistics`] says how sure a
//! number is, and [`measure`] puts both together in the form that records keep. What has no value (no items, NaN, a
//! missing class) is an [`error::MetricError`] or `None`, never a number.

pub mod error;
pub mod resamples;
pub mod value;

mod text;

mod ties;

pub mod letter;
pub mod yes_no;
pub mod classification;
pub mod auroc;
pub mod exact_match;
pub mod gsm8k;
pub mod ifeval;
pub mod pass_at_k;
pub mod squad2;
pub mod porter;
pub mod rouge;
pub mod bleu_tokens;
pub mod bleu;
pub mod chrf;
pub mod perplexity;
pub mod calibration;
pub mod probability_scores;
pub mod selective;
pub mod curves;
pub mod degeneration;
pub mod abstention;
pub mod refusal;
pub mod consistency;
pub mod none_of_the_above;
pub mod pushback;
pub mod uncertainty;
pub mod support;
pub mod harim;
pub mod meaning;
pub mod semantic_entropy;
pub mod selfcheck;
pub mod divergence;
pub mod counts;
pub mod evidence;
pub mod mentions;
pub mod lexical;
pub mod statements;
pub mod verdicts;
pub mod judged;
pub mod position_bias;
pub mod correlation;
pub mod agreement;
pub mod krippendorff;
pub mod mask_agreement;
pub mod mask_grid;
pub mod reference_experiment;

pub mod statistics;

pub mod measure;
pub mod measure_paired;
pub mod regressions;
pub mod registry;
