//! One server that is asked many things: keys, time limits, the pace, and attempts.
//!
//! A [`Line`] sends one request and says what its answer means for the next; [`Line::ask`] goes on until there is an answer, or
//! no use in asking again. What is asked, and what is in the answer, is its users' business: judges and served models.

mod words;
pub mod pace;
pub mod line;
pub mod attempts;
pub mod address;
pub mod limits;

pub use address::base_address;
pub use attempts::{Answered, Attempts, Failure};
pub use limits::{Limits, OutOfBounds};
pub use line::{Advice, Line, LineSettings, Scope};
pub use pace::Pace;
pub use words::{error_words, words};
