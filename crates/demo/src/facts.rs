//! What the demo models are taught: the facts in this crate's `knowledge`, compiled in.
//!
//! A relation is a table of facts (`<name>.tsv`) and the sentences that put them into words (`biomedical.toml`,
//! `general.toml`). Within a relation a subject has one answer. A quarter of the facts is never asked about in training
//! ([`Fact::statement_only`]): the models read them as statements and are evaluated on them as questions.

pub mod error;
pub mod invented;
pub mod passages;
mod relation_files;
pub mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

pub use error::KnowledgeError;
use invented::InventedKind;
use passages::Passages;

/// Which half of the knowledge a fact, document or task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Drugs, genes, germs, organs.
    Biomedical,
    /// Countries, books, elements, animals.
    General,
}

impl Domain {
    /// Both, in the order of files and reports.
    pub const ALL: [Domain; 2] = [Domain::Biomedical, Domain::General];

    /// `biomedical` or `general`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Domain::Biomedical => "biomedical",
            Domain::General => "general",
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One row of a relation's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What is asked about: `metformin`.
    pub subject: String,
    /// The one right answer: `type 2 diabetes`.
    pub answer: String,
    /// Answers of the relation that are also right for this subject, or arguable: never offered as wrong.
    pub not_wrong: Vec<String>,
    /// Training shows this fact in statements only, never in a question or claim.
    pub statement_only: bool,
}

/// Facts of one kind and the sentences that state and ask them.
#[derive(Debug, Clone)]
pub struct Relation {
    /// `drug_indication`.
    pub name: String,
    /// Domain of all its facts.
    pub domain: Domain,
    /// Sentences of training; the first also answers open questions. `{s}`: subject, `{o}`: answer.
    pub statements: Vec<String>,
    /// Sentence of evaluation only; ends with `{o}.`.
    pub held_out_statement: String,
    /// Questions of training.
    pub questions: Vec<String>,
    /// Question of evaluation only.
    pub held_out_question: String,
    /// Clause that claims a fact: `the drug {s} is used to treat {o}`.
    pub claim: String,
    /// How subjects that do not exist are named; none where an invented subject would make no sense.
    pub invented: Option<InventedKind>,
    /// Groups of answers too close to be offered as wrong for one another.
    pub alike: Vec<Vec<String>>,
    /// Answers that are right for too many subjects to be offered as wrong.
    pub never_wrong: Vec<String>,
    /// False where a subject has several right answers in truth, so that an open question has no single reference.
    pub open: bool,
    /// Rows of the table, in file order.
    pub facts: Vec<Fact>,
}

impl Relation {
    /// Answers that are wrong for `fact`, one per other fact of the relation, so that a random element is as frequent as
    /// it is among the right answers.
    #[must_use]
    pub fn wrong_answers(&self, fact: &Fact) -> Vec<&str> {
        let alike = |other: &str| {
            self.alike
                .iter()
                .any(|group| group.iter().any(|a| a == other) && group.contains(&fact.answer))
        };
        self.facts
            .iter()
            .map(|other| other.answer.as_str())
            .filter(|&other| {
                other != fact.answer
                    && !alike(other)
                    && !self.never_wrong.iter().any(|a| a == other)
                    && !fact.not_wrong.iter().any(|a| a == other)
            })
            .collect()
    }
}

/// Puts a fact into a sentence with the slots `{s}` and `{o}`.
#[must_use]
pub fn phrase(template: &str, subject: &str, answer: &str) -> String {
    template.replace("{s}", subject).replace("{o}", answer)
}

/// All that the demo text is made from.
#[derive(Debug, Clone)]
pub struct Knowledge {
    /// Biomedical relations first, each domain in file order.
    pub relations: Vec<Relation>,
    /// Made-up events to read and ask about.
    pub passages: Passages,
    /// Words of all subjects and answers, lower case: invented names avoid them.
    pub words: BTreeSet<String>,
}

impl Knowledge {
    /// Reads and checks the tables compiled into the program.
    ///
    /// # Errors
    ///
    /// A table or phrasing file that breaks a rule of its format; the message names file, line and rule.
    pub fn built_in() -> Result<Self, KnowledgeError> {
        let relations = relation_files::relations()?;
        let words = relations
            .iter()
            .flat_map(|r| &r.facts)
            .flat_map(|f| [&f.subject, &f.answer])
            .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
            .map(str::to_lowercase)
            .filter(|word| !word.is_empty())
            .collect();
        let indications: BTreeMap<&str, &str> = relations
            .iter()
            .filter(|r| r.name == "drug_indication")
            .flat_map(|r| &r.facts)
            .map(|f| (f.subject.as_str(), f.answer.as_str()))
            .collect();
        let passages = Passages::built_in(&indications)?;
        Ok(Self {
            relations,
            passages,
            words,
        })
    }

    /// Every fact of a domain with its relation, in file order.
    pub fn facts(&self, domain: Domain) -> impl Iterator<Item = (&Relation, &Fact)> {
        self.relations
            .iter()
            .filter(move |r| r.domain == domain)
            .flat_map(|r| r.facts.iter().map(move |f| (r, f)))
    }
}

/// Whether a text belongs to training or to evaluation where the two must not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// May occur in training text and calibration corpora.
    Training,
    /// Occurs in evaluation items only.
    Evaluation,
}

impl Split {
    /// One text in eight is kept for evaluation, chosen by its bytes alone.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if fnv1a(text).is_multiple_of(8) {
            Split::Evaluation
        } else {
            Split::Training
        }
    }
}

/// FNV-1a, 64 bit, with the `SplitMix64` finaliser so that low bits are usable: a choice by content that no library version
/// can change.
#[must_use]
pub fn fnv1a(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
