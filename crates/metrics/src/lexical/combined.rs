//! All lexical evidence of a sentence in one number.
//!
//! A sentence's *overlap* is the share of its content words that the source has: in its best-matching sentence, anywhere, or the mean
//! of both. Its *facts* are those of [`facts`]. A [`Rule`] says
//! how facts that the source does not support lower the overlap, and how sentences make a text. [`CANDIDATES`] were tried on one
//! half of the data that people labelled, and [`RULE`] with [`THRESHOLD`] was chosen there; `results/scorers.md` has its figures on
//! the other half.

use std::collections::BTreeSet;
use std::ops::Range;

use super::document::Document;
use super::{Lexical, LexicalReading, facts, share};
use crate::value::Definition;

/// How far the source supports the sentences of a text, see [the module](self).
pub const LEXICAL_SUPPORT: Definition = share("lexical_support");

/// Score below which a sentence, or a text, counts as unsupported.
pub const THRESHOLD: f64 = 0.345;

/// Where a sentence's words must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// In one sentence of the source.
    Best,
    /// Anywhere in it.
    Whole,
    /// The mean of both.
    Both,
}

/// What facts without support cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facts {
    /// Nothing.
    Ignored,
    /// The overlap is multiplied by the share of facts that are supported.
    Share,
    /// It is halved if there is one.
    Any,
    /// It is halved for each.
    Each,
}

/// How sentences make a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Their mean.
    Mean,
    /// The worst of them.
    Worst,
}

/// A way to put the evidence together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Where words must stand.
    pub overlap: Overlap,
    /// What facts cost.
    pub facts: Facts,
    /// How sentences make a text.
    pub over: Over,
}

const fn rule(overlap: Overlap, facts: Facts, over: Over) -> Rule {
    Rule { overlap, facts, over }
}

/// The rule of [`Combined`].
pub const RULE: Rule = rule(Overlap::Whole, Facts::Each, Over::Mean);

/// The rules that were tried.
pub const CANDIDATES: [Rule; 24] = candidates();

const fn candidates() -> [Rule; 24] {
    let overlaps = [Overlap::Whole, Overlap::Both, Overlap::Best];
    let facts = [Facts::Ignored, Facts::Share, Facts::Any, Facts::Each];
    let overs = [Over::Mean, Over::Worst];
    let mut all = [RULE; 24];
    let mut i = 0;
    while i < all.len() {
        all[i] = rule(overlaps[i / 8], facts[i / 2 % 4], overs[i % 2]);
        i += 1;
    }
    all
}

/// The scorer.
pub struct Combined;

impl Lexical for Combined {
    fn definition(&self) -> Definition {
        LEXICAL_SUPPORT
    }

    fn read(&self, text: &Document<'_>, source: &Document<'_>) -> Option<LexicalReading> {
        by_rule(&evidence(text, source), RULE)
    }
}

/// What the source has of one sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Share of its content words in the best-matching sentence of the source.
    pub best: f64,
    /// Share of its content words anywhere in the source.
    pub whole: f64,
    /// Facts that it states.
    pub facts: usize,
    /// Those that the source does not support.
    pub unsupported: Vec<Range<usize>>,
}

/// The evidence of every sentence with content.
#[must_use]
pub fn evidence(text: &Document<'_>, source: &Document<'_>) -> Vec<Evidence> {
    let anywhere: BTreeSet<&String> = source
        .sentences()
        .iter()
        .flat_map(|sentence| &sentence.content)
        .collect();
    let facts = facts::facts(text, source);
    let with_content = text.sentences().iter().filter(|sentence| !sentence.content.is_empty());
    with_content
        .map(|sentence| {
            let share = |has: &dyn Fn(&String) -> bool| {
                let found = sentence.content.iter().filter(|stem| has(stem)).count();
                found as f64 / sentence.content.len() as f64
            };
            let in_one = source
                .sentences()
                .iter()
                .map(|other| share(&|stem| other.content.contains(stem)));
            let mine = facts::within(&sentence.range, &facts);
            Evidence {
                range: sentence.range.clone(),
                best: in_one.fold(0.0, f64::max),
                whole: share(&|stem| anywhere.contains(stem)),
                facts: mine.len(),
                unsupported: mine.into_iter().filter(|fact| !fact.1).map(|fact| fact.0).collect(),
            }
        })
        .collect()
}

/// The reading of a rule; `None` without sentences.
#[must_use]
pub fn by_rule(evidence: &[Evidence], rule: Rule) -> Option<LexicalReading> {
    let score = |sentence: &Evidence| {
        let overlap = match rule.overlap {
            Overlap::Best => sentence.best,
            Overlap::Whole => sentence.whole,
            Overlap::Both => f64::midpoint(sentence.best, sentence.whole),
        };
        let wrong = sentence.unsupported.len();
        overlap
            * match rule.facts {
                Facts::Ignored => 1.0,
                Facts::Share if sentence.facts == 0 => 1.0,
                Facts::Share => 1.0 - wrong as f64 / sentence.facts as f64,
                Facts::Any => 0.5_f64.powi(i32::from(wrong > 0)),
                Facts::Each => 0.5_f64.powi(wrong as i32),
            }
    };
    let parts: Vec<(Range<usize>, f64)> = evidence
        .iter()
        .map(|sentence| (sentence.range.clone(), score(sentence)))
        .collect();
    let score = match rule.over {
        Over::Mean => super::mean_of_parts(&parts)?,
        Over::Worst => parts.iter().map(|part| part.1).reduce(f64::min)?,
    };
    Some(LexicalReading {
        score,
        looked_at: parts.len(),
        unsupported: parts
            .iter()
            .filter(|part| part.1 < THRESHOLD)
            .map(|part| part.0.clone())
            .collect(),
        parts,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lexical::WordLists;

    #[test]
    fn evidence_and_rules_by_hand() {
        let lists = WordLists::default();
        let text = Document::new("Metformin lowered glucose by 20 mg. Cats sleep.", &lists);
        let source = Document::new("Metformin raised glucose by 30 mg. Cats bark. Dogs sleep.", &lists);
        let found = evidence(&text, &source);
        // metformin, lower, glucos, 20, mg: metformin, glucos, mg are there. Of the facts, 20 mg is not.
        assert!((found[0].best - 0.6).abs() < 1e-12 && (found[0].whole - 0.6).abs() < 1e-12);
        assert_eq!((found[0].facts, found[0].unsupported.len()), (2, 1));
        assert!((found[1].best - 0.5).abs() < 1e-12 && (found[1].whole - 1.0).abs() < 1e-12);
        let score = |overlap, facts, over| by_rule(&found, rule(overlap, facts, over)).unwrap().score;
        assert!((score(Overlap::Whole, Facts::Ignored, Over::Mean) - 0.8).abs() < 1e-12);
        assert!((score(Overlap::Whole, Facts::Share, Over::Mean) - 0.65).abs() < 1e-12);
        assert!((score(Overlap::Both, Facts::Any, Over::Worst) - 0.3).abs() < 1e-12);
        assert!((score(Overlap::Best, Facts::Each, Over::Mean) - f64::midpoint(0.3, 0.5)).abs() < 1e-12);
    }

    #[test]
    fn candidates_are_distinct_and_hold_the_rule() {
        for (i, candidate) in CANDIDATES.iter().enumerate() {
            assert!(!CANDIDATES[..i].contains(candidate));
        }
        assert!(CANDIDATES.contains(&RULE));
    }
}
