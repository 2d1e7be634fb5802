//! Files of lm-evaluation-harness: `samples_<task>_<time>.jsonl` and `results_<time>.json`.
//!
//! Source: `loggers/evaluation_tracker.py` and `evaluator.py` of EleutherAI/lm-evaluation-harness 0.4.13. A sample holds `doc_id`, `doc`,
//! `target` (as text), `arguments` (`gen_args_<n>` with `arg_0`, the context, and `arg_1`, a continuation or settings), `resps`,
//! `filtered_resps`, `filter`, and one key per metric. Numbers in answers are written as text.

mod find;
mod read;
mod target;
mod write;

pub use find::{SampleFile, sample_files};
pub use read::{ReadOptions, read};
pub use write::{Run, Written, write};
