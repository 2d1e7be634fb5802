//! All capital, all lower case, and commas.

use crate::ifeval::language;

/// Whether the text has letters with case and none of them is a small one.
#[must_use]
pub fn is_upper(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && !text.chars().any(|c| c.is_lowercase() || is_title_case(c))
}

/// Whether the text has letters with case and none of them is a capital.
#[must_use]
pub fn is_lower(text: &str) -> bool {
    text.chars().any(char::is_lowercase) && !text.chars().any(|c| c.is_uppercase() || is_title_case(c))
}

/// English and in capitals alone.
#[must_use]
pub fn is_english_in_capitals(text: &str) -> bool {
    is_upper(text) && language::is_in(text, "en")
}

/// English and without capitals.
#[must_use]
pub fn is_english_without_capitals(text: &str) -> bool {
    is_lower(text) && language::is_in(text, "en")
}

/// No `,`.
#[must_use]
pub fn has_no_comma(text: &str) -> bool {
    !text.contains(',')
}

/// Characters such as `ǅ`, that are neither capital nor small.
fn is_title_case(c: char) -> bool {
    matches!(c, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ' | '\u{1f88}'..='\u{1f8f}' | '\u{1f98}'..='\u{1f9f}' | '\u{1fa8}'..='\u{1faf}' | '\u{1fbc}' | '\u{1fcc}' | '\u{1ffc}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_needs_a_letter_that_has_one() {
        assert!(is_upper("A 1!") && !is_upper("1!") && !is_upper("Aa") && !is_upper("Aǅ"));
        assert!(is_lower("a 1!") && !is_lower("1!") && !is_lower("aA"));
        assert!(has_no_comma("a; b") && !has_no_comma("a, b"));
    }

    #[test]
    fn english_is_asked_for_as_well() {
        assert!(is_english_without_capitals(
            "this is a sentence in english and it is long enough"
        ));
        assert!(!is_english_without_capitals(
            "dies ist ein langer satz in deutscher sprache"
        ));
        assert!(is_english_in_capitals(
            "THIS IS A SENTENCE IN ENGLISH AND IT IS LONG ENOUGH"
        ));
    }
}
