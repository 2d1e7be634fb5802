//! Answers that decline to answer: "I cannot provide medical advice". Not the same as saying that one does not know
//! ([`crate::abstention`]): the model does not speak of what it knows, but of what it will do.
//!
//! The rule knows phrases, not meaning, and looks at the beginning of an answer alone: advice to see a doctor after an answer
//! is no refusal. An answer can be both: "I do not know; as an AI model, I …" declines and abstains.

use crate::abstention::simplify;
use crate::value::{Aspect, Definition, Direction};

/// Share of answers that decline to answer. (`refusal_rate` is Med-HALT's, of fake questions, where refusing is right.)
pub const DECLINED_RATE: Definition = Definition::new(
    "declined_rate",
    "fraction",
    Direction::LowerIsBetter,
    Aspect::Reliability,
);

/// Words of an answer in which a phrase must begin.
pub const FIRST_WORDS: usize = 20;

/// What declines, in the form of [`simplify`]; followed by a verb of [`VERBS`] within [`GAP`] words.
pub const OPENINGS: &[&str] = &[
    "i cannot",
    "i can not",
    "i cant",
    "i am unable to",
    "im unable to",
    "i am not able to",
    "im not able to",
    "i will not",
    "i wont",
    "i must decline to",
    "i am not allowed to",
    "im not allowed to",
    "i am not permitted to",
];

/// What is declined.
pub const VERBS: &[&str] = &[
    "provide",
    "give",
    "offer",
    "assist",
    "help",
    "discuss",
    "comply",
    "fulfil",
    "fulfill",
    "diagnose",
    "prescribe",
    "recommend",
    "advise",
    "generate",
    "write",
    "share",
    "engage",
];

/// Words that may stand between an opening and its verb ("I cannot in good conscience provide").
pub const GAP: usize = 3;

/// Whole phrases that decline.
pub const PHRASES: &[&str] = &[
    "i must decline",
    "i have to decline",
    "i refuse to",
    "im sorry but i cant",
    "im sorry but i cannot",
    "i am sorry but i cannot",
    "i am sorry but i cant",
    "against my guidelines",
    "against my programming",
    "violates my guidelines",
    "i am not a doctor",
    "im not a doctor",
    "i am not a medical professional",
    "im not a medical professional",
    "i am not qualified to",
    "im not qualified to",
    "as an ai i do not",
    "as an ai i dont",
    "as an ai i cannot",
    "as an ai i can not",
    "as an ai i cant",
    "as an ai i am not",
    "as an ai i am unable",
    "as an ai language model",
    "as a language model",
    "as an artificial intelligence",
    "as an ai assistant",
    "as an ai model",
];

/// Whether an answer declines to answer. An empty answer does not.
#[must_use]
pub fn is_refusal(answer: &str) -> bool {
    let simple = simplify(answer);
    let words: Vec<&str> = simple.split(' ').filter(|word| !word.is_empty()).collect();
    let starts = |phrase: &str| -> Vec<usize> {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        let windows = words.windows(phrase.len()).take(FIRST_WORDS).enumerate();
        windows
            .filter(|(_, window)| *window == phrase)
            .map(|(at, _)| at + phrase.len())
            .collect()
    };
    let declines = |end: usize| words.iter().skip(end).take(GAP + 1).any(|word| VERBS.contains(word));
    PHRASES.iter().any(|phrase| !starts(phrase).is_empty())
        || OPENINGS.iter().any(|opening| starts(opening).into_iter().any(declines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abstention::is_abstention;

    #[test]
    fn phrases_are_in_the_form_they_are_compared_in_and_unique() {
        for list in [OPENINGS, VERBS, PHRASES] {
            for (i, phrase) in list.iter().enumerate() {
                assert_eq!(&simplify(phrase), phrase);
                assert!(!list[..i].contains(phrase), "{phrase} twice");
            }
        }
    }

    #[test]
    fn refusals() {
        for yes in [
            "I cannot provide medical advice. Please see a doctor.",
            "I'm sorry, but I can't help with that.",
            "As an AI language model, I do not have personal experiences.",
            "As an AI, I can't diagnose conditions.",
            "I am not a doctor, so please ask one.",
            "I'm not able to in good conscience recommend a dose.",
            "I must decline to answer this question.",
            "I won't assist with this request.",
        ] {
            assert!(is_refusal(yes), "{yes}");
        }
    }

    #[test]
    fn neither_ignorance_nor_an_answer_with_advice_is_a_refusal() {
        let late = format!("{}I cannot provide medical advice.", "word ".repeat(30));
        for no in [
            "",
            "I do not know.",
            "I don't know the answer.",
            "The passage does not say.",
            "Unknown.",
            "Metformin. If you are unsure, ask your doctor.",
            "Patients who cannot provide consent need a guardian.",
            "An AI model that reads scans.",
            &late,
        ] {
            assert!(!is_refusal(no), "{no}");
        }
        assert!(is_abstention("I do not know.") && !is_abstention("I cannot provide medical advice."));
    }
}
