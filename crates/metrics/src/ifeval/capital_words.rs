//! Words in capitals, where a word is what a Penn Treebank tokenizer makes one: `CAN'T` is `CA` and `N'T`, `I'm` is `I` and `'m`, `A--B` is two.
//!
//! Only what decides the number of tokens in capitals is done: marks that stand for themselves become gaps.

use crate::ifeval::case::is_upper;
use crate::ifeval::sentences::sentences;
use crate::text::{self, Pattern};

/// Marks that never belong to a word.
static GAPS: Pattern =
    Pattern::new(|| text::pattern("[«»“”„‘’`\";@#$%&?!*()<>{}\\[\\]\\u{2012}-\\u{2015}]|''|--|\\.{2,}"));
/// A full stop at the end of the sentence.
static FULL_STOP: Pattern = Pattern::new(|| text::pattern(r"\.['\s]*$"));
/// Words that are two.
static JOINED: Pattern = Pattern::new(|| {
    text::pattern(r"(?i)\b(?:(can)(not)|(d)('ye)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(more)('n)|(wan)(na))\b")
});
static TIS: Pattern = Pattern::new(|| text::pattern(r"(?i) ('t)(is|was)\b"));
const SHORT_CLITICS: [&str; 6] = ["'s", "'S", "'m", "'M", "'d", "'D"];
const LONG_CLITICS: [&str; 8] = ["'ll", "'LL", "'re", "'RE", "'ve", "'VE", "n't", "N'T"];

/// Words in capitals.
#[must_use]
pub fn count(text: &str) -> usize {
    sentences(text).iter().map(|sentence| count_in_sentence(sentence)).sum()
}

fn count_in_sentence(sentence: &str) -> usize {
    let text = GAPS.replace_all(sentence, " ");
    let text = without_inner_marks(&text);
    let text = FULL_STOP.replace(&text, " ");
    let clitics = text::words(&text).map(split_clitic).collect::<Vec<_>>().join(" ");
    let parted = JOINED.replace_all(&clitics, |found: &regex::Captures<'_>| {
        let parts: Vec<&str> = found.iter().skip(1).flatten().map(|part| part.as_str()).collect();
        parts.join(" ")
    });
    let spaced = format!(" {parted} ");
    let parted = TIS.replace_all(&spaced, " $1 $2");
    text::words(&parted).filter(|token| is_upper(token)).count()
}

/// Colons and commas part words unless a digit follows.
fn without_inner_marks(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if !matches!(c, ':' | ',') {
            result.push(c);
            continue;
        }
        match characters.peek() {
            Some(next) if next.is_numeric() => result.push(c),
            Some(_) => {
                result.push(' ');
                result.extend(characters.next());
            }
            None => result.push(' '),
        }
    }
    result
}

fn split_clitic(word: &str) -> String {
    let word = split_suffix(word, &["'"]);
    let word = split_last(&word, &SHORT_CLITICS);
    split_last(&word, &LONG_CLITICS)
}

/// Parts the last suffix of the first token.
fn split_last(word: &str, suffixes: &[&str]) -> String {
    match word.split_once(' ') {
        Some((head, rest)) => format!("{} {rest}", split_suffix(head, suffixes)),
        None => split_suffix(word, suffixes),
    }
}

fn split_suffix(word: &str, suffixes: &[&str]) -> String {
    let stem = suffixes.iter().find_map(|suffix| word.strip_suffix(suffix));
    match stem {
        Some(stem) if !stem.is_empty() && !stem.ends_with('\'') => format!("{stem} {}", &word[stem.len()..]),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_capitals() {
        for (text, expected) in [
            ("NASA and the U.S. agreed.", 2),
            ("I CAN'T, I said.", 4),
            ("I'm here. I'd go.", 2),
            ("JOHN'S HOUSE--BIG", 4),
            ("CANNOT", 2),
            ("'TIS TRUE", 3),
            ("**BOLD** (CAPS) \"QUOTE\"", 3),
            ("COVID-19 is A,1 B,C", 4),
            ("3D 12 Mixed", 1),
            ("", 0),
        ] {
            assert_eq!(count(text), expected, "{text}");
        }
    }
}
