//! Texts with labels.

use std::collections::{BTreeMap, BTreeSet};

use secateur_datasets::source::{SourceFile, sha256_hex};

/// Who labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelledBy {
    /// People read the texts and judged.
    People,
    /// Language models judged.
    Models,
    /// Nobody judged: right and wrong texts were made on purpose.
    Construction,
    /// Facts that the makers of the texts know exactly.
    Facts,
}

impl LabelledBy {
    /// For a table.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Models => "language models",
            Self::Construction => "construction",
            Self::Facts => "known facts",
        }
    }
}

/// Half of a set: thresholds come from one, figures from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Thresholds and rules are chosen here.
    Choice,
    /// Figures are reported here.
    Report,
}

/// One labelled text.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What it shares with others: items of one document are drawn together.
    pub document: String,
    /// Confounding group (the system that wrote it), taken out of partial correlations.
    pub group: Option<String>,
    /// Which half it belongs to.
    pub half: Half,
    /// Source and text, where both are at hand.
    pub texts: Option<(String, String)>,
    /// How far the source supports the text; more is better.
    pub label: f64,
    /// Whether it counts as supported.
    pub supported: bool,
}

impl Item {
    /// An item with a label of yes or no, in the half for choices until [`Labelled::halve`] says otherwise.
    #[must_use]
    pub fn new(document: &str, texts: Option<(&str, &str)>, supported: bool) -> Self {
        Self {
            document: document.to_owned(),
            group: None,
            half: Half::Choice,
            texts: texts.map(|(source, text)| (source.to_owned(), text.to_owned())),
            label: f64::from(u8::from(supported)),
            supported,
        }
    }
}

/// Scores that the set's files hold: published metrics, single annotators.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Who scored.
    pub name: String,
    /// One per item; `None` where there is none.
    pub scores: Vec<Option<f64>>,
}

/// A labelled set.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// Name, unique among sets.
    pub name: String,
    /// What source, text and label are, in a sentence.
    pub about: String,
    /// Who labelled.
    pub by: LabelledBy,
    /// The items, in file order.
    pub items: Vec<Item>,
    /// Scores at hand.
    pub given: Vec<Given>,
    /// Files read.
    pub files: Vec<SourceFile>,
    /// What cannot be measured and why, what was left out.
    pub notes: Vec<String>,
}

impl Labelled {
    /// Whether there are texts to score.
    #[must_use]
    pub fn has_texts(&self) -> bool {
        self.items.iter().any(|item| item.texts.is_some())
    }

    /// Puts every second document, in the order of the SHA-256 of their names, into the half that is reported.
    pub fn halve(&mut self) {
        let names = self.items.iter().map(|item| item.document.as_str());
        let hashed: BTreeMap<String, String> = names
            .map(|name| (sha256_hex(name.as_bytes()), name.to_owned()))
            .collect();
        let reported: BTreeSet<String> = hashed.into_values().skip(1).step_by(2).collect();
        for item in &mut self.items {
            let reported = reported.contains(&item.document);
            item.half = if reported { Half::Report } else { Half::Choice };
        }
    }

    /// Documents.
    #[must_use]
    pub fn documents(&self) -> usize {
        let names: BTreeSet<&str> = self.items.iter().map(|item| item.document.as_str()).collect();
        names.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_halves_of_documents() {
        let items = (0..90).map(|i| Item::new(&(i / 3).to_string(), None, true)).collect();
        let mut set = Labelled {
            name: String::new(),
            about: String::new(),
            by: LabelledBy::People,
            items,
            given: Vec::new(),
            files: Vec::new(),
            notes: Vec::new(),
        };
        set.halve();
        assert_eq!(set.items.iter().filter(|item| item.half == Half::Report).count(), 45);
        assert!(
            set.items
                .chunks(3)
                .all(|document| document.iter().all(|item| item.half == document[0].half))
        );
    }
}
