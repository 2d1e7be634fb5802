//! Deterministic scorers of a text against its source: what does the text say that the source does not?
//!
//! Each is one file and one line in [`LEXICAL`]. None needs a model, a dictionary or a network; each looks for one kind of thing by
//! rule and gives the share of them that the source supports, with the places of the others. What the numbers are worth against
//! people's judgement stands in `results/scorers.md`, and nowhere else.

pub mod lists;
pub mod words;
pub mod sentences;
pub mod document;
mod mentions;
pub mod names;
pub mod quantities;
pub mod dates;
pub mod drugs;
pub mod genes;
pub mod polarity;
pub mod ngrams;
pub mod fragments;
pub mod sentence_support;
pub mod facts;
pub mod combined;

pub use document::Document;
pub use lists::{ListError, WordLists, parse_list};

use std::ops::Range;

use crate::value::{Aspect, Definition, Direction};

/// What a lexical scorer says of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct LexicalReading {
    /// Its score. Always finite.
    pub score: f64,
    /// What it looked at: mentions, words or sentences.
    pub looked_at: usize,
    /// What the source does not support, in order.
    pub unsupported: Vec<Range<usize>>,
    /// Sentences with their own scores; empty for scorers that look at mentions.
    pub parts: Vec<(Range<usize>, f64)>,
}

/// A rule that compares a text with its source. Equal texts give equal readings.
///
/// ```
/// use secateur_metrics::lexical::{Document, WordLists, lexical};
///
/// let lists = WordLists::default();
/// let source = Document::new("The patient was given 40 mg of furosemide.", &lists);
/// let text = Document::new("The patient was given 80 mg of furosemide.", &lists);
/// let quantities = lexical("lexical_quantities").expect("it is in the registry");
/// let reading = quantities.read(&text, &source).expect("the text names a quantity");
/// assert_eq!((reading.score, reading.looked_at, reading.unsupported.len()), (0.0, 1, 1));
/// ```
pub trait Lexical: Sync {
    /// Name, unit and direction.
    fn definition(&self) -> Definition;

    /// Raised whenever a text's score may change.
    fn version(&self) -> u32 {
        1
    }

    /// What it says of `text`; `None` where that has nothing of the kind it looks for.
    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading>;
}

/// Every lexical scorer, in the order of reports.
pub const LEXICAL: &[&dyn Lexical] = &[
    &combined::Combined,
    &sentence_support::SentenceSupport,
    &facts::LookedUp,
    &names::Names,
    &quantities::Quantities,
    &dates::Dates,
    &polarity::PolarityAgreement,
    &drugs::Drugs,
    &genes::Genes,
    &ngrams::Words,
    &ngrams::Bigrams,
    &fragments::Coverage,
    &fragments::Density,
];

/// The lexical scorer whose metric has this name.
#[must_use]
pub fn lexical(name: &str) -> Option<&'static dyn Lexical> {
    LEXICAL.iter().find(|scorer| scorer.definition().name == name).copied()
}

/// Share of something that the source supports.
const fn share(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Reliability)
}

/// The mean of the parts' scores; `None` without parts.
fn mean_of_parts(parts: &[(Range<usize>, f64)]) -> Option<f64> {
    (!parts.is_empty()).then(|| parts.iter().map(|part| part.1).sum::<f64>() / parts.len() as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str =
        "On 3 March 2020, 12 patients in Lyon took atorvastatin 20 mg for TP53 mutations. Pain did not increase.";

    #[test]
    fn a_text_supports_itself_and_empty_texts_have_no_score() {
        let lists = WordLists::default();
        for scorer in LEXICAL {
            let document = || Document::new(TEXT, &lists);
            let name = scorer.definition().name;
            let reading = scorer.read(&document(), &document()).unwrap();
            assert!(reading.unsupported.is_empty(), "{name}: {:?}", reading.unsupported);
            if scorer.definition().unit == "fraction" {
                assert!((reading.score - 1.0).abs() < 1e-12, "{name}: {}", reading.score);
            }
            let nothing = Document::new(" \n", &lists);
            assert_eq!(scorer.read(&nothing, &document()), None, "{name}");
            let empty = scorer.read(&document(), &nothing);
            assert!(empty.is_none_or(|reading| reading.score.abs() < 1e-12), "{name}");
        }
    }

    #[test]
    fn any_text_can_be_read() {
        let lists = WordLists::default();
        let odd = [
            "\u{0}",
            "µ−1−·–½",
            "١٢٣ p<",
            "....",
            "<<<>>> 1e309 mg 0/0 %",
            "ẞ’s 3-",
            "12/13/14/15",
            "²",
            "p = ",
            "1–",
        ];
        for scorer in LEXICAL {
            for text in odd {
                for source in odd {
                    let reading = scorer.read(&Document::new(text, &lists), &Document::new(source, &lists));
                    assert!(reading.is_none_or(|reading| reading.score.is_finite()));
                }
            }
        }
    }

    #[test]
    fn names_are_unique() {
        for (i, scorer) in LEXICAL.iter().enumerate() {
            let name = scorer.definition().name;
            assert!(LEXICAL[..i].iter().all(|other| other.definition().name != name));
            assert!(lexical(name).is_some());
        }
        assert!(lexical("guess").is_none());
    }
}
