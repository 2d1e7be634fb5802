//! Training text: an endless seeded stream of short documents.
//!
//! Document `i` depends on the seed and `i` alone, so training can stop and resume anywhere. Nothing that evaluation
//! keeps for itself occurs: held-out phrasings, statement-only facts in questions, and the names, passages and false
//! claims of [`crate::facts::Split::Evaluation`].

pub mod documents;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::facts::passages::Ask;
use crate::facts::{Domain, Knowledge, KnowledgeError};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Asks.
    User,
    /// Answers; what training should learn to say.
    Assistant,
}

impl Role {
    /// `user` or `assistant`, as chat templates call them.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// What a document is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Running text.
    Text(String),
    /// A conversation, user first.
    Chat(Vec<Turn>),
}

/// Kinds of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One to three plain statements.
    Statement,
    /// An open question and its answer in a sentence.
    Question,
    /// Is it true that …? Yes or no; as a conversation or as running text.
    Claim,
    /// A question about something that does not exist.
    Unknown,
    /// A passage and a question that it answers.
    PassageQuestion,
    /// A passage and a question that it leaves open.
    PassageLeftOut,
    /// A passage and its summary.
    PassageSummary,
}

impl Kind {
    /// All kinds, in the order of [`Mixture::weights`].
    pub const ALL: [Kind; 7] = [
        Kind::Statement,
        Kind::Question,
        Kind::Claim,
        Kind::Unknown,
        Kind::PassageQuestion,
        Kind::PassageLeftOut,
        Kind::PassageSummary,
    ];
}

/// One training document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Domain of its fact or passage.
    pub domain: Domain,
    /// What kind of document it is.
    pub kind: Kind,
    /// Its text.
    pub body: Body,
}

impl Document {
    /// The text alone, turns separated by line ends: what a tokenizer is trained on.
    #[must_use]
    pub fn plain(&self) -> String {
        match &self.body {
            Body::Text(text) => text.clone(),
            Body::Chat(turns) => {
                let contents: Vec<&str> = turns.iter().map(|t| t.content.as_str()).collect();
                contents.join("\n")
            }
        }
    }

    /// The document with `ChatML` marks around turns; running text stays as it is. No end-of-text mark.
    #[must_use]
    pub fn chatml(&self) -> String {
        match &self.body {
            Body::Text(text) => text.clone(),
            Body::Chat(turns) => turns.iter().fold(String::new(), |text, turn| {
                let role = turn.role.name();
                text + "<|im_start|>" + role + "\n" + &turn.content + "<|im_end|>\n"
            }),
        }
    }
}

/// How often each kind of document is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixture {
    /// Weight per kind, in the order of [`Kind::ALL`]; need not sum to anything.
    pub weights: [u32; 7],
    /// Share of biomedical documents, in percent.
    pub biomedical_percent: u32,
}

impl Default for Mixture {
    fn default() -> Self {
        Self {
            weights: [30, 26, 16, 8, 9, 5, 6],
            biomedical_percent: 50,
        }
    }
}

/// The stream of training documents.
#[derive(Debug, Clone)]
pub struct Corpus {
    knowledge: Knowledge,
    mixture: Mixture,
    seed: u64,
}

impl Corpus {
    /// A stream over `knowledge`.
    ///
    /// # Errors
    ///
    /// Weights that sum to zero or overflow, or a percentage above 100.
    pub fn new(knowledge: Knowledge, mixture: Mixture, seed: u64) -> Result<Self, KnowledgeError> {
        let total: u64 = mixture.weights.iter().map(|&w| u64::from(w)).sum();
        if total == 0 || total > u64::from(u32::MAX) || mixture.biomedical_percent > 100 {
            return Err(KnowledgeError::Mixture {
                problem: format!(
                    "weights {:?} and biomedical {} %: weights must have a sum from 1 to 2^32 − 1, the percentage be at most 100",
                    mixture.weights, mixture.biomedical_percent
                ),
            });
        }
        Ok(Self {
            knowledge,
            mixture,
            seed,
        })
    }

    /// What the stream is made from.
    #[must_use]
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Document `index` of the stream.
    #[must_use]
    pub fn document(&self, index: u64) -> Document {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(index);
        let domain = if rng.random_range(0..100) < self.mixture.biomedical_percent {
            Domain::Biomedical
        } else {
            Domain::General
        };
        let kind = self.kind(&mut rng);
        self.document_of(domain, kind, &mut rng)
    }

    /// Documents from `first` on, without end.
    pub fn documents(&self, first: u64) -> impl Iterator<Item = Document> + '_ {
        (first..).map(|index| self.document(index))
    }

    fn kind(&self, rng: &mut ChaCha8Rng) -> Kind {
        let mut drawn = rng.random_range(0..self.mixture.weights.iter().sum::<u32>());
        for (kind, &weight) in Kind::ALL.into_iter().zip(&self.mixture.weights) {
            if drawn < weight {
                return kind;
            }
            drawn -= weight;
        }
        Kind::Statement
    }

    /// A document of one kind and domain.
    pub fn document_of(&self, domain: Domain, kind: Kind, rng: &mut ChaCha8Rng) -> Document {
        let body = match kind {
            Kind::Statement => documents::statements(&self.knowledge, domain, rng),
            Kind::Question => documents::question(&self.knowledge, domain, rng),
            Kind::Claim => documents::claim(&self.knowledge, domain, rng),
            Kind::Unknown => documents::unknown(&self.knowledge, domain, rng),
            Kind::PassageQuestion => documents::reading(&self.knowledge, domain, Ask::Stated, rng),
            Kind::PassageLeftOut => documents::reading(&self.knowledge, domain, Ask::LeftOut, rng),
            Kind::PassageSummary => documents::reading(&self.knowledge, domain, Ask::Summary, rng),
        };
        Document { domain, kind, body }
    }
}

#[cfg(test)]
mod tests;
