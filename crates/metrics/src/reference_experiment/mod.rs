//! How the reference experiment (arXiv:2607.01444) scores answers, exactly as it does.
//!
//! These are the *paper forms*, kept to compare with published numbers; where they are generous or
//! odd, the item's documentation says so. Exact match, token F1 and ROUGE-L are those of the
//! crate. Prompts and parsing are in `secateur_datasets::reference_experiment`.

pub mod aggregate;
pub mod entities;
pub mod labels;
pub mod medinst32;
pub mod similarity;
