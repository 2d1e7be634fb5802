//! Words with their places, and the lists that lexical scorers and statements share.

use crate::porter;
use crate::text::{self, Pattern};

/// Words without content of their own. Words of negation are among them: they are looked at apart.
pub(crate) const FUNCTION_WORDS: &[&str] = &[
    "a",
    "about",
    "also",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "been",
    "being",
    "by",
    "can",
    "could",
    "did",
    "do",
    "does",
    "due",
    "for",
    "from",
    "had",
    "has",
    "have",
    "he",
    "her",
    "his",
    "how",
    "if",
    "in",
    "include",
    "includes",
    "including",
    "into",
    "is",
    "it",
    "its",
    "may",
    "might",
    "more",
    "most",
    "no",
    "nor",
    "not",
    "of",
    "on",
    "only",
    "or",
    "other",
    "our",
    "over",
    "s",
    "shall",
    "she",
    "should",
    "some",
    "such",
    "t",
    "than",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "to",
    "use",
    "used",
    "very",
    "was",
    "we",
    "were",
    "what",
    "when",
    "which",
    "who",
    "will",
    "with",
    "would",
    "you",
    "your",
];

/// Words that turn a sentence into its opposite.
pub(crate) const NEGATIONS: &[&str] = &[
    "no",
    "not",
    "never",
    "none",
    "nor",
    "neither",
    "cannot",
    "without",
    "isn",
    "aren",
    "wasn",
    "weren",
    "don",
    "doesn",
    "didn",
    "won",
    "wouldn",
    "shouldn",
    "couldn",
    "hasn",
    "haven",
    "avoid",
    "avoided",
    "contraindicated",
    "unsafe",
];

static WORD: Pattern = Pattern::new(|| text::pattern(r"[\p{L}\p{N}]+"));

/// A run of letters and digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// In lower case.
    pub lower: String,
    /// Porter's stem where the word is ASCII, else the word.
    pub stem: String,
    /// Byte at which it begins.
    pub start: usize,
    /// Byte after its last.
    pub end: usize,
}

impl Word {
    /// Whether it means something by itself.
    #[must_use]
    pub fn has_content(&self) -> bool {
        !FUNCTION_WORDS.contains(&self.lower.as_str()) && !NEGATIONS.contains(&self.lower.as_str())
    }
}

/// The words of a text, in order.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let found = WORD.find_iter(text).map(|found| {
        let lower = found.as_str().to_lowercase();
        let stem = if lower.is_ascii() {
            porter::stem(&lower)
        } else {
            lower.clone()
        };
        Word {
            lower,
            stem,
            start: found.start(),
            end: found.end(),
        }
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_places_and_stems() {
        let found = words("The Größe of 5 tumours");
        let read: Vec<_> = found
            .iter()
            .map(|w| (w.stem.as_str(), w.start, w.has_content()))
            .collect();
        assert_eq!(
            read,
            [
                ("the", 0, false),
                ("größe", 4, true),
                ("of", 12, false),
                ("5", 15, true),
                ("tumour", 17, true)
            ]
        );
    }
}
