//! Words, paragraphs, and what a paragraph begins with.

use crate::text::{self, Pattern};

/// `***` with one white space on either side.
static DIVIDER: Pattern = Pattern::new(|| text::pattern(r"[\s\x1c-\x1f]?\*\*\*[\s\x1c-\x1f]?"));

static WORD: Pattern = Pattern::new(|| text::pattern(r"\w+"));

/// Runs of letters, digits, combining marks and underscores, as NLTK 3.10 has them. Before that version a combining mark ended a word, so that
/// `दिन` was two.
#[must_use]
pub fn words(text: &str) -> usize {
    WORD.find_iter(text).count()
}

/// Whether `***` divides the text into so many paragraphs. One that is blank does not count at either end, and is a failure elsewhere.
#[must_use]
pub fn has_paragraphs(text: &str, paragraphs: usize) -> bool {
    let parts: Vec<&str> = DIVIDER.split(text).collect();
    let blank = |part: &&str| crate::degeneration::is_empty(part);
    let inner = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    !inner.iter().any(blank) && parts.iter().filter(|part| !blank(part)).count() == paragraphs
}

/// Whether the text has so many paragraphs between blank lines (`\n\n`), and the `nth` (from 1) begins with `first_word`, any case.
///
/// Blank paragraphs are not counted, but they are when the `nth` is looked up: as the reference does it.
#[must_use]
pub fn paragraph_begins_with(text: &str, paragraphs: usize, nth: usize, first_word: &str) -> bool {
    let parts: Vec<&str> = text.split("\n\n").collect();
    let filled = parts.iter().filter(|part| !crate::degeneration::is_empty(part)).count();
    let Some(nth) = nth.checked_sub(1).filter(|&nth| nth < filled) else {
        return false;
    };
    let Some(word) = text::words(parts[nth]).next() else {
        return false;
    };
    let word = word.trim_start_matches('\'').trim_start_matches('"');
    let end = word.find(['.', ',', '?', '!', '\'', '"']).unwrap_or(word.len());
    filled == paragraphs && word[..end].to_lowercase() == first_word.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs() {
        assert_eq!(words("Don't stop: 3.5 a_b"), 6);
        assert_eq!(words("यह दिन था।"), 3);
        assert_eq!(words(""), 0);
    }

    #[test]
    fn blank_paragraphs_count_nowhere() {
        assert!(has_paragraphs("one\n***\ntwo", 2));
        assert!(has_paragraphs("***\none *** two\n***", 2));
        assert!(!has_paragraphs("one *** *** two", 2));
        assert!(has_paragraphs("one", 1) && has_paragraphs("", 0) && has_paragraphs("***", 0));
    }

    #[test]
    fn the_nth_paragraph_is_looked_up_among_all() {
        assert!(paragraph_begins_with("a b\n\n'\"Elm, c", 2, 2, "ELM"));
        assert!(!paragraph_begins_with("a\n\n\n\nb", 2, 2, "b"));
        assert!(!paragraph_begins_with("a", 1, 2, "a"));
        assert!(!paragraph_begins_with("a\n\nb", 1, 1, "a"));
    }
}
