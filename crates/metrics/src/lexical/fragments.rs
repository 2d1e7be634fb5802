//! Coverage and density of the fragments that a text copies from its source.
//!
//! Source: Grusky et al. 2018, Newsroom (<https://arxiv.org/abs/1804.11283>), section 4. Fragments are found from left to right: at
//! each word the longest run that also stands in the source. With `F` the fragments and `|S|` the text's words:
//!
//! ```text
//! coverage = 1/|S| · Σ_{f ∈ F} |f|        density = 1/|S| · Σ_{f ∈ F} |f|²
//! ```

use std::collections::BTreeMap;

use super::document::Document;
use super::words::Word;
use super::{Lexical, LexicalReading, share};
use crate::value::{Aspect, Definition, Direction};

/// Share of the text's words that belong to a fragment of the source.
pub const LEXICAL_COVERAGE: Definition = share("lexical_coverage");
/// Mean length of the fragment that a word of the text belongs to.
pub const LEXICAL_DENSITY: Definition = Definition::new(
    "lexical_density",
    "words",
    Direction::HigherIsBetter,
    Aspect::Diagnostic,
);

/// Looks at how much is copied.
pub struct Coverage;

/// Looks at how long what is copied is.
pub struct Density;

impl Lexical for Coverage {
    fn definition(&self) -> Definition {
        LEXICAL_COVERAGE
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        reading(text, source, |length| length)
    }
}

impl Lexical for Density {
    fn definition(&self) -> Definition {
        LEXICAL_DENSITY
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        reading(text, source, |length| length * length)
    }
}

fn reading(text: &Document<'_>, source: &Document<'_>, weight: impl Fn(usize) -> usize) -> Option<LexicalReading> {
    let words = text.words();
    if words.is_empty() {
        return None;
    }
    let fragments = fragments(words, source.words());
    let sum: usize = fragments.iter().map(|&(_, length)| weight(length)).sum();
    let mut covered = vec![false; words.len()];
    for &(at, length) in &fragments {
        covered[at..at + length].fill(true);
    }
    let outside = words.iter().zip(&covered).filter(|(_, covered)| !**covered);
    Some(LexicalReading {
        score: sum as f64 / words.len() as f64,
        looked_at: words.len(),
        unsupported: outside.map(|(word, _)| word.start..word.end).collect(),
        parts: Vec::new(),
    })
}

/// (first word, words) of every fragment, from left to right.
fn fragments(text: &[Word], source: &[Word]) -> Vec<(usize, usize)> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, word) in source.iter().enumerate() {
        places.entry(&word.lower).or_default().push(at);
    }
    let run = |at: usize, from: usize| {
        let pairs = text[at..].iter().zip(&source[from..]);
        pairs.take_while(|(mine, theirs)| mine.lower == theirs.lower).count()
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = text.get(at) {
        let starts = places.get(word.lower.as_str()).into_iter().flatten();
        let longest = starts.map(|&from| run(at, from)).max().unwrap_or(0);
        if longest > 0 {
            found.push((at, longest));
        }
        at += longest.max(1);
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lexical::WordLists;

    #[test]
    fn by_hand() {
        let lists = WordLists::default();
        let text = Document::new("the big cat sat on a mat", &lists);
        let source = Document::new("A cat sat on the mat. The big dog", &lists);
        // the big | cat sat on | a | mat: 7 of 7; 4 + 9 + 1 + 1.
        assert!((Coverage.read(&text, &source).unwrap().score - 1.0).abs() < 1e-15);
        assert!((Density.read(&text, &source).unwrap().score - 15.0 / 7.0).abs() < 1e-15);
        let other = Coverage.read(&text, &Document::new("a dog", &lists)).unwrap();
        assert!((other.score - 1.0 / 7.0).abs() < 1e-15);
        assert_eq!(other.unsupported.len(), 6);
    }
}
