//! What is measured.

use std::error::Error;

use secateur_metrics::lexical::{Document, LEXICAL, Lexical, WordLists, combined, facts, sentence_support};

/// Scores of texts against their sources.
pub trait PairScorer {
    /// Name in tables.
    fn name(&self) -> String;

    /// Everything that decides its numbers besides the texts.
    fn identity(&self) -> String;

    /// The threshold that ships with it: texts that score lower count as unsupported.
    fn threshold(&self) -> Option<f64>;

    /// One score per (source, text), more for better support; `None` where it has none.
    ///
    /// # Errors
    /// Whatever stops the scorer.
    fn score(&mut self, pairs: &[(&str, &str)]) -> Result<Vec<Option<f64>>, Box<dyn Error>>;
}

/// A rule of `secateur_metrics::lexical`.
pub struct ByRule<'a> {
    rule: &'static dyn Lexical,
    lists: &'a WordLists,
}

/// All of them.
#[must_use]
pub fn lexical(lists: &WordLists) -> Vec<Box<dyn PairScorer + '_>> {
    let scorer = |rule: &&'static dyn Lexical| Box::new(ByRule { rule: *rule, lists }) as Box<dyn PairScorer>;
    LEXICAL.iter().map(scorer).collect()
}

impl PairScorer for ByRule<'_> {
    fn name(&self) -> String {
        self.rule.definition().name.to_owned()
    }

    fn identity(&self) -> String {
        format!("{} version {}", self.rule.definition().name, self.rule.version())
    }

    fn threshold(&self) -> Option<f64> {
        shipped(self.rule.definition().name)
    }

    fn score(&mut self, pairs: &[(&str, &str)]) -> Result<Vec<Option<f64>>, Box<dyn Error>> {
        let mut scores = Vec::with_capacity(pairs.len());
        for run in pairs.chunk_by(|a, b| a.0 == b.0) {
            let source = Document::new(run[0].0, self.lists);
            let read = |pair: &(&str, &str)| self.rule.read(&Document::new(pair.1, self.lists), &source);
            scores.extend(run.iter().map(|pair| read(pair).map(|reading| reading.score)));
        }
        Ok(scores)
    }
}

/// The threshold that ships with a lexical scorer.
#[must_use]
pub fn shipped(name: &str) -> Option<f64> {
    if name == combined::LEXICAL_SUPPORT.name {
        Some(combined::THRESHOLD)
    } else if name == sentence_support::LEXICAL_SENTENCES.name {
        Some(sentence_support::THRESHOLD)
    } else if name == facts::LEXICAL_FACTS.name {
        Some(facts::THRESHOLD)
    } else {
        None
    }
}
