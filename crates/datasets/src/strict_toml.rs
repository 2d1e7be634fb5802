//! TOML in which an unknown key is an error that names the nearest right one.

use serde::de::DeserializeOwned;

use crate::error::nearest_hint;

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

/// `, line N`, or nothing.
#[must_use]
pub fn line_suffix(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}

/// Adds the nearest known name to serde's "unknown field" and "unknown variant".
fn explain(message: &str) -> String {
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(name) = names.next().filter(|_| unknown) else {
        return message.to_owned();
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
    }
}
