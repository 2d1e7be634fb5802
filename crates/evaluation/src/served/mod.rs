//! A checkpoint behind a server: vLLM, `SGLang`, llama.cpp's server, or transformers' (`transformers serve`).
//!
//! Tokenizer, chat template and end tokens are read from the checkpoint's directory, as for a checkpoint in this process; the server
//! only computes. Each of the four is asked in the way that tells most (`dialect.rs`): with token ids where it takes them, for
//! log-probabilities of a prompt where it has them. What a server cannot tell is refused, never approximated.
//!
//! | server | asked at | prompt | answer | log-probabilities |
//! |---|---|---|---|---|
//! | vLLM | `/v1/completions` | token ids | token ids | of answers and of prompts (`prompt_logprobs`) |
//! | `SGLang` | `/generate` | token ids | token ids | of answers and of prompts (`return_logprob`) |
//! | llama.cpp | `/completion` | token ids | token ids | of answers; of continuations one token after another (`n_probs`) |
//! | transformers | `/v1/completions` | text | text | none |

pub mod settings;
pub mod server;
mod reply;
mod dialect;
mod vllm;
mod sglang;
mod llama_cpp;
mod transformers;
mod prompt;
mod in_order;
mod desk;
mod engine;

pub use engine::{ServedCheckpoint, ServedEngine};
pub use server::Server;
pub use settings::{ServedSettings, ServerKind};
