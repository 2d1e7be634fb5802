//! What a task says about itself: enough to schedule it, score it and cite it, without opening a file.

use serde::{Deserialize, Serialize};

/// Which of the two domains of a sweep a task speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Biomedicine.
    Biomedical,
    /// Everything else.
    General,
}

/// How a task asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// One of a closed set of answers, by log-likelihood or by name.
    Classification,
    /// Free text.
    Generation,
    /// Log-likelihood of given text.
    Perplexity,
}

/// Which axis of the report a task belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Can the model do the work?
    #[default]
    Utility,
    /// Can its statements be relied on?
    Reliability,
}

/// Accuracies of a choice by log-likelihood, named as lm-evaluation-harness names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceMetric {
    /// Largest sum of log-probabilities.
    Acc,
    /// Largest sum divided by the number of characters of the choice.
    AccNorm,
    /// Largest sum divided by the number of UTF-8 bytes of the choice.
    AccBytes,
}

/// Measures of a generated answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GenerationMetric {
    /// Equal to a reference after [`Normalise`].
    ExactMatch,
    /// Bag-of-tokens F1 with the best reference after [`Normalise`].
    TokenF1,
    /// ROUGE-1, -2 and -L.
    Rouge,
    /// ROUGE-L of the answers that are not empty, as the reference experiment has it, which asks again until something is
    /// said.
    RougeOfReplies,
    /// BLEU.
    Bleu,
    /// chrF.
    Chrf,
    /// Share of entities and numbers of the answer that the source (or, without one, the reference) supports.
    Support,
    /// Precision, recall and F1 of abstaining on unanswerable items.
    Abstention,
}

/// What is folded away before two answers are compared; all on is the normalisation of SQuAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
// Four independent switches, each named in the card.
#[allow(clippy::struct_excessive_bools)]
pub struct Normalise {
    /// Lower case.
    pub lowercase: bool,
    /// Drop ASCII punctuation.
    pub punctuation: bool,
    /// Drop `a`, `an` and `the` as words.
    pub articles: bool,
    /// Runs of white space become one space, none at the ends.
    pub whitespace: bool,
}

impl Default for Normalise {
    fn default() -> Self {
        Self {
            lowercase: true,
            punctuation: true,
            articles: true,
            whitespace: true,
        }
    }
}

/// Whether a named answer is a letter or a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerStyle {
    /// `A`, `B`, …
    Letters,
    /// `yes`, `no`, …
    Words,
}

/// Which metrics apply to a task's answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Scoring {
    /// The choice of largest log-likelihood, first one wins ties.
    LogLikelihood {
        /// Accuracies to report, most important first.
        metrics: Vec<ChoiceMetric>,
    },
    /// Probability mass of the true answers: Σ over gold of exp(ll) divided by Σ over all of exp(ll), no length norm.
    TruthfulQaMc2,
    /// Word and byte perplexity and bits per byte of the item's text.
    Perplexity,
    /// The name of one answer, generated. Right where the normalised output (lower case, no punctuation) equals the
    /// normalised reference or, in the reference experiment, begins with it.
    LetterAnswer {
        /// All answers that can be named.
        answers: Vec<String>,
        /// Letters or words.
        style: AnswerStyle,
    },
    /// Free text against references.
    Generation {
        /// Measures to report, most important first.
        metrics: Vec<GenerationMetric>,
        /// For exact match and token F1.
        normalise: Normalise,
        /// Lower-case phrases; an answer that contains one abstains.
        abstain_phrases: Vec<String>,
    },
    /// `SciFact`: a label, and the sentences that show it.
    ClaimEvidence,
    /// Typed mentions, one per line.
    Entities {
        /// Types that can be named.
        types: Vec<String>,
    },
    /// MEDEC: `CORRECT`, or the number of a wrong sentence and its correction.
    ErrorCorrection,
    /// Med-HALT's tests with a right answer.
    MedHalt {
        /// What is asked for.
        asked: super::medhalt::Asked,
    },
    /// Med-HALT's fake questions: right where the parsed answer `cop` refuses.
    MedHaltFake,
    /// MedINST32.
    MedInst {
        /// What answers are.
        answers: super::medinst32::Answers,
    },
    /// K-QA: statements that an answer must have, may have and must not contradict.
    Statements,
    /// GSM8K: the number after `#### ` (strict) or the last number of the answer (flexible).
    Gsm8k,
    /// `IFEval`: the instructions in the item's field `instructions`.
    IfEval,
    /// The item's field `code` and the answer pass the field `tests`. Runs generated code.
    UnitTests {
        /// The answer ends at its first code fence.
        until_fence: bool,
    },
    /// `HaluEval`: `Yes` where the answer shown is hallucinated, `No` where it is not.
    HaluEval,
    /// `SelfAware`: abstaining where no answer is right.
    SelfAware,
    /// A short answer equal to an accepted one, in the authors' form and in that of lm-evaluation-harness.
    ShortAnswer,
    /// `SQuAD` 2.0: its authors' measures, and abstaining where there is no answer.
    Squad2,
    /// `TruthfulQA`: overlap with true answers against overlap with false ones.
    TruthfulQaGen,
    /// [`crate::forms::sampled`]: how sure the model is of its answers, from further answers sampled beside each
    /// ([`Samples`]).
    Sampled {
        /// The task's own scoring, which says what is right.
        base: Box<Scoring>,
    },
    /// [`crate::forms::divergence`]: how far the next-token distributions have moved from the unpruned model's on the item's
    /// text, right choice or first reference.
    Divergence,
    /// [`crate::forms::option_order`]: the same options in every cyclic order.
    OptionOrder,
    /// [`crate::forms::none_of_the_above`]: with the right option, without it, and without a wrong one.
    NoneOfTheAbove,
    /// [`crate::forms::paraphrase`] of a choice by log-likelihood: the same question in other words.
    Paraphrases,
    /// [`crate::forms::paraphrase`] of answers in words: an item for each wording, scored as the task itself scores it.
    ParaphrasedAnswers {
        /// The task's own scoring.
        of: Box<Scoring>,
    },
    /// [`crate::forms::pushback`]: the question, again after the user's doubt, and with a wrong hint.
    Pushback,
}

impl Scoring {
    /// Whether scoring runs code that a model wrote.
    #[must_use]
    pub fn runs_generated_code(&self) -> bool {
        match self {
            Self::UnitTests { .. } => true,
            Self::Sampled { base } => base.runs_generated_code(),
            _ => false,
        }
    }

    /// A continuation whose log-probability after the prompt is measured beside the answer.
    #[must_use]
    pub fn probe(&self) -> Option<&'static str> {
        match self {
            Self::Squad2 => Some(" unanswerable"),
            Self::Sampled { base } => base.probe(),
            _ => None,
        }
    }
}

/// Phrases that count as abstaining unless a card says otherwise. Matched in lower case anywhere in the answer.
pub const ABSTAIN_PHRASES: &[&str] = &[
    "i do not know",
    "i don't know",
    "is not known",
    "is unknown",
    "cannot be determined",
    "cannot answer",
    "can't answer",
    "no answer",
    "not sure",
    "unanswerable",
];

/// How answers are generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerationSettings {
    /// Upper limit of generated tokens.
    pub max_new_tokens: usize,
    /// Strings at which generation ends; they are not part of the answer.
    pub stop: Vec<String>,
    /// 0 is greedy.
    pub temperature: f64,
    /// Nucleus; 1 keeps everything.
    pub top_p: f64,
    /// Further answers to each item beside the one that is scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Samples>,
}

/// Answers sampled beside the one that is scored, each with a seed of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// Per item; at least 2.
    pub count: usize,
    /// More than 0.
    pub temperature: f64,
    /// Nucleus; 1 keeps everything.
    pub top_p: f64,
}

impl Default for Samples {
    /// Eight answers from the model's own distribution.
    fn default() -> Self {
        Self {
            count: 8,
            temperature: 1.0,
            top_p: 1.0,
        }
    }
}

impl GenerationSettings {
    /// Greedy decoding.
    #[must_use]
    pub fn greedy(max_new_tokens: usize, stop: &[&str]) -> Self {
        let stop = stop.iter().map(|&text| text.to_owned()).collect();
        Self {
            max_new_tokens,
            stop,
            temperature: 0.0,
            top_p: 1.0,
            samples: None,
        }
    }
}

/// When a task reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileUse {
    /// Always.
    Items,
    /// Only where few-shot examples are asked for.
    FewShot,
}

/// A file that a task expects in its data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSpec {
    /// Official name, relative to the data directory.
    pub name: String,
    /// Other names accepted in its place, in order of preference.
    pub instead: Vec<String>,
    /// When it is read.
    pub usage: FileUse,
}

impl FileSpec {
    /// A file with the questions.
    #[must_use]
    pub fn items(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            instead: Vec::new(),
            usage: FileUse::Items,
        }
    }

    /// A file with the few-shot examples.
    #[must_use]
    pub fn few_shot(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            instead: Vec::new(),
            usage: FileUse::FewShot,
        }
    }

    /// Accepts `name` where the official file is absent.
    #[must_use]
    pub fn or(mut self, name: &str) -> Self {
        self.instead.push(name.to_owned());
        self
    }
}

/// A task's description of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskSpec {
    /// Unique name.
    pub name: String,
    /// Raised whenever a prompt, an answer or the reading of a file changes, so that numbers move.
    pub version: u32,
    /// One line for a list.
    pub about: String,
    /// Domain.
    pub domain: Domain,
    /// Kind.
    pub kind: TaskKind,
    /// Axis of the report.
    pub aspect: Aspect,
    /// Folder of the data set below a data root, and name of its data card; empty for a user's own card.
    pub set: String,
    /// Files read.
    pub files: Vec<FileSpec>,
    /// Metrics.
    pub scoring: Scoring,
    /// Present where answers are generated.
    pub generation: Option<GenerationSettings>,
    /// Few-shot examples unless told otherwise.
    pub few_shot: usize,
}

impl TaskSpec {
    /// A zero-shot task scored by log-likelihood.
    #[must_use]
    pub fn choice(name: impl Into<String>, set: &str, domain: Domain, metrics: &[ChoiceMetric]) -> Self {
        Self {
            name: name.into(),
            version: 1,
            about: String::new(),
            domain,
            kind: TaskKind::Classification,
            aspect: Aspect::Utility,
            set: set.to_owned(),
            files: Vec::new(),
            scoring: Scoring::LogLikelihood {
                metrics: metrics.to_vec(),
            },
            generation: None,
            few_shot: 0,
        }
    }

    /// A zero-shot task answered in words.
    #[must_use]
    pub fn generated(
        name: impl Into<String>,
        set: &str,
        domain: Domain,
        scoring: Scoring,
        generation: GenerationSettings,
    ) -> Self {
        let kind = match scoring {
            Scoring::LetterAnswer { .. } | Scoring::MedHalt { .. } | Scoring::MedHaltFake | Scoring::HaluEval => {
                TaskKind::Classification
            }
            _ => TaskKind::Generation,
        };
        Self {
            kind,
            scoring,
            generation: Some(generation),
            ..Self::choice(name, set, domain, &[])
        }
    }

    /// With a description.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    /// In this version.
    #[must_use]
    pub fn revised(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// With files.
    #[must_use]
    pub fn reads(mut self, files: Vec<FileSpec>) -> Self {
        self.files = files;
        self
    }

    /// On the reliability axis.
    #[must_use]
    pub fn reliability(mut self) -> Self {
        self.aspect = Aspect::Reliability;
        self
    }
}
