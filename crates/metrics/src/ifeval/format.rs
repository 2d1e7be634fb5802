//! Lists, highlights, sections, titles, JSON, and the three fixed answers.

use serde::de::IgnoredAny;

use crate::text::{self, Pattern, is_space};

static STAR_BULLET: Pattern = Pattern::new(|| text::pattern(r"(?m)^[\s\x1c-\x1f]*\*[^*].*$"));
static DASH_BULLET: Pattern = Pattern::new(|| text::pattern(r"(?m)^[\s\x1c-\x1f]*-.*$"));
static HIGHLIGHT: Pattern = Pattern::new(|| text::pattern(r"\*[^\n*]*\*"));
static DOUBLE_HIGHLIGHT: Pattern = Pattern::new(|| text::pattern(r"\*\*[^\n*]*\*\*"));
static TITLE: Pattern = Pattern::new(|| text::pattern(r"<<[^\n]+>>"));

const ANSWERS: [&str; 3] = ["My answer is yes.", "My answer is no.", "My answer is maybe."];

/// Lines that begin with `*` (not `**`) or `-`.
#[must_use]
pub fn bullets(text: &str) -> usize {
    STAR_BULLET.find_iter(text).count() + DASH_BULLET.find_iter(text).count()
}

/// Texts between asterisks, `*…*` and `**…**`, with something in them. A text between double asterisks that also reads as one between single
/// ones counts for both.
#[must_use]
pub fn highlights(text: &str) -> usize {
    let filled = |part: &str| !part.trim_matches(is_space).is_empty();
    let single = HIGHLIGHT.find_iter(text);
    let single = single.filter(|found| filled(found.as_str().trim_matches('*')));
    let double = DOUBLE_HIGHLIGHT.find_iter(text).filter(|found| {
        let inner = found.as_str();
        let inner = inner.strip_prefix("**").unwrap_or(inner);
        filled(inner.strip_suffix("**").unwrap_or(inner))
    });
    single.count() + double.count()
}

/// How often the section mark stands before a number.
#[must_use]
pub fn sections(text: &str, mark: &str) -> usize {
    let mark = regex::escape(mark.trim_matches(is_space));
    let pattern = regex::Regex::new(&format!(r"{mark}[\s\x1c-\x1f]?\d+"));
    pattern.map_or(0, |pattern| pattern.find_iter(text).count())
}

/// Whether the text is JSON, in a code fence or without.
#[must_use]
pub fn is_json(text: &str) -> bool {
    let mut body = text.trim_matches(is_space);
    for fence in ["```json", "```Json", "```JSON", "```"] {
        body = body.strip_prefix(fence).unwrap_or(body);
    }
    body = body.strip_suffix("```").unwrap_or(body).trim_matches(is_space);
    serde_json::from_str::<IgnoredAny>(body).is_ok()
}

/// Whether a line has something between `<<` and `>>`.
#[must_use]
pub fn has_title(text: &str) -> bool {
    TITLE.find_iter(text).any(|found| {
        let inner = found.as_str().trim_start_matches('<').trim_end_matches('>');
        !inner.trim_matches(is_space).is_empty()
    })
}

/// Whether one of `My answer is yes.`, `… no.`, `… maybe.` occurs.
#[must_use]
pub fn has_fixed_answer(text: &str) -> bool {
    ANSWERS.iter().any(|answer| text.contains(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bullets_are_lines() {
        assert_eq!(bullets("* a\n  - b\n** c\n-\ntext * d"), 3);
        // The character after the asterisk may be the line break.
        assert_eq!(bullets("*\n* a"), 1);
    }

    #[test]
    fn highlights_count_double_ones_twice() {
        assert_eq!(highlights("*a* and * * and **"), 1);
        // `**b**` reads as `**` (empty), then `b`, then `**`: only the double form has something in it.
        assert_eq!(highlights("**b**"), 1);
    }

    #[test]
    fn the_rest_by_hand() {
        assert_eq!(sections("Section 1\nx Section2 Section X", " Section "), 2);
        for (text, json) in [
            ("```json\n{\"a\": [1, \"\\ud800\"]}\n```", true),
            (" 3 ", true),
            ("{'a': 1}", false),
            ("```\n```", false),
            ("NaN", false),
        ] {
            assert_eq!(is_json(text), json, "{text}");
        }
        assert!(is_json(&format!("{}{}", "[".repeat(5000), "]".repeat(5000))));
        assert!(has_title("x <<a>>") && !has_title("<< >>") && !has_title("<<a\n>>"));
        assert!(has_fixed_answer(" My answer is no. ") && !has_fixed_answer("My answer is No."));
    }
}
