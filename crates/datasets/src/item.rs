//! What a task hands to the evaluation: one item per question, ready to be put to a model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One question of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Stable identity within the task; paired statistics join on it.
    pub id: String,
    /// What is asked and what would be right.
    pub body: Body,
    /// Fields of the source record that scoring or the reader needs (subject, perturbation, ...). Ordered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// The two ways a model can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Log-likelihood of each continuation after its context.
    Choice(Choice),
    /// Free generation.
    Generate(Generate),
    /// Log-likelihood of a whole text with nothing before it (perplexity).
    Text(String),
}

/// A question scored by log-likelihood.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Few-shot examples and the question, as text; the chat template is applied by the evaluation if asked for.
    pub context: String,
    /// Where the choices differ in what stands before them: a context for each choice (`WinoGrande`), or for each of equally long
    /// runs of choices ([`crate::forms`]). `context` then is what they share, or the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<String>,
    /// Where the contexts are conversations: the turns of each, which a chat template puts into the model's own form. `contexts`
    /// then are the same conversations as plain text. One per context, or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversations: Vec<Vec<Message>>,
    /// Continuations, delimiter included (`" yes"`), in the task's order.
    pub continuations: Vec<String>,
    /// The choices as `acc_norm` counts their length: without the delimiter.
    pub choices: Vec<String>,
    /// Indices of the right choices: one for most tasks, several for `TruthfulQA` mc2. Never empty.
    pub gold: Vec<usize>,
    /// The pieces of the question where its options stand in the prompt by letter, so that [`crate::forms`] can put it again. Not
    /// kept: `context` says what is asked.
    #[serde(skip)]
    pub lettered: Option<Lettered>,
}

/// A question with its options below it, one per line behind a letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lettered {
    /// Description and worked examples.
    pub preamble: String,
    /// The question, up to its first option.
    pub before: String,
    /// Texts of the options, in the order of the letters.
    pub options: Vec<String>,
    /// What follows the options and cues the answer.
    pub after: String,
}

impl Lettered {
    /// The whole context, with these texts behind the letters.
    #[must_use]
    pub fn context(&self, options: &[String]) -> String {
        let lines = lettered(options);
        [self.preamble.as_str(), &self.before, &lines, &self.after].concat()
    }
}

/// `A. x`, `B. y`, … one per line.
#[must_use]
pub fn lettered(options: &[String]) -> String {
    let lines = options
        .iter()
        .zip('A'..='Z')
        .map(|(text, letter)| format!("{letter}. {text}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A question answered in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generate {
    /// The conversation so far, last turn from the user. Without a chat template the contents are joined by a blank line.
    pub messages: Vec<Message>,
    /// Text that the answer must begin with, given to the model as its own (`gen_prefix`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Reference answers; empty only where the right response is to abstain.
    pub references: Vec<String>,
    /// The text that the answer has to be supported by, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// True where no answer is right and the model should say so.
    #[serde(default)]
    pub unanswerable: bool,
}

impl Generate {
    /// One user turn and what would be right, to be supported by nothing in particular.
    #[must_use]
    pub fn turn(content: impl Into<String>, references: Vec<String>) -> Self {
        let message = Message {
            role: "user".to_owned(),
            content: content.into(),
        };
        Self {
            messages: vec![message],
            prefix: None,
            references,
            source: None,
            unanswerable: false,
        }
    }

    /// With the text that the answer has to be supported by.
    #[must_use]
    pub fn from_source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}
