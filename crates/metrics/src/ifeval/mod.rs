//! The instructions of `IFEval` that a program can check.
//!
//! Zhou et al. 2023, <https://arxiv.org/abs/2311.07911>; the rules are those of google-research's `instruction_following_eval` as
//! lm-evaluation-harness 0.4.13 runs them. Each check is a function of a response and the instruction's arguments. Departures, all of them on
//! inputs that the reference leaves to chance or to its own data:
//!
//! - A letter that is none of a–z (`#`, `!`) is counted as asked for; the reference counts a letter that it draws anew each time.
//! - The language detector is seeded; the reference's is not, and answers short texts differently from run to run.
//! - Sentences are split by the same algorithm with abbreviations of our own: see [`sentences`].
//! - Keywords and markers are text; the reference takes them for regular expressions, which is the same for the official prompts.
//! - `NaN` and `Infinity` are not JSON.
//!
//! Words are counted as NLTK 3.10 counts them, see [`length::words`]; earlier versions differ on scripts with combining marks.

pub mod keywords;
pub mod length;
pub mod content;
pub mod format;
pub mod combination;
pub mod case;
pub mod language;
pub mod sentences;
pub mod capital_words;

use crate::value::{Aspect, Definition, Direction};

/// Share of prompts all of whose instructions are followed.
pub const PROMPT_LEVEL_STRICT: Definition = share("prompt_level_strict_acc");
/// Share of instructions that are followed.
pub const INSTRUCTION_LEVEL_STRICT: Definition = share("inst_level_strict_acc");
/// As [`PROMPT_LEVEL_STRICT`], on the kindest of [`loose_forms`].
pub const PROMPT_LEVEL_LOOSE: Definition = share("prompt_level_loose_acc");
/// As [`INSTRUCTION_LEVEL_STRICT`], on the kindest of [`loose_forms`].
pub const INSTRUCTION_LEVEL_LOOSE: Definition = share("inst_level_loose_acc");

const fn share(name: &'static str) -> Definition {
    Definition::new(name, "fraction", Direction::HigherIsBetter, Aspect::Utility)
}

/// Whether a response follows an instruction; one that is all white space never does.
pub fn follows_strictly(response: &str, check: impl Fn(&str) -> bool) -> bool {
    !crate::degeneration::is_empty(response) && check(response)
}

/// Whether any of [`loose_forms`] follows an instruction.
pub fn follows_loosely(response: &str, check: impl Fn(&str) -> bool) -> bool {
    loose_forms(response).iter().any(|form| follows_strictly(form, &check))
}

/// The response; without its first, its last, and both lines, stripped; and each of these without asterisks.
#[must_use]
pub fn loose_forms(response: &str) -> [String; 8] {
    let lines: Vec<&str> = response.split('\n').collect();
    let without = |first: usize, last: usize| {
        let kept = lines.get(first..lines.len().saturating_sub(last)).unwrap_or_default();
        kept.join("\n").trim_matches(crate::text::is_space).to_owned()
    };
    let cut = [response.to_owned(), without(1, 0), without(0, 1), without(1, 1)];
    let bare = cut.clone().map(|form| form.replace('*', ""));
    let [a, b, c, d] = cut;
    let [e, f, g, h] = bare;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_left_out_at_either_end() {
        let forms = loose_forms("Sure!\n*A*\nBye");
        assert_eq!(forms[1..4], ["*A*\nBye", "Sure!\n*A*", "*A*"]);
        assert_eq!(forms[7], "A");
        assert_eq!(loose_forms("one")[1..4], ["", "", ""]);
        assert!(follows_loosely("Sure\nx", |text| text == "x"));
        assert!(!follows_loosely(" \n ", |_| true) && !follows_strictly("\u{1c}", |_| true));
    }
}
