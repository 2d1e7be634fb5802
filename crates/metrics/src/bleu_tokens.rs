//! The tokenisers of BLEU, as sacreBLEU names them.
//!
//! Source: mteval-v13a.pl and mteval-v14.pl of NIST in the form that sacreBLEU 2.6 gives them.

use std::borrow::Cow;

use regex::Regex;

use crate::text::{self, Pattern};

/// How text is cut into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tokenizer {
    /// `13a`: punctuation off words, but not inside numbers. The default of WMT.
    #[default]
    Mteval13a,
    /// `intl`: as `13a` for all of Unicode's punctuation and symbols.
    International,
    /// `char`: every character.
    Character,
    /// `none`: white space only.
    Whitespace,
}

/// Every ASCII symbol but `'`, `,`, `-`, `.`, wherever it stands.
static SYMBOL: Pattern = Pattern::new(|| text::pattern(r"([{-~\[-` -&(-+:-@/])"));
static STOP_AFTER_OTHER: Pattern = Pattern::new(|| text::pattern(r"([^0-9])([.,])"));
static STOP_BEFORE_OTHER: Pattern = Pattern::new(|| text::pattern(r"([.,])([^0-9])"));
static DASH_AFTER_DIGIT: Pattern = Pattern::new(|| text::pattern(r"([0-9])(-)"));

static PUNCTUATION_AFTER_OTHER: Pattern = Pattern::new(|| text::pattern(r"(\P{N})(\p{P})"));
static PUNCTUATION_BEFORE_OTHER: Pattern = Pattern::new(|| text::pattern(r"(\p{P})(\P{N})"));
static ANY_SYMBOL: Pattern = Pattern::new(|| text::pattern(r"(\p{S})"));

impl Tokenizer {
    /// The tokeniser that sacreBLEU's signatures call `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "13a" => Some(Self::Mteval13a),
            "intl" => Some(Self::International),
            "char" => Some(Self::Character),
            "none" => Some(Self::Whitespace),
            _ => None,
        }
    }

    /// Tokens of a text.
    #[must_use]
    pub fn tokens(self, text: &str) -> Vec<String> {
        let spaced: Cow<'_, str> = match self {
            Self::Mteval13a => mteval_13a(text).into(),
            Self::International => replace_all(
                text.into(),
                &[
                    (&PUNCTUATION_AFTER_OTHER, "$1 $2 "),
                    (&PUNCTUATION_BEFORE_OTHER, " $1 $2"),
                    (&ANY_SYMBOL, " $1 "),
                ],
            )
            .into(),
            Self::Character => {
                return text.chars().filter(|&c| !text::is_space(c)).map(String::from).collect();
            }
            Self::Whitespace => text.into(),
        };
        text::words(&spaced).map(str::to_owned).collect()
    }
}

fn mteval_13a(text: &str) -> String {
    let mut text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
        text = text.replace(entity, character);
    }
    replace_all(
        format!(" {text} "),
        &[
            (&SYMBOL, " $1 "),
            (&STOP_AFTER_OTHER, "$1 $2 "),
            (&STOP_BEFORE_OTHER, " $1 $2"),
            (&DASH_AFTER_DIGIT, "$1 $2 "),
        ],
    )
}

fn replace_all(text: String, rules: &[(&Regex, &str)]) -> String {
    rules.iter().fold(text, |text, (regex, replacement)| {
        regex.replace_all(&text, *replacement).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_whole_in_13a() {
        let tokens = Tokenizer::Mteval13a.tokens("It's $1,000.5 (net), 3-4 &amp; co.");
        let expected = [
            "It's", "$", "1,000.5", "(", "net", ")", ",", "3", "-", "4", "&", "co", ".",
        ];
        assert_eq!(tokens, expected);
    }

    #[test]
    fn international_knows_other_punctuation() {
        let tokens = Tokenizer::International.tokens("«Größe», 5€");
        assert_eq!(tokens, ["«", "Größe", "»", ",", "5", "€"]);
    }

    #[test]
    fn a_dash_before_a_line_break_joins_the_lines() {
        assert_eq!(Tokenizer::Mteval13a.tokens("bio-\nlogy -\n"), ["biology"]);
    }

    #[test]
    fn characters_and_words() {
        assert_eq!(Tokenizer::Character.tokens("a b\n"), ["a", "b"]);
        assert_eq!(Tokenizer::Whitespace.tokens(" a.  b "), ["a.", "b"]);
        assert_eq!(Tokenizer::from_name("13a"), Some(Tokenizer::default()));
        assert_eq!(Tokenizer::from_name("zh"), None);
    }
}
