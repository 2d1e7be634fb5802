//! Drugs: words that end in a stem which the WHO reserves for drug names (see [`crate::support::entities::DRUG_STEMS`]), and terms
//! of a list, whatever they look like.

use std::collections::BTreeSet;
use std::ops::Range;

use super::document::Document;
use super::words::Word;
use super::{Lexical, LexicalReading, mentions, share};
use crate::support::entities::is_drug;
use crate::value::Definition;

/// Share of drugs that the source has. Every mention counts.
pub const LEXICAL_DRUGS: Definition = share("lexical_drugs");

/// Most words of a term.
const LONGEST: usize = 6;

/// Looks at drugs.
pub struct Drugs;

impl Lexical for Drugs {
    fn definition(&self) -> Definition {
        LEXICAL_DRUGS
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let known = source.known();
        let found = text.drugs().iter();
        mentions::reading(found.map(|range| (range.clone(), known.has(&text.text[range.clone()]))))
    }
}

/// The drugs of a text, in order; a term of the list hides the shorter ones in it.
pub(super) fn drugs(words: &[Word], text: &str, terms: &BTreeSet<String>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let listed = (!terms.is_empty())
            .then(|| longest_term(&words[at..], text, terms))
            .flatten();
        let used = listed.unwrap_or(usize::from(is_drug(&word.lower)));
        if used > 0 {
            found.push(word.start..words[at + used - 1].end);
        }
        at += used.max(1);
    }
    found
}

/// Words of the longest term that the words begin with.
fn longest_term(words: &[Word], text: &str, terms: &BTreeSet<String>) -> Option<usize> {
    let from = words.first()?.start;
    (1..=words.len().min(LONGEST)).rev().find(|&count| {
        let written = &text[from..words[count - 1].end];
        terms.contains(&written.to_lowercase())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lexical::WordLists;

    #[test]
    fn stems_and_terms() {
        let lists = WordLists {
            drugs: ["aspirin".to_owned(), "folic acid".to_owned()].into(),
            ..WordLists::default()
        };
        let text = "Rituximab, Folic Acid and aspirin against cholesterol; a cat";
        let source = Document::new("folic acid, rituximab", &lists);
        let reading = Drugs.read(&Document::new(text, &lists), &source).unwrap();
        assert_eq!(
            (reading.looked_at, &text[reading.unsupported[0].clone()]),
            (3, "aspirin")
        );
        let bare = WordLists::default();
        let reading = Drugs.read(&Document::new(text, &bare), &source).unwrap();
        assert_eq!((reading.looked_at, reading.unsupported.len()), (1, 0));
        assert_eq!(Drugs.read(&Document::new("a cat", &bare), &source), None);
    }
}
