//! `SciFact`: label and evidence of a claim in one abstract, by the measures of the official evaluator.
//!
//! Source: Wadden et al. 2020, <https://aclanthology.org/2020.emnlp-main.609>, section 5, and `allenai/scifact-evaluator`. An abstract counts by its
//! label, and by its label with a complete rationale among the first three sentences given; a sentence counts if all sentences
//! of its rationale are given, and with the label if that is right too. All are micro-averaged over claims and abstracts.

use std::ops::AddAssign;

use crate::counts::Counts;
use crate::value::{Aspect, Definition, Direction};

const fn f1(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Reliability)
}

/// F1 of abstracts with the right label.
pub const ABSTRACT_LABEL_F1: Definition = f1("abstract_label_only_f1");
/// F1 of abstracts with the right label and a complete rationale.
pub const ABSTRACT_RATIONALE_F1: Definition = f1("abstract_rationalized_f1");
/// F1 of evidence sentences.
pub const SENTENCE_SELECTION_F1: Definition = f1("sentence_selection_f1");
/// F1 of evidence sentences with the right label.
pub const SENTENCE_LABEL_F1: Definition = f1("sentence_label_f1");

/// Sentences of an answer that count for the abstract.
const SENTENCES_PER_ABSTRACT: usize = 3;

/// What an abstract says of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It supports the claim.
    Support,
    /// It contradicts the claim.
    Contradict,
}

/// What one claim and abstract contribute to the four measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EvidenceCounts {
    /// Abstracts by label.
    pub abstract_label: Counts,
    /// Abstracts by label and rationale.
    pub abstract_rationale: Counts,
    /// Sentences.
    pub sentence_selection: Counts,
    /// Sentences by label too.
    pub sentence_label: Counts,
}

impl AddAssign for EvidenceCounts {
    fn add_assign(&mut self, other: Self) {
        self.abstract_label += other.abstract_label;
        self.abstract_rationale += other.abstract_rationale;
        self.sentence_selection += other.sentence_selection;
        self.sentence_label += other.sentence_label;
    }
}

/// Counts of one claim and abstract. `gold` and `answer` are `None` where the abstract says nothing of the claim. Each of the
/// gold sentence sets is evidence by itself; the answer's sentences are in order of importance.
#[must_use]
pub fn counts(gold: Option<(Verdict, &[Vec<usize>])>, answer: Option<(Verdict, &[usize])>) -> EvidenceCounts {
    let (label, rationales) = gold.map_or((None, [].as_slice()), |(label, sets)| (Some(label), sets));
    let (said, sentences) = answer.map_or((None, [].as_slice()), |(label, list)| (Some(label), list));
    let label_right = said.is_some() && said == label;
    let first = &sentences[..sentences.len().min(SENTENCES_PER_ABSTRACT)];
    let complete = |set: &Vec<usize>, within: &[usize]| set.iter().all(|sentence| within.contains(sentence));
    let rationale_right = label_right && rationales.iter().any(|set| complete(set, first));
    let distinct: std::collections::BTreeSet<usize> = sentences.iter().copied().collect();
    let evident = |sentence: &&usize| {
        let set = rationales.iter().find(|set| set.contains(sentence));
        set.is_some_and(|set| complete(set, sentences))
    };
    let selected = distinct.iter().filter(evident).count();
    let of_abstracts = |right: bool| Counts {
        right: usize::from(right),
        said: usize::from(said.is_some()),
        wanted: usize::from(label.is_some()),
    };
    let of_sentences = |right: usize| Counts {
        right,
        said: sentences.len(),
        wanted: rationales.iter().map(Vec::len).sum(),
    };
    EvidenceCounts {
        abstract_label: of_abstracts(label_right),
        abstract_rationale: of_abstracts(rationale_right),
        sentence_selection: of_sentences(selected),
        sentence_label: of_sentences(if label_right { selected } else { 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Contradict, Support};

    #[test]
    fn a_rationale_must_be_complete() {
        let gold = [vec![2, 5], vec![7]];
        let found = counts(Some((Support, &gold)), Some((Support, &[2, 7, 1, 5])));
        assert_eq!(found.abstract_rationale.right, 1);
        // 5 is beyond the third sentence, but sentences count without that limit.
        assert_eq!(found.sentence_selection.right, 3);
        let half = counts(Some((Support, &gold)), Some((Support, &[5])));
        assert_eq!((half.abstract_label.right, half.abstract_rationale.right), (1, 0));
        assert_eq!(
            half.sentence_selection,
            Counts {
                right: 0,
                said: 1,
                wanted: 3
            }
        );
    }

    #[test]
    fn a_wrong_label_keeps_the_selection() {
        let gold = [vec![4]];
        let found = counts(Some((Support, &gold)), Some((Contradict, &[4])));
        assert_eq!((found.sentence_selection.right, found.sentence_label.right), (1, 0));
        assert_eq!(
            found.abstract_label,
            Counts {
                right: 0,
                said: 1,
                wanted: 1
            }
        );
        assert_eq!(counts(None, None), EvidenceCounts::default());
        assert_eq!(counts(None, Some((Support, &[1]))).abstract_label.said, 1);
    }
}
