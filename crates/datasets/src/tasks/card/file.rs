//! The card as written in TOML. Mirrors the file; `check` turns it into something that can be run.

use serde::{Deserialize, Serialize};

use crate::tasks::spec::{Aspect, ChoiceMetric, Domain, GenerationMetric, Normalise};

/// A whole card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardFile {
    /// Unique name, equal to the card's file stem.
    pub name: String,
    /// Raised by the author when prompts or data change.
    #[serde(default = "one")]
    pub version: u32,
    /// How the task asks.
    pub kind: CardKind,
    /// Domain.
    pub domain: Domain,
    /// Axis of the report.
    #[serde(default)]
    pub aspect: Aspect,
    /// One line for a list.
    #[serde(default)]
    pub about: String,
    /// Licence of the data.
    pub licence: String,
    /// Where the data come from.
    #[serde(default)]
    pub source: String,
    /// What to cite.
    #[serde(default)]
    pub citation: String,
    /// The questions.
    pub data: DataSection,
    /// How a question is put.
    #[serde(default)]
    pub prompt: PromptSection,
    /// Multiple choice only.
    pub choices: Option<ChoicesSection>,
    /// Generation only.
    pub answer: Option<AnswerSection>,
    /// Generation only.
    pub generation: Option<GenerationSection>,
    /// Examples.
    pub few_shot: Option<FewShotSection>,
    /// Metrics.
    #[serde(default)]
    pub scoring: ScoringSection,
}

const fn one() -> u32 {
    1
}

/// How a card's task asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardKind {
    /// Log-likelihood of each choice.
    MultipleChoice,
    /// Free text.
    Generation,
    /// Log-likelihood of the prompt itself.
    Perplexity,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// JSONL file, relative to the card.
    pub file: String,
    /// Checked where given.
    pub sha256: Option<String>,
    /// Field with the id; the line number where absent.
    pub id: Option<String>,
    /// Fields kept for the reader.
    #[serde(default)]
    pub keep: Vec<String>,
}

/// `[prompt]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptSection {
    /// Text with `{field}` placeholders.
    pub template: Option<String>,
    /// Field with a list of texts that each say what the filled template says, in other words: for the form `@paraphrase`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paraphrases: Option<String>,
    /// Field with a whole conversation instead.
    pub messages: Option<String>,
    /// Before everything.
    #[serde(default)]
    pub preamble: String,
    /// System turn before the user's.
    pub system: Option<String>,
    /// Text that the answer begins with.
    pub prefix: Option<String>,
    /// Between prompt and answer; a space where absent.
    pub target_delimiter: Option<String>,
}

/// `[choices]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoicesSection {
    /// Field with the list of choices.
    pub field: Option<String>,
    /// The same choices for every question.
    pub texts: Option<Vec<String>>,
    /// Field with the right one: index from 0, text of the choice, or a list of either.
    pub label: String,
    /// What is scored.
    #[serde(default)]
    pub answer: ScoredAnswer,
}

/// What stands for a choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoredAnswer {
    /// Its text.
    #[default]
    Text,
    /// Its letter.
    Letter,
}

/// `[answer]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerSection {
    /// Field with a reference or a list of references.
    pub references: String,
    /// Field with the text that an answer has to be supported by.
    pub source: Option<String>,
    /// Boolean field; where true, abstaining is right.
    pub unanswerable: Option<String>,
}

/// `[generation]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerationSection {
    /// Upper limit of generated tokens.
    pub max_new_tokens: usize,
    /// Stop strings.
    pub stop: Vec<String>,
    /// 0 is greedy.
    pub temperature: f64,
    /// Nucleus.
    pub top_p: f64,
}

impl Default for GenerationSection {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            stop: Vec::new(),
            temperature: 0.0,
            top_p: 1.0,
        }
    }
}

/// `[few_shot]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FewShotSection {
    /// JSONL file of the same layout, relative to the card.
    pub file: String,
    /// Checked where given.
    pub sha256: Option<String>,
    /// Examples unless told otherwise.
    #[serde(default)]
    pub count: usize,
    /// After each example; a blank line where absent.
    pub delimiter: Option<String>,
}

/// `[scoring]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScoringSection {
    /// Names of metrics; a default per kind where empty.
    pub metrics: Vec<CardMetric>,
    /// For exact match and token F1.
    pub normalise: Normalise,
    /// What counts as abstaining.
    pub abstain_phrases: Option<Vec<String>>,
}

/// A metric of either kind, so that a misplaced one can be told from a misspelt one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum CardMetric {
    Acc,
    AccNorm,
    AccBytes,
    ExactMatch,
    TokenF1,
    Rouge,
    Bleu,
    Chrf,
    Support,
    Abstention,
}

impl CardMetric {
    /// As a metric of a multiple choice.
    #[must_use]
    pub fn of_choice(self) -> Option<ChoiceMetric> {
        match self {
            Self::Acc => Some(ChoiceMetric::Acc),
            Self::AccNorm => Some(ChoiceMetric::AccNorm),
            Self::AccBytes => Some(ChoiceMetric::AccBytes),
            _ => None,
        }
    }

    /// As a metric of a generated answer.
    #[must_use]
    pub fn of_generation(self) -> Option<GenerationMetric> {
        match self {
            Self::ExactMatch => Some(GenerationMetric::ExactMatch),
            Self::TokenF1 => Some(GenerationMetric::TokenF1),
            Self::Rouge => Some(GenerationMetric::Rouge),
            Self::Bleu => Some(GenerationMetric::Bleu),
            Self::Chrf => Some(GenerationMetric::Chrf),
            Self::Support => Some(GenerationMetric::Support),
            Self::Abstention => Some(GenerationMetric::Abstention),
            Self::Acc | Self::AccNorm | Self::AccBytes => None,
        }
    }
}
