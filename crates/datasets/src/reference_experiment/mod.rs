//! How the reference experiment (arXiv:2607.01444) asks, reads and draws, exactly as it does.
//!
//! These are the *paper forms*: where the experiment is generous (any answer that begins with the
//! letter is right) or wrong (a mistyped refusal term), so are they, and the item's documentation
//! says so. They exist to compare with published numbers; the tasks of this crate are scored by
//! strict forms of their own. The scores that belong to them are in
//! `secateur_metrics::reference_experiment`.
//!
//! The experiment runs on Python, so what its string methods, literals and random generators do is
//! part of the behaviour: see [`crate::python`], [`python_random`] and [`numpy_random`].

pub mod hugging_face_shuffle;
pub mod medhalt;
pub mod medinst32;
pub mod multimedqa;
pub mod numpy_random;
pub mod pairwise;
pub mod python_random;
pub mod split_response;
pub mod summaries;

/// What keeps one of these functions from giving an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReferenceError {
    /// The task is not one of the experiment's.
    #[error("`{task}` is not a task of the reference experiment; expected one of {expected}")]
    UnknownTask {
        /// The name that was asked for.
        task: String,
        /// The names there are.
        expected: &'static str,
    },
    /// A record is not what the task's loader reads.
    #[error("{record}: found {found}, expected {expected}")]
    WrongRecord {
        /// Which record.
        record: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A sample larger than what it is drawn from.
    #[error("cannot draw {sample} of {population} items without repetition")]
    SampleTooLarge {
        /// Items asked for.
        sample: usize,
        /// Items there are.
        population: usize,
    },
    /// A judge's reply has no braces to read between.
    #[error("the judge's reply has no JSON object in it: {reply:?}")]
    NoJsonObject {
        /// The reply without its code fence.
        reply: String,
    },
    /// What is between the outermost braces of a judge's reply is not JSON.
    #[error("the judge's reply is not JSON at character {position}: {what}")]
    InvalidJson {
        /// Zero-based character within the part between the outermost braces.
        position: usize,
        /// What was wrong there.
        what: &'static str,
    },
    /// A judge's choice is neither `A` nor `B` (nor a tie where ties are allowed).
    #[error("the judge chose {choice:?}, expected {expected}")]
    InvalidChoice {
        /// The choice as text.
        choice: String,
        /// The choices there are.
        expected: &'static str,
    },
    /// A judgement without an error lacks an answer.
    #[error("judgement {index} has no answer to `{question}`")]
    MissingAnswer {
        /// Position among the judgements.
        index: usize,
        /// The question's key.
        question: &'static str,
    },
}
