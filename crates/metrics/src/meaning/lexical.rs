//! Whether two answers to one question mean the same, by their words.
//!
//! Two answers mean the same where they are equal after the normalisation of `SQuAD` ([`crate::exact_match::normalise`]), or
//! where
//!
//! 1. both or neither are negated (an odd number of *not*, *no*, *never*, *isn't* …),
//! 2. both have the same new numbers, and
//! 3. the new words of one are among the new words of the other (*NSAIDs* and *one of the NSAIDs* in *belongs to the
//!    NSAIDs*); where one has no new words at all, both must have new numbers.
//!
//! New is what does not stand in the question; words are stems (Porter) without function words. An answer that says nothing
//! new is taken with all its words. No reference is looked at, so that the measure does not know what is right. Synonyms are
//! different meanings here, and so are answers that each add something of their own; the third rule is no equivalence, so
//! that the order of answers can matter.

use std::collections::BTreeSet;

use crate::exact_match::normalise;
use crate::porter::stem;
use crate::text::{Pattern, pattern};

/// Numbers with their inner marks, and words with their apostrophes.
static TOKEN: Pattern = Pattern::new(|| pattern(r"\p{N}+(?:[.,]\p{N}+)*|[\p{L}\p{M}\p{N}_]+(?:['’][\p{L}]+)*"));

/// In lower case, apostrophes deleted. Contractions end in *nt* and stand in [`CONTRACTIONS`].
const NEGATIONS: &[&str] = &[
    "not", "no", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "without", "cannot",
];

const CONTRACTIONS: &[&str] = &[
    "aint", "arent", "cant", "couldnt", "didnt", "doesnt", "dont", "hadnt", "hasnt", "havent", "isnt", "mightnt",
    "mustnt", "neednt", "shouldnt", "wasnt", "werent", "wont", "wouldnt",
];

/// Words that say nothing by themselves.
const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "am", "an", "and", "another", "any", "are", "as", "at", "be", "because",
    "been", "being", "but", "by", "can", "could", "did", "do", "does", "done", "during", "each", "for", "from", "had",
    "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "itself", "may", "me", "might", "mine", "must", "my", "of", "on", "one", "or", "our", "ours", "own", "s",
    "shall", "she", "should", "so", "some", "such", "than", "that", "the", "their", "theirs", "them", "then", "there",
    "these", "they", "this", "those", "to", "too", "us", "very", "was", "we", "were", "what", "when", "where", "which",
    "while", "who", "whom", "whose", "why", "will", "with", "would", "you", "your", "yours",
];

/// The words of a text, sorted by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Stems of words that carry meaning.
    pub content: BTreeSet<String>,
    /// Numbers, without thousands separators.
    pub numbers: BTreeSet<String>,
    /// Whether the number of negations is odd.
    pub negated: bool,
}

impl Words {
    /// Sorts the words of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut words = Self::default();
        for token in TOKEN.find_iter(text) {
            let token = token.as_str().to_lowercase().replace(['\'', '’'], "");
            if token.starts_with(char::is_numeric) && token.chars().all(|c| c.is_numeric() || c == '.' || c == ',') {
                words.numbers.insert(token.replace(',', ""));
            } else if NEGATIONS.contains(&token.as_str()) || CONTRACTIONS.contains(&token.as_str()) {
                words.negated = !words.negated;
            } else if !FUNCTION_WORDS.contains(&token.as_str()) {
                // The stemmer knows English alone.
                let known = token.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
                words.content.insert(if known { stem(&token) } else { token });
            }
        }
        words
    }
}

/// What an answer says that the question does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    normalised: String,
    new: Words,
}

impl Meaning {
    /// Of an answer to `question`.
    #[must_use]
    pub fn new(answer: &str, question: &Words) -> Self {
        let all = Words::of(answer);
        let new = Words {
            content: all.content.difference(&question.content).cloned().collect(),
            numbers: all.numbers.difference(&question.numbers).cloned().collect(),
            negated: all.negated,
        };
        let says_something = !(new.content.is_empty() && new.numbers.is_empty());
        Self {
            normalised: normalise(answer),
            new: if says_something { new } else { all },
        }
    }

    /// Whether both say the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        if self.normalised == other.normalised {
            return true;
        }
        let (one, two) = (&self.new, &other.new);
        if one.negated != two.negated || one.numbers != two.numbers {
            return false;
        }
        if one.content.is_empty() || two.content.is_empty() {
            return !one.numbers.is_empty();
        }
        one.content.is_subset(&two.content) || two.content.is_subset(&one.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(question: &str, one: &str, two: &str) -> bool {
        let question = Words::of(question);
        let (one, two) = (Meaning::new(one, &question), Meaning::new(two, &question));
        assert_eq!(one.is_same(&two), two.is_same(&one));
        one.is_same(&two)
    }

    #[test]
    fn words_are_sorted() {
        let words = Words::of("It isn't 1,250 mg of the p53's 2.5 inhibitors.");
        assert_eq!(
            words.content.into_iter().collect::<Vec<_>>(),
            ["inhibitor", "mg", "p53"]
        );
        assert_eq!(words.numbers.into_iter().collect::<Vec<_>>(), ["1250", "2.5"]);
        assert!(words.negated);
        assert!(!Words::of("not never").negated);
        assert!(Words::of("Müllers �_").content.contains("müllers"));
    }

    #[test]
    fn containment_of_what_is_new() {
        let question = "Who wrote the book Emma?";
        assert!(same(
            question,
            "Jane Austen wrote Emma.",
            "The book Emma is by Jane Austen."
        ));
        assert!(same(question, "Austen", "Jane Austen."));
        assert!(!same(question, "Jane Eyre", "Jane Austen"));
        assert!(!same(question, "Jane Austen", "Not Jane Austen"));
        assert!(!same(question, "Emma.", "Jane Austen wrote it."));
        assert!(same(question, "the Emma", "Emma!"));
    }

    #[test]
    fn numbers_have_to_be_equal() {
        let question = "Of the 34 people, how many felt better?";
        assert!(same(question, "19", "At the end, 19 people felt better."));
        assert!(same(question, "19 of the 34 people", "19"));
        assert!(!same(question, "19", "18"));
        assert!(!same(question, "19 people", "people"));
        assert!(!same("How much?", "5 mg", "5 to 10 mg"));
        assert!(same("How much?", "1,000 mg", "1000 mg"));
    }

    #[test]
    fn yes_is_not_no() {
        assert!(!same("Is it true?", "Yes.", "No."));
        assert!(!same("Is it true?", "It is.", "No."));
        assert!(same("Is it true?", "No.", "No!"));
    }
}
