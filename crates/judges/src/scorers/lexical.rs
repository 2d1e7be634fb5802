//! Lexical scorers (`secateur_metrics::lexical`) as scorers of a text against its source: no model, no download, the same on every
//! machine.
//!
//! Parts are sentences with their scores, where the rule has them. What the numbers are worth stands in `results/scorers.md`.

use std::collections::BTreeSet;
use std::path::Path;

use secateur_metrics::lexical::{Document, LEXICAL, Lexical, LexicalReading, WordLists, lexical, parse_list};
use secateur_metrics::value::Definition;
use sha2::{Digest, Sha256};

use crate::error::JudgeError;
use crate::scorer::{Pair, Part, Reading, TextScorer};

/// Largest word list, in bytes.
const LARGEST: u64 = 256 << 20;

/// A lexical rule with its word lists.
pub struct LexicalScorer {
    rule: &'static dyn Lexical,
    lists: WordLists,
}

impl LexicalScorer {
    /// The scorer whose metric is called `name`, see [`LEXICAL`].
    ///
    /// # Errors
    /// If there is none.
    pub fn new(name: &str, lists: WordLists) -> Result<Self, JudgeError> {
        let rule = lexical(name).ok_or_else(|| {
            let known: Vec<&str> = LEXICAL.iter().map(|rule| rule.definition().name).collect();
            JudgeError::Unsuitable {
                judge: name.to_owned(),
                found: "no lexical scorer of that name".into(),
                expected: known.join(", "),
            }
        })?;
        Ok(Self { rule, lists })
    }

    /// What it says of one pair, with places in the text.
    #[must_use]
    pub fn read(&self, pair: Pair<'_>) -> Option<LexicalReading> {
        self.rule.read(
            &Document::new(pair.text, &self.lists),
            &Document::new(pair.source, &self.lists),
        )
    }
}

/// Word lists from files, one term a line; `None` for a list that is not used.
///
/// # Errors
/// If a file cannot be read, is larger than 256 MiB, or holds something else than terms.
pub fn word_lists(names: Option<&Path>, drugs: Option<&Path>, genes: Option<&Path>) -> Result<WordLists, JudgeError> {
    let list = |path: Option<&Path>| path.map_or_else(|| Ok(BTreeSet::new()), word_list);
    Ok(WordLists {
        names: list(names)?,
        drugs: list(drugs)?,
        genes: list(genes)?,
    })
}

fn word_list(path: &Path) -> Result<BTreeSet<String>, JudgeError> {
    let complain = |found: String| JudgeError::Unsuitable {
        judge: format!("word list {}", path.display()),
        found,
        expected: "a text file of at most 256 MiB with one term a line".into(),
    };
    let size = std::fs::metadata(path)
        .map_err(|error| complain(error.to_string()))?
        .len();
    if size > LARGEST {
        return Err(complain(format!("{size} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| complain(error.to_string()))?;
    parse_list(&text).map_err(|error| complain(error.to_string()))
}

impl TextScorer for LexicalScorer {
    fn definition(&self) -> Definition {
        self.rule.definition()
    }

    fn identity(&self) -> String {
        let definition = self.rule.definition();
        let mut hash = Sha256::new();
        let lists = [&self.lists.names, &self.lists.drugs, &self.lists.genes];
        for (at, list) in lists.iter().enumerate() {
            for term in *list {
                hash.update([at as u8]);
                hash.update(term.as_bytes());
                hash.update([b'\n']);
            }
        }
        let lists = if lists.iter().all(|list| list.is_empty()) {
            "no word lists".to_owned()
        } else {
            format!("word lists {:x}", hash.finalize())
        };
        format!("{} version {}, {lists}", definition.name, self.rule.version())
    }

    fn score(
        &mut self,
        pairs: &[Pair<'_>],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Option<Reading>>, JudgeError> {
        let mut readings = Vec::with_capacity(pairs.len());
        for run in pairs.chunk_by(|a, b| a.source == b.source) {
            let source = Document::new(run[0].source, &self.lists);
            for pair in run {
                let found = self.rule.read(&Document::new(pair.text, &self.lists), &source);
                readings.push(found.map(|found| reading(pair.text, &found)));
                progress(1);
            }
        }
        Ok(readings)
    }
}

fn reading(text: &str, found: &LexicalReading) -> Reading {
    let part = |(range, score): &(std::ops::Range<usize>, f64)| Part {
        text: text[range.clone()].to_owned(),
        score: *score,
    };
    Reading {
        score: found.score,
        parts: found.parts.iter().map(part).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parts_are_sentences_and_batches_do_not_matter() {
        let source = "The trial had 30 patients. Pain decreased.";
        let pair = |text| Pair { source, text };
        let pairs = [
            pair("The trial had 30 patients. Pain increased."),
            pair(""),
            pair("Nothing else."),
        ];
        for rule in LEXICAL {
            let mut scorer = LexicalScorer::new(rule.definition().name, WordLists::default()).unwrap();
            let together = scorer.score(&pairs, &mut |_| {}).unwrap();
            for (one, pair) in together.iter().zip(pairs) {
                assert_eq!(scorer.score(&[pair], &mut |_| {}).unwrap()[0], *one);
            }
            assert!(together[1].is_none() && !scorer.identity().is_empty());
        }
        let mut scorer = LexicalScorer::new("lexical_support", WordLists::default()).unwrap();
        let found = scorer.score(&pairs[..1], &mut |_| {}).unwrap().remove(0).unwrap();
        assert_eq!(found.parts[1].text, "Pain increased.");
        assert!(found.parts[1].score < found.parts[0].score);
    }

    #[test]
    fn unknown_names_and_bad_lists_are_refused() {
        let message = LexicalScorer::new("guess", WordLists::default())
            .err()
            .unwrap()
            .to_string();
        assert!(message.contains("lexical_support"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("drugs.txt");
        std::fs::write(&path, "a\tb\n").unwrap();
        assert!(
            word_lists(None, Some(&path), None)
                .unwrap_err()
                .to_string()
                .contains("line 1")
        );
        std::fs::write(&path, "Aspirin\n").unwrap();
        let lists = word_lists(None, Some(&path), None).unwrap();
        let with = LexicalScorer::new("lexical_drugs", lists).unwrap();
        assert!(with.identity().contains("word lists"));
        let reading = with.read(Pair {
            source: "nothing",
            text: "Aspirin helps",
        });
        assert_eq!(reading.unwrap().unsupported.first(), Some(&(0..7)));
    }
}
