//! Typed mentions that an answer lists, against those of a sentence: strict and relaxed.
//!
//! Strict: type and text are equal, case and white space aside. Relaxed: the types are equal and the texts share a word, as in
//! the partial matches of `SemEval` 2013 task 9. Each mention is matched at most once; equal ones first.

use crate::counts::Counts;
use crate::text;
use crate::value::{Aspect, Definition, Direction};

const fn utility(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Utility)
}

/// Micro-averaged F1 of mentions.
pub const ENTITY_F1: Definition = utility("entity_f1");
/// Share of the named mentions that are right.
pub const ENTITY_PRECISION: Definition = utility("entity_precision");
/// Share of the mentions that were named.
pub const ENTITY_RECALL: Definition = utility("entity_recall");
/// Micro-averaged F1 where a shared word is enough.
pub const ENTITY_F1_RELAXED: Definition = utility("entity_f1_relaxed");

/// A mention and its type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// Type, as the task spells it.
    pub kind: String,
    /// Words, as written.
    pub words: String,
}

impl Mention {
    fn is(&self, other: &Self) -> bool {
        let bare = |words: &str| -> String { words.to_lowercase().chars().filter(|&c| !text::is_space(c)).collect() };
        self.kind == other.kind && bare(&self.words) == bare(&other.words)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let words = |mention: &Self| -> Vec<String> {
            let lower = mention.words.to_lowercase();
            let words = lower
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        let (left, right) = (words(self), words(other));
        self.kind == other.kind && left.iter().any(|word| right.contains(word))
    }
}

/// The mentions of a text with one `Type: words` per line, types in any case, list marks before it left away. `None` where a
/// line is neither that nor the word for no mention at all. Blank lines are passed over.
#[must_use]
pub fn parse(listing: &str, kinds: &[String], none: &str) -> Option<Vec<Mention>> {
    let mut mentions = Vec::new();
    let mut said_none = false;
    for line in listing.lines() {
        let line = line.trim_matches(text::is_space).trim_start_matches(['-', '*', '•']);
        let line = line.trim_matches(text::is_space);
        if line.is_empty() {
            continue;
        }
        if line.trim_end_matches('.').eq_ignore_ascii_case(none) {
            said_none = true;
            continue;
        }
        let (kind, words) = line.split_once(':')?;
        let kind = kinds
            .iter()
            .find(|known| known.eq_ignore_ascii_case(kind.trim_matches(text::is_space)))?;
        let words = words.trim_matches(text::is_space);
        if words.is_empty() {
            return None;
        }
        mentions.push(Mention {
            kind: kind.clone(),
            words: words.to_owned(),
        });
    }
    (said_none == mentions.is_empty()).then_some(mentions)
}

/// Counts of the strict and of the relaxed comparison.
#[must_use]
pub fn compare(said: &[Mention], wanted: &[Mention]) -> (Counts, Counts) {
    let (strict, said_left, wanted_left) = matched(said, wanted, Mention::is);
    let said_left: Vec<Mention> = said_left.into_iter().cloned().collect();
    let wanted_left: Vec<Mention> = wanted_left.into_iter().cloned().collect();
    let (more, ..) = matched(&said_left, &wanted_left, Mention::overlaps);
    let counts = |right| Counts {
        right,
        said: said.len(),
        wanted: wanted.len(),
    };
    (counts(strict), counts(strict + more))
}

type Rest<'a> = Vec<&'a Mention>;

/// Pairs found from left to right, and what is left on both sides.
fn matched<'a>(
    said: &'a [Mention],
    wanted: &'a [Mention],
    same: impl Fn(&Mention, &Mention) -> bool,
) -> (usize, Rest<'a>, Rest<'a>) {
    let mut wanted_left: Rest<'a> = wanted.iter().collect();
    let mut said_left = Rest::new();
    let mut pairs = 0;
    for mention in said {
        match wanted_left.iter().position(|other| same(mention, other)) {
            Some(index) => {
                wanted_left.remove(index);
                pairs += 1;
            }
            None => said_left.push(mention),
        }
    }
    (pairs, said_left, wanted_left)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn list(text: &str) -> Option<Vec<Mention>> {
        parse(text, &["Chemical".to_owned(), "Disease".to_owned()], "None")
    }

    #[test]
    fn lines_are_read_or_refused() {
        assert_eq!(list("- disease: gout\n\nChemical: 22 - oxa").unwrap().len(), 2);
        assert_eq!(list(" none. "), Some(Vec::new()));
        assert_eq!(list("None\nDisease: gout"), None);
        assert_eq!(list(""), None);
        assert_eq!(list("gout"), None);
        assert_eq!(list("Gene: BRCA1"), None);
        assert_eq!(list("Disease: "), None);
    }

    #[test]
    fn strict_and_relaxed_by_hand() {
        let wanted = list("Disease: renal failure\nDisease: low bone turnover\nChemical: 22 - oxacalcitriol").unwrap();
        let said = list("Chemical: 22-Oxacalcitriol\nDisease: failure\nDisease: failure\nDisease: gout").unwrap();
        let (strict, relaxed) = compare(&said, &wanted);
        assert_eq!(
            strict,
            Counts {
                right: 1,
                said: 4,
                wanted: 3
            }
        );
        assert_eq!(
            relaxed,
            Counts {
                right: 2,
                said: 4,
                wanted: 3
            }
        );
        let (all, _) = compare(&wanted, &wanted);
        assert!((all.scores().f1 - 1.0).abs() < 1e-15);
    }
}
