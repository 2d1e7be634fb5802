//! What the reference libraries take for white space, words and punctuation. They are written in Python, whose rules differ
//! from Rust's in a few characters.

use std::sync::LazyLock;

use regex::Regex;

/// White space as `str.split` and `str.strip` of Python have it: Unicode's, and the four separators U+001C–U+001F.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// A letter or number as `str.isalnum` of Python has it, which leaves combining marks out.
pub(crate) fn is_letter_or_number(c: char) -> bool {
    static CLASS: Pattern = Pattern::new(|| pattern(r"[\p{L}\p{N}]"));
    c.is_ascii_alphanumeric() || (!c.is_ascii() && CLASS.is_match(c.encode_utf8(&mut [0; 4])))
}

/// Words between white space.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Lower case, without ASCII punctuation.
pub(crate) fn lower_without_punctuation(text: &str) -> String {
    text.to_lowercase()
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect()
}

/// Words joined by single blanks.
pub(crate) fn collapse(text: &str) -> String {
    words(text).collect::<Vec<_>>().join(" ")
}

/// A pattern that is part of the program.
pub(crate) type Pattern = LazyLock<Regex>;

/// Compiles a pattern that is part of the program; every one of them is exercised by a test.
pub(crate) fn pattern(source: &str) -> Regex {
    match Regex::new(source) {
        Ok(regex) => regex,
        Err(error) => unreachable!("built-in pattern: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_of_python_are_white_space() {
        assert_eq!(words("a\u{1c}b \u{a0}c\n").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(lower_without_punctuation("Don't — stop!"), "dont — stop");
        assert_eq!(collapse("  a \n b "), "a b");
    }
}
