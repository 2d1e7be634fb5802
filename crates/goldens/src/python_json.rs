//! JSON as Python writes it, with values that JSON has not.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

/// What Python writes where a number is none.
const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Reads a file. Values that are not finite become `null`, which is not compared.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    serde_json::from_str(&finite(&text)).map_err(|error| format!("{}: {error}", path.display()))
}

/// The text with `null` for such words outside strings.
fn finite(text: &str) -> String {
    let parts = text.split('"');
    let mut inside = false;
    let mut escaped = false;
    let mut result = String::with_capacity(text.len());
    for (i, part) in parts.enumerate() {
        if i > 0 {
            result.push('"');
            inside = if inside { escaped } else { true };
        }
        if inside {
            result.push_str(part);
            let backslashes = part.len() - part.trim_end_matches('\\').len();
            escaped = backslashes % 2 == 1;
        } else {
            let replaced = WORDS
                .iter()
                .fold(part.to_owned(), |part, word| part.replace(word, "null"));
            result.push_str(&replaced);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::finite;

    #[test]
    fn words_in_strings_stay() {
        let text = r#"{"NaN": [NaN, -Infinity, 1.5], "a \" Infinity": Infinity}"#;
        assert_eq!(finite(text), r#"{"NaN": [null, null, 1.5], "a \" Infinity": null}"#);
    }
}
