//! All that can be looked up in one number: names, numbers, dates, drugs and genes together, one mention per place.
//!
//! For texts that should keep to their source's own terms (summaries, answers from a passage): a figure or name from nowhere is an
//! error there. A text that says the same in other words loses as well.

use std::ops::Range;

use super::document::Document;
use super::{Lexical, LexicalReading, mentions, share};
use crate::value::Definition;

/// Share of facts that the source has. Every mention counts.
pub const LEXICAL_FACTS: Definition = share("lexical_facts");

/// Score below which a text counts as unsupported: one fact without support is enough.
pub const THRESHOLD: f64 = 1.0;

/// The scorer.
pub struct LookedUp;

impl Lexical for LookedUp {
    fn definition(&self) -> Definition {
        LEXICAL_FACTS
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        let facts = facts(text, source);
        let of_sentences = text.sentences().iter().filter_map(|sentence| {
            let reading = mentions::reading(within(&sentence.range, &facts))?;
            Some((sentence.range.clone(), reading.score))
        });
        let parts = of_sentences.collect();
        mentions::reading(facts).map(|reading| LexicalReading { parts, ..reading })
    }
}

/// A mention, and whether the source has it.
pub(super) type Fact = (Range<usize>, bool);

/// The facts of a text, in order. Where two kinds see the same place, dates go first, then numbers, names, drugs, genes.
pub(super) fn facts(text: &Document<'_>, source: &Document<'_>) -> Vec<Fact> {
    let known = source.known();
    let mut found: Vec<Fact> = Vec::new();
    for date in text.dates() {
        found.push((
            date.range.clone(),
            source.dates().iter().any(|other| date.within(other)),
        ));
    }
    let mut add = |range: Range<usize>, supported: &dyn Fn() -> bool| {
        if !found
            .iter()
            .any(|(other, _)| other.start < range.end && range.start < other.end)
        {
            found.push((range, supported()));
        }
    };
    for quantity in text.quantities() {
        let supported = || source.quantities().iter().any(|other| quantity.agrees(other));
        add(quantity.range.clone(), &supported);
    }
    let names = text
        .names()
        .iter()
        .map(|name| name.start..name.start + name.written.len());
    for range in names
        .chain(text.drugs().iter().cloned())
        .chain(text.genes().iter().cloned())
    {
        add(range.clone(), &|| known.has(&text.text[range.clone()]));
    }
    found.sort_by_key(|fact| fact.0.start);
    found
}

/// The facts that begin in a range.
pub(super) fn within(range: &Range<usize>, facts: &[Fact]) -> Vec<Fact> {
    facts
        .iter()
        .filter(|fact| range.contains(&fact.0.start))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lexical::WordLists;

    #[test]
    fn by_hand() {
        let lists = WordLists::default();
        let text = "Anna took 20 mg of metformin. On 3 March 2020 she met Boris.";
        let source = "In March 2020, Anna was given metformin, 0.02 g.";
        let reading = LookedUp
            .read(&Document::new(text, &lists), &Document::new(source, &lists))
            .unwrap();
        // `Anna` opens the sentence and is no name by form. Looked up: 20 mg, metformin, the date, Boris.
        let wrong: Vec<&str> = reading.unsupported.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!((reading.looked_at, wrong), (4, vec!["3 March 2020", "Boris"]));
        assert!((reading.parts[0].1 - 1.0).abs() < 1e-15 && reading.parts[1].1.abs() < 1e-15);
    }
}
