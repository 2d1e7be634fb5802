//! Sorting answers by what they mean.
//!
//! [`cluster`] is the algorithm of Kuhn, Gal & Farquhar 2023 (<https://arxiv.org/abs/2302.09664>, algorithm 1): an answer
//! joins the first cluster whose first answer it entails and is entailed by, else it begins one. What entails what is the
//! caller's: a model of entailment (then the question belongs before both texts), or [`lexical`], which needs no model.

pub mod lexical;

use std::convert::Infallible;

/// The cluster of each text, numbered in order of first appearance. Equal texts share one without being compared.
///
/// # Errors
/// What `entails(premise, hypothesis)` fails with.
pub fn cluster<S: AsRef<str>, E>(
    texts: &[S],
    mut entails: impl FnMut(&str, &str) -> Result<bool, E>,
) -> Result<Vec<usize>, E> {
    by(texts.len(), |first, other| {
        let (first, other) = (texts[first].as_ref(), texts[other].as_ref());
        Ok(first == other || (entails(first, other)? && entails(other, first)?))
    })
}

/// The cluster of each answer to `question`, by the words alone: see [`lexical`].
#[must_use]
pub fn lexical_clusters<S: AsRef<str>>(question: &str, answers: &[S]) -> Vec<usize> {
    let question = lexical::Words::of(question);
    let meanings: Vec<lexical::Meaning> = answers
        .iter()
        .map(|answer| lexical::Meaning::new(answer.as_ref(), &question))
        .collect();
    let same = |first: usize, other: usize| Ok::<bool, Infallible>(meanings[first].is_same(&meanings[other]));
    let Ok(clusters) = by(answers.len(), same);
    clusters
}

fn by<E>(answers: usize, mut same: impl FnMut(usize, usize) -> Result<bool, E>) -> Result<Vec<usize>, E> {
    let mut firsts: Vec<usize> = Vec::new();
    let mut clusters = Vec::with_capacity(answers);
    for answer in 0..answers {
        let mut found = None;
        for (number, &first) in firsts.iter().enumerate() {
            if same(first, answer)? {
                found = Some(number);
                break;
            }
        }
        clusters.push(found.unwrap_or(firsts.len()));
        if found.is_none() {
            firsts.push(answer);
        }
    }
    Ok(clusters)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn entailment_has_to_hold_both_ways() {
        // A text entails what it contains.
        let mut asked = Vec::new();
        let entails = |premise: &str, hypothesis: &str| {
            asked.push((premise.to_owned(), hypothesis.to_owned()));
            Ok::<bool, ()>(premise.to_lowercase().contains(&hypothesis.to_lowercase()))
        };
        assert_eq!(cluster(&["ab", "b", "AB", "ab", "B"], entails), Ok(vec![0, 1, 0, 0, 1]));
        assert!(!asked.contains(&("ab".into(), "ab".into())));
        assert_eq!(cluster(&["a", "b"], |_, _| Err(7)), Err(7));
        assert_eq!(cluster(&[] as &[&str], |_, _| Ok::<bool, ()>(true)), Ok(vec![]));
    }

    #[test]
    fn sentences_with_one_answer_are_one_meaning() {
        let question = "What is the class of the drug diclofenac?";
        let answers = [
            "The drug diclofenac belongs to the class of NSAIDs.",
            "By its class, diclofenac is one of the NSAIDs.",
            "The drug diclofenac belongs to the class of statins.",
            "NSAIDs",
            "Diclofenac is not one of the NSAIDs.",
            "I do not know.",
            "",
            " ",
        ];
        assert_eq!(lexical_clusters(question, &answers), [0, 0, 1, 0, 2, 3, 4, 4]);
    }
}
