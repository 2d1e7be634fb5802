//! Novelty: how much of each sentence stands in the source, word by word and in pairs of neighbours.
//!
//! Source: the share of novel n-grams as in Narayan et al. 2018 (<https://arxiv.org/abs/1808.08745>), turned round; there of the
//! whole summary and all words, here of a sentence and averaged over sentences, words without content left out of single ones.

use std::collections::BTreeSet;
use std::ops::Range;

use super::document::{Document, Sentence};
use super::{Lexical, LexicalReading, share};
use crate::value::Definition;

/// Share of a sentence's words with content that the source has, averaged over sentences.
pub const LEXICAL_WORDS: Definition = share("lexical_words");
/// Share of a sentence's neighbouring words that are neighbours in the source, averaged over sentences.
pub const LEXICAL_BIGRAMS: Definition = share("lexical_bigrams");

/// Looks at words with content.
pub struct Words;

/// Looks at neighbouring words.
pub struct Bigrams;

impl Lexical for Words {
    fn definition(&self) -> Definition {
        LEXICAL_WORDS
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let known: BTreeSet<&str> = source.words().iter().map(|word| word.stem.as_str()).collect();
        over_sentences(text, |sentence| {
            let content = sentence.words.iter().filter(|word| word.has_content());
            content
                .map(|word| (word.start..word.end, known.contains(word.stem.as_str())))
                .collect()
        })
    }
}

impl Lexical for Bigrams {
    fn definition(&self) -> Definition {
        LEXICAL_BIGRAMS
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let pairs = source.words().windows(2);
        let known: BTreeSet<(&str, &str)> = pairs
            .map(|pair| (pair[0].stem.as_str(), pair[1].stem.as_str()))
            .collect();
        over_sentences(text, |sentence| {
            let pairs = sentence.words.windows(2);
            let range = |pair: &[super::words::Word]| pair[0].start..pair[1].end;
            pairs
                .map(|pair| {
                    (
                        range(pair),
                        known.contains(&(pair[0].stem.as_str(), pair[1].stem.as_str())),
                    )
                })
                .collect()
        })
    }
}

/// The mean over sentences of the share of supported pieces.
fn over_sentences(
    text: &Document<'_>,
    pieces: impl Fn(&Sentence) -> Vec<(Range<usize>, bool)>,
) -> Option<LexicalReading> {
    let (mut parts, mut unsupported, mut looked_at) = (Vec::new(), Vec::new(), 0);
    for sentence in text.sentences() {
        let pieces = pieces(sentence);
        if pieces.is_empty() {
            continue;
        }
        let supported = pieces.iter().filter(|piece| piece.1).count();
        parts.push((sentence.range.clone(), supported as f64 / pieces.len() as f64));
        looked_at += pieces.len();
        unsupported.extend(pieces.into_iter().filter(|piece| !piece.1).map(|piece| piece.0));
    }
    super::mean_of_parts(&parts).map(|score| LexicalReading {
        score,
        looked_at,
        unsupported,
        parts,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lexical::WordLists;

    #[test]
    fn by_hand() {
        let lists = WordLists::default();
        let text = Document::new("The cats slept well. Dogs bark.", &lists);
        let source = Document::new("A cat slept; the dog barks.", &lists);
        // cat, slept of cat, slept, well; both of the second sentence.
        let words = Words.read(&text, &source).unwrap();
        assert!((words.score - f64::midpoint(2.0 / 3.0, 1.0)).abs() < 1e-15);
        assert_eq!((words.looked_at, words.parts.len(), words.unsupported.len()), (5, 2, 1));
        // "cat slept" of three pairs; "dog bark".
        let pairs = Bigrams.read(&text, &source).unwrap();
        assert!((pairs.score - f64::midpoint(1.0 / 3.0, 1.0)).abs() < 1e-15);
    }
}
