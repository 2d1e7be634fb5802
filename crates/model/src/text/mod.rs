//! Text to tokens and back, and conversations to text.

mod error;
mod pair;
mod python;
mod special;
mod stream;

pub mod chat_template;
pub mod tokenizer;

pub use chat_template::{ChatTemplate, ChatTemplates, Message};
pub use error::TextError;
pub use pair::{PairTokenizer, PairTokens, Truncation};
pub use special::{SpecialToken, SpecialTokens};
pub use stream::TokenStream;
pub use tokenizer::{Encoded, Tokenizer};
