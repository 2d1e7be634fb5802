//! Answers of one meaning, by entailment in both directions: the clusters of semantic entropy.
//!
//! Kuhn et al. 2023, <https://arxiv.org/abs/2302.09664>; Farquhar et al. 2024, <https://doi.org/10.1038/s41586-024-07421-0>. Two answers
//! mean the same if each entails the other (strict), or if neither contradicts the other and not both are neutral (lenient, the second
//! paper's choice). An answer joins the first cluster whose first member means the same; else it begins one. Entailment is not transitive, so
//! that the order of answers can change clusters. In the authors' code an answer that equals the first member of a later cluster moves there;
//! the papers' algorithm, which is this one, leaves it where it is.
//!
//! Both papers put the question before each answer; an answer alone (`Paris`) says too little to be entailed. Cost: `n (n − 1)` pairs
//! for `n` distinct answers.

use std::collections::BTreeMap;

use secateur_metrics::verdicts::Verdict;

use super::nli::Nli;
use super::statements::whole;
use crate::error::JudgeError;

/// When two answers mean the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Equivalence {
    /// Each entails the other.
    #[default]
    Strict,
    /// Neither contradicts the other, and not both are neutral.
    Lenient,
}

impl Equivalence {
    /// From the verdicts in both directions.
    #[must_use]
    pub fn holds(self, there: Verdict, back: Verdict) -> bool {
        use Verdict::{Contradicted, Entailed, Neutral};
        match self {
            Self::Strict => (there, back) == (Entailed, Entailed),
            Self::Lenient => there != Contradicted && back != Contradicted && (there, back) != (Neutral, Neutral),
        }
    }
}

/// The cluster of each of `count` answers, numbered by first appearance; `same(i, j)` with `i < j` says whether they mean the same.
#[must_use]
pub fn clusters(count: usize, same: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut first_members: Vec<usize> = Vec::new();
    let mut cluster_of = Vec::with_capacity(count);
    for answer in 0..count {
        let known = first_members.iter().position(|&first| same(first, answer));
        cluster_of.push(known.unwrap_or_else(|| {
            first_members.push(answer);
            first_members.len() - 1
        }));
    }
    cluster_of
}

/// The clusters of the answers to every question, each `(question, answers)`. Answers are put after their question and a blank where it is
/// not empty. `progress` counts distinct pairs of texts.
///
/// # Errors
/// If the model fails.
pub fn by_entailment(
    nli: &mut Nli,
    asked: &[(&str, Vec<&str>)],
    equivalence: Equivalence,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<usize>>, JudgeError> {
    let with_question = |question: &str, answer: &str| {
        let question = question.trim();
        let answer = answer.trim();
        if question.is_empty() {
            answer.to_owned()
        } else {
            format!("{question} {answer}")
        }
    };
    let texts: Vec<Vec<String>> = asked
        .iter()
        .map(|(question, answers)| answers.iter().map(|answer| with_question(question, answer)).collect())
        .collect();
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for texts in &texts {
        for one in texts {
            pairs.extend(
                texts
                    .iter()
                    .filter(|other| *other != one)
                    .map(|other| (one.as_str(), other.as_str())),
            );
        }
    }
    let relations = nli.relations(&pairs, progress)?;
    let verdicts: BTreeMap<(&str, &str), Verdict> = pairs
        .iter()
        .copied()
        .zip(relations.iter().map(|relation| whole(relation).verdict))
        .collect();
    let same = |one: &str, other: &str| {
        let there = verdicts.get(&(one, other)).copied().unwrap_or(Verdict::Neutral);
        let back = verdicts.get(&(other, one)).copied().unwrap_or(Verdict::Neutral);
        one == other || equivalence.holds(there, back)
    };
    Ok(texts
        .iter()
        .map(|texts| clusters(texts.len(), |i, j| same(&texts[i], &texts[j])))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Contradicted, Entailed, Neutral};

    #[test]
    fn an_answer_joins_the_first_cluster_that_means_the_same() {
        // 0 = 2, 1 = 2, 1 = 3, not 0 = 1: 2 stays with 0.
        let equal = [(0, 2), (1, 2), (1, 3)];
        let found = clusters(5, |i, j| equal.contains(&(i, j)));
        assert_eq!(found, [0, 1, 0, 1, 2]);
        assert!(clusters(0, |_, _| true).is_empty());
        assert_eq!(clusters(3, |_, _| true), [0, 0, 0]);
    }

    #[test]
    fn equivalence_by_hand() {
        for (there, back, strict, lenient) in [
            (Entailed, Entailed, true, true),
            (Entailed, Neutral, false, true),
            (Neutral, Neutral, false, false),
            (Entailed, Contradicted, false, false),
            (Contradicted, Neutral, false, false),
        ] {
            for (there, back) in [(there, back), (back, there)] {
                assert_eq!(Equivalence::Strict.holds(there, back), strict);
                assert_eq!(Equivalence::Lenient.holds(there, back), lenient);
            }
        }
    }
}
