//! Text to tokens and back, and conversations to text.

mod error;
mod python;
mod special;
mod stream;

pub mod chat_template;
pub mod tokenizer;

pub use chat_template::{ChatTemplate, ChatTemplates, Message};
pub use error::TextError;
pub use special::{SpecialToken, SpecialTokens};
pub use stream::TokenStream;
pub use tokenizer::{Encoded, Tokenizer};
