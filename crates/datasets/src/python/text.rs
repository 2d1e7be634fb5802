//! `str` methods where Python and Rust disagree: which characters are white space, which are
//! digits, and where lines end.

/// First code points of the runs of ten decimal digits (general category Nd, Unicode 14).
const DECIMAL_ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
    0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0,
    0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60,
    0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// `str.isspace` of one character: Unicode white space and the four ASCII separators.
#[must_use]
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.strip()`.
#[must_use]
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.split()`.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// `" ".join(text.split())`.
#[must_use]
pub fn squeeze(text: &str) -> String {
    split(text).collect::<Vec<_>>().join(" ")
}

/// `str.splitlines()`: also at vertical tab, form feed, the ASCII separators, NEL, LS and PS.
#[must_use]
pub fn split_lines(text: &str) -> Vec<&str> {
    let ends = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(ends) {
        let end = &rest[at..];
        let width = if end.starts_with("\r\n") {
            2
        } else {
            end.chars().next().map_or(1, char::len_utf8)
        };
        lines.push(&rest[..at]);
        rest = &end[width..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// Text without the 32 characters of `string.punctuation`.
#[must_use]
pub fn without_punctuation(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_punctuation()).collect()
}

/// The value of a decimal digit of any script.
#[must_use]
pub fn decimal_digit(c: char) -> Option<u32> {
    let code = u32::from(c);
    let run = DECIMAL_ZEROS.partition_point(|&zero| zero <= code).checked_sub(1)?;
    let digit = code - DECIMAL_ZEROS[run];
    (digit < 10).then_some(digit)
}

/// `int(text)` for text made of decimal digits alone; `None` for other text and for numbers that
/// are too large to be an index.
#[must_use]
pub fn parse_index(text: &str) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    text.chars().try_fold(0_i64, |sum, c| {
        sum.checked_mul(10)?.checked_add(decimal_digit(c)?.into())
    })
}

/// The first `count` characters: a Python slice counts code points.
#[must_use]
pub fn first_characters(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// `str.capitalize()`: the first character in title case, all others lower.
#[must_use]
pub fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let mut result = title_case(first);
    // Lower-cased as part of the whole word: a final sigma depends on what stands before it.
    let lower = text.to_lowercase();
    let first_lower: String = first.to_lowercase().collect();
    result.push_str(lower.strip_prefix(&first_lower).unwrap_or_default());
    result
}

fn title_case(character: char) -> String {
    match character {
        'Ǆ' | 'ǅ' | 'ǆ' => "ǅ".to_owned(),
        'Ǉ' | 'ǈ' | 'ǉ' => "ǈ".to_owned(),
        'Ǌ' | 'ǋ' | 'ǌ' => "ǋ".to_owned(),
        'Ǳ' | 'ǲ' | 'ǳ' => "ǲ".to_owned(),
        'ა'..='ჿ' => character.to_string(),
        other => {
            let mut upper = other.to_uppercase();
            let mut title: String = upper.next().into_iter().collect();
            title.extend(upper.flat_map(char::to_lowercase));
            title
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_that_of_python() {
        assert_eq!(strip("\u{1c}\u{a0}B\u{1f}\u{2028}"), "B");
        assert_eq!(strip("A\u{200b}"), "A\u{200b}");
        assert_eq!(squeeze(" a\u{1c}b \n c "), "a b c");
    }

    #[test]
    fn capitalize_lowers_everything_after_the_first_character() {
        assert_eq!(capitalize("the NASA probe"), "The nasa probe");
        assert_eq!(capitalize(""), "");
        assert_eq!(capitalize("ßa"), "Ssa");
        assert_eq!(capitalize("ǆA"), "ǅa");
        assert_eq!(capitalize("ΟΔΟΣ"), "Οδος");
        assert_eq!(capitalize("(A) B"), "(a) b");
    }

    #[test]
    fn lines_end_where_python_ends_them() {
        assert_eq!(split_lines("a\r\nb\u{c}c\n\nd\n"), ["a", "b", "c", "", "d"]);
        assert!(split_lines("").is_empty());
        assert_eq!(split_lines("\u{2028}x"), ["", "x"]);
    }

    #[test]
    fn digits_of_any_script_count() {
        assert_eq!(parse_index("٣"), Some(3));
        assert_eq!(parse_index("03"), Some(3));
        assert_eq!(parse_index("²"), None);
        assert_eq!(parse_index(""), None);
        assert_eq!(parse_index("99999999999999999999"), None);
        assert!(DECIMAL_ZEROS.is_sorted());
    }

    #[test]
    fn slices_count_characters() {
        assert_eq!(first_characters("aéi", 2), "aé");
        assert_eq!(first_characters("a", 2), "a");
    }
}
