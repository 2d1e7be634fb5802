//! What can go wrong between a task and its answers.

use crate::engine::EngineError;

/// Errors of the evaluation. Each stops the cell: a problem is never turned into a number.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The model or its tokenizer failed.
    #[error("task `{task}`, {stage}: {source}")]
    Engine {
        /// Task name.
        task: String,
        /// `tokenising item X`, `scoring`, `generating`.
        stage: String,
        /// What the engine said.
        source: EngineError,
    },
    /// The engine returned fewer or more results than it was asked for, or one that is not finite.
    #[error("task `{task}`: the engine returned {found}, expected {expected}")]
    Unsound {
        /// Task name.
        task: String,
        /// What came back.
        found: String,
        /// What should have come back.
        expected: String,
    },
    /// The chat template was asked for and the checkpoint has none.
    #[error(
        "task `{task}` is to be asked with a chat template, but the checkpoint has none: switch the template off, or add one to tokenizer_config.json"
    )]
    NoChatTemplate {
        /// Task name.
        task: String,
    },
    /// An item cannot be put to a model as it is.
    #[error("task `{task}`, item `{item}`: {found}; expected {expected}")]
    Item {
        /// Task name.
        task: String,
        /// Item id.
        item: String,
        /// What is wrong.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// Nothing to evaluate.
    #[error("task `{task}` has no items")]
    NoItems {
        /// Task name.
        task: String,
    },
    /// The answer alone would fill the model's context.
    #[error(
        "task `{task}` asks for up to {max_new_tokens} new tokens, but the model takes {max_length} tokens in all: set a smaller max_new_tokens for the task"
    )]
    NoRoomForPrompt {
        /// Task name.
        task: String,
        /// New tokens asked for.
        max_new_tokens: usize,
        /// Longest input.
        max_length: usize,
    },
    /// Pruned and unpruned model were not asked the same items.
    #[error(
        "task `{task}` cannot be compared: {found}; both must hold the same items, so evaluate the unpruned model again with the same task data and limits"
    )]
    DifferentItems {
        /// Task name.
        task: String,
        /// What differs.
        found: String,
    },
    /// The task runs what the model writes, and nobody said that it may.
    #[error(
        "task `{task}` runs code that the model writes. It is shut in (no network, no files, limits on time, memory and processes), but it is run: set run_generated_code = true for the task if that is wanted"
    )]
    GeneratedCode {
        /// Task name.
        task: String,
    },
    /// Generated code cannot be shut in here.
    #[error("task `{task}`: {source}")]
    Sandbox {
        /// Task name.
        task: String,
        /// Why.
        source: secateur_sandbox::SandboxError,
    },
    /// A value could not be computed.
    #[error("task `{task}`, metric `{metric}`: {found}")]
    Metric {
        /// Task name.
        task: String,
        /// Metric name.
        metric: String,
        /// What is wrong.
        found: String,
    },
    /// The receiver of the answers could not store one.
    #[error("task `{task}`: an answer could not be stored: {source}")]
    Sink {
        /// Task name.
        task: String,
        /// What the receiver said.
        source: std::io::Error,
    },
}
