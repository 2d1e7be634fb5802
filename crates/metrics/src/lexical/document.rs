//! A text with all that lexical scorers look for in it, found once.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;

use super::lists::WordLists;
use super::polarity::{Polar, polar};
use super::quantities::{Quantity, quantities};
use super::sentences::sentences;
use super::words::{Word, words};
use super::{dates, drugs, genes};
use crate::support::entities::{self, Entity, Known};

/// A sentence of a [`Document`].
#[derive(Debug, Clone)]
pub struct Sentence {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Its words.
    pub words: Vec<Word>,
    /// Stems of its words with content.
    pub content: BTreeSet<String>,
    /// Its words of polarity, and whether it is negated.
    pub polar: Polar,
}

/// A text, and what is in it.
pub struct Document<'a> {
    /// The text.
    pub text: &'a str,
    /// Terms that count as names, drugs or genes whatever they look like.
    pub lists: &'a WordLists,
    sentences: OnceCell<Vec<Sentence>>,
    words: OnceCell<Vec<Word>>,
    known: OnceCell<Known>,
    names: OnceCell<Vec<Entity>>,
    quantities: OnceCell<Vec<Quantity>>,
    dates: OnceCell<Vec<dates::Date>>,
    drugs: OnceCell<Vec<Range<usize>>>,
    genes: OnceCell<Vec<Range<usize>>>,
}

impl<'a> Document<'a> {
    /// A text.
    #[must_use]
    pub fn new(text: &'a str, lists: &'a WordLists) -> Self {
        Self {
            text,
            lists,
            sentences: OnceCell::new(),
            words: OnceCell::new(),
            known: OnceCell::new(),
            names: OnceCell::new(),
            quantities: OnceCell::new(),
            dates: OnceCell::new(),
            drugs: OnceCell::new(),
            genes: OnceCell::new(),
        }
    }

    /// Its sentences.
    pub fn sentences(&self) -> &[Sentence] {
        self.sentences.get_or_init(|| {
            sentences(self.text)
                .into_iter()
                .map(|range| self.sentence(range))
                .collect()
        })
    }

    fn sentence(&self, range: Range<usize>) -> Sentence {
        let inside = |word: &&Word| range.start <= word.start && word.end <= range.end;
        let words: Vec<Word> = self.words().iter().filter(inside).cloned().collect();
        let content = words
            .iter()
            .filter(|word| word.has_content())
            .map(|word| word.stem.clone())
            .collect();
        let polar = polar(&words);
        Sentence {
            range,
            words,
            content,
            polar,
        }
    }

    /// Its words.
    pub fn words(&self) -> &[Word] {
        self.words.get_or_init(|| words(self.text))
    }

    /// Itself, to look names up in.
    pub fn known(&self) -> &Known {
        self.known.get_or_init(|| Known::new(&[self.text]))
    }

    /// Its names.
    pub fn names(&self) -> &[Entity] {
        self.names.get_or_init(|| {
            let terms: Vec<&str> = self.lists.names.iter().map(String::as_str).collect();
            entities::extract(self.text, &terms)
        })
    }

    /// Its numbers with units.
    pub fn quantities(&self) -> &[Quantity] {
        self.quantities.get_or_init(|| quantities(self.text))
    }

    /// Its dates.
    pub fn dates(&self) -> &[dates::Date] {
        self.dates.get_or_init(|| dates::dates(self.text))
    }

    /// Its drugs.
    pub fn drugs(&self) -> &[Range<usize>] {
        self.drugs
            .get_or_init(|| drugs::drugs(self.words(), self.text, &self.lists.drugs))
    }

    /// Its genes and proteins.
    pub fn genes(&self) -> &[Range<usize>] {
        self.genes.get_or_init(|| genes::genes(self.text, &self.lists.genes))
    }
}
