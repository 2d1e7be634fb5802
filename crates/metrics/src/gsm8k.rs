//! The number that an answer to GSM8K ends in, as lm-evaluation-harness `gsm8k` (version 3) reads it.
//!
//! Strict: the first `#### ` with a number after it. Flexible: the last number anywhere, a run of at least two of `$0-9.,` or of digits. Both are
//! compared with the reference after `,` and `$`, everything up to `#### ` and one full stop at the end are dropped.

use crate::text::{self, Pattern};
use crate::value::{Aspect, Definition, Direction};

// ANCHOR: metric
/// Share of answers whose last number is the reference's.
pub const EXACT_MATCH_FLEXIBLE: Definition = Definition::new(
    "exact_match_flexible",
    "fraction",
    Direction::HigherIsBetter,
    Aspect::Utility,
);

static STRICT: Pattern = Pattern::new(|| text::pattern(r"#### (-?[0-9.,]+)"));
static FLEXIBLE: Pattern = Pattern::new(|| text::pattern(r"-?[$0-9.,]{2,}|-?[0-9]+"));

/// The number after the first `#### `, as written.
#[must_use]
pub fn strict(answer: &str) -> Option<&str> {
    STRICT.captures(answer)?.get(1).map(|number| number.as_str())
}

/// The last number, as written; `..` and `$,` count as numbers.
#[must_use]
pub fn flexible(answer: &str) -> Option<&str> {
    FLEXIBLE.find_iter(answer).last().map(|number| number.as_str())
}

/// Whether an extracted number is that of the reference solution.
#[must_use]
pub fn is_right(number: &str, solution: &str) -> bool {
    bare(number) == bare(solution)
}

fn bare(text: &str) -> String {
    let text: String = text.chars().filter(|c| !matches!(c, ',' | '$')).collect();
    let text = text.rsplit_once("#### ").map_or(text.as_str(), |(_, number)| number);
    text.strip_suffix('.').unwrap_or(text).to_lowercase()
}
// ANCHOR_END: metric

#[cfg(test)]
mod tests {
    use super::*;

    // ANCHOR: test
    #[test]
    fn numbers_as_the_harness_reads_them() {
        for (answer, first, last) in [
            ("So 4.\n#### 1,234", Some("1,234"), Some("1,234")),
            ("#### 5 and then #### 6.", Some("5"), Some("6.")),
            ("It is $18.", None, Some("$18.")),
            ("minus -3", None, Some("-3")),
            ("#### five ...", None, Some("...")),
            ("none", None, None),
        ] {
            assert_eq!((strict(answer), flexible(answer)), (first, last), "{answer}");
        }
    }
    // ANCHOR_END: test

    #[test]
    fn marks_do_not_decide() {
        let solution = "so it is\n#### 1,234";
        assert!(is_right("1234.", solution) && is_right("$1,234", solution));
        assert!(!is_right("1234.0", solution) && !is_right("-1234", solution));
    }
}
