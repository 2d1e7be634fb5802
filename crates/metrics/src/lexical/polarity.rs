//! Negation and polarity: does the text say `increased` where the source says `decreased`, or deny what the source affirms?
//!
//! A word of polarity lies on one of five axes ([`AXES`]) with a sign, which a negation at most [`SCOPE`] words before it turns. The
//! text's sentence is held against the source's sentence that shares most of its other content words, at least [`SAME_SUBJECT`] of
//! them. If that has the axis, the mention is supported where a sign agrees, and unsupported where only the opposite one is there. A
//! sentence without words of polarity in common with it counts as one mention if one of the two is negated: unsupported if only
//! one is. Words whose axis the other sentence has not say nothing and are not counted.

use std::collections::BTreeSet;
use std::ops::Range;

use super::document::{Document, Sentence};
use super::words::{NEGATIONS, Word};
use super::{Lexical, LexicalReading, mentions, share};
use crate::value::Definition;

/// Share of mentions of polarity that the source supports. Every mention counts.
pub const LEXICAL_POLARITY: Definition = share("lexical_polarity");

/// Words between a negation and what it negates, at most.
pub const SCOPE: usize = 3;
/// Share of a sentence's content words, those of polarity aside, that a source sentence must have to speak of the same thing.
pub const SAME_SUBJECT: f64 = 0.5;

/// Stems of one axis: its name, one sign, the other.
type Axis = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Axes of polarity. A stem fits every word that begins with it.
pub const AXES: &[Axis] = &[
    (
        "direction",
        &["increas", "higher", "rais", "rose", "rise", "rising", "elevat", "doubl"],
        &[
            "decreas", "lower", "reduc", "declin", "fell", "fall", "drop", "diminish", "halv",
        ],
    ),
    (
        "quality",
        &[
            "improv",
            "better",
            "benefi",
            "alleviat",
            "ameliorat",
            "reliev",
            "recover",
        ],
        &["worse", "deteriorat", "harm", "aggravat", "exacerbat", "impair"],
    ),
    (
        "effect",
        &["effective", "efficacious", "successful", "success", "safe", "useful"],
        &[
            "ineffective",
            "inefficacious",
            "unsuccessful",
            "fail",
            "unsafe",
            "useless",
        ],
    ),
    ("sign", &["positive"], &["negative"]),
    ("significance", &["significan"], &["insignifican", "nonsignifican"]),
];

/// A word of polarity in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolarWord {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Index into [`AXES`].
    pub axis: usize,
    /// The first of the axis's signs, negations taken into account.
    pub positive: bool,
}

/// What a sentence says of polarity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Polar {
    /// Its words of polarity.
    pub words: Vec<PolarWord>,
    /// Their stems: they say nothing about what the sentence speaks of.
    stems: BTreeSet<String>,
    /// Whether it holds an odd number of negations that turn no word of polarity.
    pub negated: bool,
    /// The first of these.
    negation: Option<Range<usize>>,
}

/// Looks at polarity.
pub struct PolarityAgreement;

impl Lexical for PolarityAgreement {
    fn definition(&self) -> Definition {
        LEXICAL_POLARITY
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let found = text
            .sentences()
            .iter()
            .flat_map(|sentence| compare(sentence, source.sentences()));
        mentions::reading(found)
    }
}

/// The mentions of a sentence that can be compared, and whether the source supports them.
#[must_use]
pub fn compare(sentence: &Sentence, source: &[Sentence]) -> Vec<(Range<usize>, bool)> {
    let Some(other) = counterpart(sentence, source) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for word in &sentence.polar.words {
        let signs: Vec<bool> = other
            .polar
            .words
            .iter()
            .filter(|w| w.axis == word.axis)
            .map(|w| w.positive)
            .collect();
        if !signs.is_empty() {
            found.push((word.range.clone(), signs.contains(&word.positive)));
        }
    }
    let (mine, theirs) = (&sentence.polar, &other.polar);
    if found.is_empty() && (mine.negated || theirs.negated) {
        let range = mine.negation.clone().unwrap_or_else(|| sentence.range.clone());
        found.push((range, mine.negated == theirs.negated));
    }
    found
}

/// The source's sentence that speaks most of the same thing.
fn counterpart<'a>(sentence: &Sentence, source: &'a [Sentence]) -> Option<&'a Sentence> {
    let wanted: BTreeSet<&String> = sentence.content.difference(&sentence.polar.stems).collect();
    if wanted.is_empty() {
        return None;
    }
    let shared = |other: &Sentence| wanted.iter().filter(|stem| other.content.contains(**stem)).count();
    let mut best: Option<(usize, &Sentence)> = None;
    for other in source {
        let count = shared(other);
        if best.is_none_or(|(most, _)| count > most) {
            best = Some((count, other));
        }
    }
    best.filter(|(count, _)| *count as f64 >= SAME_SUBJECT * wanted.len() as f64)
        .map(|(_, other)| other)
}

/// What the words of a sentence say of polarity.
pub(super) fn polar(words: &[Word]) -> Polar {
    let mut polar = Polar::default();
    let mut free: Vec<usize> = (0..words.len())
        .filter(|&at| NEGATIONS.contains(&words[at].lower.as_str()))
        .collect();
    for (at, word) in words.iter().enumerate() {
        let Some((axis, positive)) = axis(&word.lower) else {
            continue;
        };
        let scope = at.saturating_sub(SCOPE)..at;
        let turning: Vec<usize> = free
            .iter()
            .copied()
            .filter(|negation| scope.contains(negation))
            .collect();
        free.retain(|negation| !turning.contains(negation));
        polar.stems.insert(word.stem.clone());
        polar.words.push(PolarWord {
            range: word.start..word.end,
            axis,
            positive: positive ^ (turning.len() % 2 == 1),
        });
    }
    polar.negated = free.len() % 2 == 1;
    polar.negation = free.first().map(|&at| words[at].start..words[at].end);
    polar
}

fn axis(word: &str) -> Option<(usize, bool)> {
    let fits = |stems: &[&str]| stems.iter().any(|stem| word.starts_with(stem));
    AXES.iter().enumerate().find_map(|(index, (_, positive, negative))| {
        if fits(negative) {
            Some((index, false))
        } else {
            fits(positive).then_some((index, true))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexical::WordLists;

    #[track_caller]
    fn check(text: &str, source: &str, wanted: Option<f64>) {
        let lists = WordLists::default();
        let reading = PolarityAgreement.read(&Document::new(text, &lists), &Document::new(source, &lists));
        assert_eq!(reading.map(|reading| reading.score), wanted, "{text} | {source}");
    }

    #[test]
    fn signs_by_hand() {
        check(
            "Metformin increased blood glucose.",
            "Metformin decreased blood glucose in mice.",
            Some(0.0),
        );
        check(
            "Metformin lowered blood glucose.",
            "Metformin decreased blood glucose in mice.",
            Some(1.0),
        );
        check(
            "The drug did not improve survival.",
            "The drug improved survival.",
            Some(0.0),
        );
        check("The drug was not effective.", "The drug was ineffective.", Some(1.0));
        check(
            "The difference was not significant.",
            "The difference was significant.",
            Some(0.0),
        );
        check(
            "The test was positive.",
            "Cats sleep. The test was negative.",
            Some(0.0),
        );
    }

    #[test]
    fn plain_negation() {
        check(
            "Sinus infections are associated with neck pain.",
            "Sinus infections are not associated with neck pain.",
            Some(0.0),
        );
        check(
            "Sinus infections are not linked to neck pain.",
            "Sinus infections are not linked to any neck pain.",
            Some(1.0),
        );
        check("Cats sleep.", "Dogs bark.", None);
        check("Cats sleep a lot.", "Cats sleep.", None);
    }

    #[test]
    fn what_the_source_does_not_speak_of_is_no_mention() {
        check(
            "Aspirin increased bleeding.",
            "Paris lies on the Seine and is not small.",
            None,
        );
        check("Aspirin increased bleeding.", "Aspirin caused bleeding.", None);
    }
}
