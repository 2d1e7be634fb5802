//! Words and letters that must, or must not, occur.

use regex::{Regex, RegexBuilder};

/// Whether every keyword occurs, in any case, also inside a word.
#[must_use]
pub fn all_occur(text: &str, keywords: &[String]) -> bool {
    keywords.iter().all(|keyword| occurrences(text, keyword) > 0)
}

/// How often a keyword occurs without overlap, in any case, also inside a word; white space around the keyword does not count.
#[must_use]
pub fn occurrences(text: &str, keyword: &str) -> usize {
    literal(keyword.trim_matches(crate::text::is_space)).map_or(0, |pattern| pattern.find_iter(text).count())
}

/// Whether none of the words occurs as a word of its own, in any case.
#[must_use]
pub fn none_occurs(text: &str, words: &[String]) -> bool {
    !words.iter().any(|word| occurs_as_word(text, word))
}

fn occurs_as_word(text: &str, word: &str) -> bool {
    let Some(pattern) = literal(word) else {
        return false;
    };
    let is_boundary = |at: usize| {
        let before = text[..at].chars().next_back().is_some_and(is_word);
        let after = text[at..].chars().next().is_some_and(is_word);
        before != after
    };
    let mut from = 0;
    while let Some(found) = pattern.find_at(text, from) {
        if is_boundary(found.start()) && is_boundary(found.end()) {
            return true;
        }
        let step = text[found.start()..].chars().next().map_or(1, char::len_utf8);
        from = found.start() + step;
    }
    false
}

/// How often a letter occurs, in either case.
#[must_use]
pub fn letters(text: &str, letter: char) -> usize {
    let wanted: Vec<char> = letter.to_lowercase().collect();
    let [wanted] = wanted.as_slice() else { return 0 };
    text.to_lowercase().chars().filter(|c| c == wanted).count()
}

/// What Python's `\w` matches: letters, digits and underscore, no combining marks.
fn is_word(c: char) -> bool {
    c == '_' || crate::text::is_letter_or_number(c)
}

fn literal(text: &str) -> Option<Regex> {
    RegexBuilder::new(&regex::escape(text))
        .case_insensitive(true)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keywords_may_stand_inside_words_forbidden_ones_only_alone() {
        assert!(all_occur("Breakfast", &list(&["FAST", "break"])));
        assert!(!all_occur("Breakfast", &list(&["fast", "lunch"])));
        assert_eq!(occurrences("aaaa Aa", " aa "), 3);
        assert!(none_occurs("Breakfast café_ can't", &list(&["fast", "café", "x"])));
        assert!(!none_occurs("a can-do", &list(&["CAN"])));
        assert!(!none_occurs("xaa aa", &list(&["aa"])));
    }

    #[test]
    fn letters_in_either_case() {
        assert_eq!(letters("Anna", 'A'), 2);
        assert_eq!(letters("#a#", '#'), 2);
        assert_eq!(letters("aaa", '\u{130}'), 0);
    }
}
