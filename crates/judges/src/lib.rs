//! Scorers of a text against its source that are models themselves.
//!
//! [`encoder`] and [`seq2seq`] run the checkpoints, [`scorers`] turn what they say into one number per text, and [`llm`] asks a
//! language model behind an `OpenAI`-compatible endpoint. What they have in common is [`scorer::TextScorer`].

pub mod error;
pub mod scorer;
pub mod encoder;
pub mod seq2seq;
pub mod scorers;
pub mod llm;
