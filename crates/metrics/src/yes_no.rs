//! Yes or no, when a model answers in words.
//!
//! The paper form is that of `HaluEval` (Li et al. 2023, <https://arxiv.org/abs/2305.11747>, `evaluation/evaluate.py`): full stops are deleted,
//! and the answer is the one of `Yes` and `No` that stands anywhere in it; both or neither is a failure, which counts as wrong. `Not`,
//! `None` and `Now` are a `No` there, and `yes` is nothing.

use crate::text;

/// The answer by the rule of the paper; `None` is a failure.
#[must_use]
pub fn parse_paper(output: &str) -> Option<bool> {
    // Without full stops a `Y.es` is a `Yes`.
    let output = output.replace('.', "");
    match (output.contains("Yes"), output.contains("No")) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// The answer that is the first word, in any case, where the other one is not a word of the output as well; `None` is unparsable.
#[must_use]
pub fn parse_strict(output: &str) -> Option<bool> {
    let lowered = output.to_lowercase();
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let words: Vec<String> = text::words(&lowered)
        .map(bare)
        .filter(|word| !word.is_empty())
        .collect();
    let has = |name: &str| words.iter().any(|word| word == name);
    match words.first().map(String::as_str) {
        Some("yes") if !has("no") => Some(true),
        Some("no") if !has("yes") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_looks_anywhere() {
        for (output, paper, strict) in [
            ("Yes", Some(true), Some(true)),
            (" No.", Some(false), Some(false)),
            ("**Yes**, it does", Some(true), Some(true)),
            ("yes", None, Some(true)),
            ("Not at all", Some(false), None),
            ("I say Yes", Some(true), None),
            ("Yes or No", None, None),
            ("Yes, no doubt", Some(true), None),
            ("", None, None),
        ] {
            assert_eq!((parse_paper(output), parse_strict(output)), (paper, strict), "{output}");
        }
    }
}
