//! Where sentences begin and end.
//!
//! A sentence ends at `.`, `!` or `?` (with closing quotes and brackets) before white space, unless what follows begins with a small
//! letter or the word before the point is an abbreviation, an initial or the number of a list; and at every line break.

use std::ops::Range;

use crate::text::is_space;

/// Words after which a point ends nothing.
const ABBREVIATIONS: &[&str] = &[
    "dr", "mr", "mrs", "ms", "prof", "st", "vs", "e.g", "i.e", "cf", "fig", "figs", "no", "nos", "approx", "al", "eq",
    "ref", "vol", "ca", "resp", "sen", "rep", "gov", "gen", "col", "jr", "sr", "inc", "ltd", "co", "jan", "feb", "mar",
    "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "u.s", "u.k",
];

/// The sentences of a text as ranges of bytes, white space around them left out; those without a letter or digit are none.
#[must_use]
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\n' || c == '\r' {
            push(&mut found, text, start..at);
            start = at + c.len_utf8();
            continue;
        }
        if !matches!(c, '.' | '!' | '?') {
            continue;
        }
        let mut end = at + c.len_utf8();
        while let Some(&(next, closing)) = characters.peek() {
            if !matches!(closing, '.' | '!' | '?' | '"' | '”' | '’' | '\'' | ')' | ']') {
                break;
            }
            end = next + closing.len_utf8();
            characters.next();
        }
        if ends(&text[start..at], c, &text[end..]) {
            push(&mut found, text, start..end);
            start = end;
        }
    }
    push(&mut found, text, start..text.len());
    found
}

fn ends(before: &str, mark: char, after: &str) -> bool {
    if !after.starts_with(is_space) {
        return false;
    }
    let next = after
        .chars()
        .find(|&c| !is_space(c) && !matches!(c, '"' | '“' | '(' | '['));
    if next.is_some_and(char::is_lowercase) {
        return false;
    }
    if mark != '.' {
        return true;
    }
    let last = before
        .rsplit(|c: char| is_space(c) || c == '(')
        .next()
        .unwrap_or_default();
    let lower = last.to_lowercase();
    let initial = last.chars().count() == 1 && last.chars().all(char::is_uppercase);
    let number =
        !last.is_empty() && last.len() == before.trim_start().len() && last.chars().all(|c| c.is_ascii_digit());
    !(ABBREVIATIONS.contains(&lower.as_str()) || initial || number)
}

fn push(found: &mut Vec<Range<usize>>, text: &str, range: Range<usize>) {
    let part = &text[range.clone()];
    let (leading, trailing) = (part.trim_start_matches(is_space), part.trim_end_matches(is_space));
    if part.chars().any(char::is_alphanumeric) {
        found.push(range.start + part.len() - leading.len()..range.start + trailing.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn by_hand() {
        assert_eq!(
            split("One. Two!  \"Three?\" Four"),
            ["One.", "Two!", "\"Three?\"", "Four"]
        );
        assert_eq!(
            split("It fell by 1.5 mg, e.g. Fig. 2. Dr. J. Smith agreed."),
            ["It fell by 1.5 mg, e.g. Fig. 2.", "Dr. J. Smith agreed."]
        );
        assert_eq!(
            split("1. First\n2. second ... and more.\n\n- \n"),
            ["1. First", "2. second ... and more."]
        );
        assert_eq!(split(" . ! "), Vec::<&str>::new());
        assert_eq!(split(""), Vec::<&str>::new());
    }
}
