//! TOML in which an unknown key is an error that names the nearest right one.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::nearest_hint;
use crate::toml_place::refusal;

/// Parses `text`; the error is the line (from 1) where known, and a message.
///
/// # Errors
/// Text that is not TOML, a missing key, a value of the wrong kind, or an unknown key.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (Option<usize>, String)> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        (line, explain(error.message()))
    })
}

/// As [`parse`], of a file's text. The error names file, line and column, and shows the line with the place marked.
///
/// # Errors
/// As [`parse`], in one message.
pub fn parse_file<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        // What is missing from the whole file has no place in it.
        let blank =
            |span: &std::ops::Range<usize>| text.get(span.clone()).is_none_or(|marked| marked.trim().is_empty());
        let whole = |span: &std::ops::Range<usize>| *span == (0..text.len()) || (span.start == 0 && blank(span));
        let missing = error.message().starts_with("missing field");
        let span = error.span().filter(|span| !(missing && whole(span)));
        refusal(file, text, span, &explain(error.message()))
    })
}

/// Adds the nearest known name to serde's "unknown field" and "unknown variant".
fn explain(message: &str) -> String {
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(name) = names.next().filter(|_| unknown) else {
        return in_words(message);
    };
    let known: Vec<&str> = names.collect();
    let what = if message.starts_with("unknown field") {
        "unknown key"
    } else {
        "unknown value"
    };
    format!(
        "{what} `{name}`{} (known here: {})",
        nearest_hint(name, known.iter().copied()),
        known.join(", ")
    )
}

/// Names of types as those know them who write no Rust.
fn in_words(message: &str) -> String {
    let kinds = [
        ("expected usize", "a whole number, 0 or more"),
        ("expected u32", "a whole number, 0 or more"),
        ("expected u64", "a whole number, 0 or more"),
        ("expected i64", "a whole number"),
        ("expected f64", "a number"),
        ("expected a sequence", "a list in [ ]"),
        ("expected a map", "a table"),
    ];
    let kind = kinds.into_iter().find(|(end, _)| message.ends_with(end));
    kind.map_or_else(|| message.to_owned(), |(_, words)| format!("{message} ({words})"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        samples: usize,
        seed: u64,
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        let (line, message) = parse::<Sample>("samples = 1\nsed = 2\n").unwrap_err();
        assert_eq!(line, Some(2));
        assert_eq!(
            message,
            "unknown key `sed`: did you mean `seed`? (known here: samples, seed)"
        );
    }

    #[test]
    fn other_mistakes_keep_their_message() {
        let (_, message) = parse::<Sample>("samples = 1").unwrap_err();
        assert!(message.contains("missing field `seed`"), "{message}");
        let (line, message) = parse::<Sample>("samples = 1\nseed = \"x\"").unwrap_err();
        assert!(line == Some(2) && message.contains("expected u64"), "{message}");
        assert!(message.ends_with("(a whole number, 0 or more)"), "{message}");
    }

    #[test]
    fn a_file_is_pointed_into() {
        let file = Path::new("s.toml");
        let message = parse_file::<Sample>(file, "samples = 1\n  sed = 2\n").unwrap_err();
        assert!(
            message.starts_with("s.toml, line 2, column 3: unknown key `sed`"),
            "{message}"
        );
        assert!(message.ends_with("\n2 |   sed = 2\n  |   ^^^"), "{message}");
        let message = parse_file::<Sample>(file, "samples = 1\n").unwrap_err();
        assert!(message.contains("missing field `seed`"), "{message}");
        let message = parse_file::<Sample>(file, "samples = \n").unwrap_err();
        assert!(message.starts_with("s.toml, line 1, column "), "{message}");
    }
}
