//! Support sentence by sentence: the source's sentence that holds most of the content words, and whether it contradicts.
//!
//! As `stated` and `contradicted` of [`crate::statements`], for any text: a sentence's score is the share of its content words in the
//! best-matching sentence of the source, halved if that one has another number of the same unit (and the source nowhere the right
//! one) or the opposite polarity.

use std::ops::Range;

use super::document::{Document, Sentence};
use super::{Lexical, LexicalReading, polarity, share};
use crate::value::Definition;

/// Support of sentences by their best match in the source, averaged over sentences.
pub const LEXICAL_SENTENCES: Definition = share("lexical_sentences");

/// Score below which a sentence counts as unsupported.
pub const THRESHOLD: f64 = 0.5;

/// What is left of a sentence's score where its match says otherwise.
pub const CONFLICT: f64 = 0.5;

/// The scorer.
pub struct SentenceSupport;

impl Lexical for SentenceSupport {
    fn definition(&self) -> Definition {
        LEXICAL_SENTENCES
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let with_content = text.sentences().iter().filter(|sentence| !sentence.content.is_empty());
        let parts: Vec<(Range<usize>, f64)> = with_content
            .map(|sentence| (sentence.range.clone(), support(sentence, text, source)))
            .collect();
        Some(LexicalReading {
            score: super::mean_of_parts(&parts)?,
            looked_at: parts.len(),
            unsupported: parts
                .iter()
                .filter(|part| part.1 < THRESHOLD)
                .map(|part| part.0.clone())
                .collect(),
            parts,
        })
    }
}

fn support(sentence: &Sentence, text: &Document<'_>, source: &Document<'_>) -> f64 {
    let mut best: Option<(usize, &Sentence)> = None;
    for other in source.sentences() {
        let shared = sentence.content.intersection(&other.content).count();
        if best.is_none_or(|(most, _)| shared > most) {
            best = Some((shared, other));
        }
    }
    let Some((shared, other)) = best else {
        return 0.0;
    };
    let share = shared as f64 / sentence.content.len() as f64;
    if other_number(sentence, other, text, source) || contradicts(sentence, source) {
        return CONFLICT * share;
    }
    share
}

fn contradicts(sentence: &Sentence, source: &Document<'_>) -> bool {
    polarity::compare(sentence, source.sentences())
        .iter()
        .any(|mention| !mention.1)
}

/// A number that the source has nowhere meets another one of its unit in the matching sentence.
fn other_number(sentence: &Sentence, other: &Sentence, text: &Document<'_>, source: &Document<'_>) -> bool {
    let within = |range: &Range<usize>, place: &Range<usize>| place.start <= range.start && range.start < place.end;
    let mine = text
        .quantities()
        .iter()
        .filter(|quantity| within(&quantity.range, &sentence.range));
    mine.into_iter().any(|quantity| {
        let known = source.quantities();
        !known.iter().any(|there| quantity.agrees(there))
            && known
                .iter()
                .any(|there| within(&there.range, &other.range) && quantity.rivals(there))
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
        let score = |text: &str, source: &str| {
            let reading = SentenceSupport
                .read(&Document::new(text, &lists), &Document::new(source, &lists))
                .unwrap();
            (reading.score * 1000.0).round() / 1000.0
        };
        assert!((score("The dose was 20 mg.", "The dose was 20 mg daily.") - 1.0).abs() < 1e-12);
        // dose, mg of dose, 20, mg; pain, adult of pain, increas, adult.
        assert!((score("The dose was 20 mg.", "The dose was 30 mg daily.") - 0.333).abs() < 1e-9);
        assert!((score("Pain increased in adults.", "Pain decreased in adults.") - 0.333).abs() < 1e-9);
        // dog and cat; dog and bark.
        assert!(
            (score("Dogs chase cats. Dogs bark.", "Dogs like cats. Cats sleep.") - f64::midpoint(2.0 / 3.0, 0.5)).abs()
                < 1e-3
        );
    }
}
