//! Reading replies: others' data, hostile until read. Every reader says what it found where it expected something else.

use secateur_endpoint::error_words;
use serde_json::Value;

/// What a server generated.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// All tokens, an end token and those of a stop text included.
    Tokens {
        /// Their ids.
        ids: Vec<u32>,
        /// ln p of each of them, where the server tells.
        log_probabilities: Option<Vec<f64>>,
    },
    /// Text without special tokens.
    Text {
        /// Stop texts may still be in it.
        text: String,
        /// Tokens generated, an end token included.
        tokens: usize,
    },
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// Tokens of the prompt, as the server counts them.
    pub prompt_tokens: usize,
    /// Why it ended, in the server's words.
    pub finish: String,
    /// What it said.
    pub said: Said,
}

/// One token of a continuation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScore {
    /// ln p.
    pub log_probability: f64,
    /// Whether no token was likelier.
    pub greedy: bool,
}

/// The reply as JSON.
///
/// # Errors
/// If it is something else, or an error with status 200.
pub fn json(body: &[u8]) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let start: String = String::from_utf8_lossy(body).chars().take(60).collect();
        let start: String = start.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("the reply is not JSON ({error}); it begins `{}`", start.trim())
    })?;
    match value.get("error").filter(|error| !error.is_null()) {
        Some(error) => Err(format!("the reply is an error: {}", error_words(error))),
        None => Ok(value),
    }
}

/// The only choice of an `OpenAI` completion.
///
/// # Errors
/// If there is none, or several.
pub fn choice(reply: &Value) -> Result<&Value, String> {
    match list(reply, "/choices")? {
        [choice] => Ok(choice),
        several => Err(format!("the reply has {} `choices`, expected 1", several.len())),
    }
}

/// A list.
///
/// # Errors
/// If there is something else.
pub fn list<'a>(value: &'a Value, place: &str) -> Result<&'a [Value], String> {
    let found = value.pointer(place).and_then(Value::as_array);
    found
        .map(Vec::as_slice)
        .ok_or_else(|| missing(place, "a list", value.pointer(place)))
}

/// A number of things.
///
/// # Errors
/// If there is something else.
pub fn count(value: &Value, place: &str) -> Result<usize, String> {
    let found = value.pointer(place).and_then(Value::as_u64);
    let found = found.and_then(|count| usize::try_from(count).ok());
    found.ok_or_else(|| missing(place, "a number of tokens", value.pointer(place)))
}

/// A text.
///
/// # Errors
/// If there is something else.
pub fn text<'a>(value: &'a Value, place: &str) -> Result<&'a str, String> {
    let found = value.pointer(place).and_then(Value::as_str);
    found.ok_or_else(|| missing(place, "text", value.pointer(place)))
}

/// Token ids.
///
/// # Errors
/// If there is something else.
pub fn ids(value: &Value, place: &str) -> Result<Vec<u32>, String> {
    list(value, place)?.iter().map(|id| token(id, place)).collect()
}

/// A token id.
///
/// # Errors
/// If it is something else.
pub fn token(value: &Value, place: &str) -> Result<u32, String> {
    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| missing(place, "token ids", Some(value)))
}

/// A log-probability: finite and, but for rounding, at most 0.
///
/// # Errors
/// If it is something else. Some servers write −9999 or the smallest of all numbers for −∞.
pub fn log_probability(value: Option<&Value>, place: &str) -> Result<f64, String> {
    match value.and_then(Value::as_f64) {
        Some(found) if found > -9999.0 && found <= 1e-3 => Ok(found.min(0.0)),
        Some(found) => Err(format!(
            "`{place}` holds a log-probability of {found}, expected a finite one, at most 0"
        )),
        None => Err(missing(place, "a log-probability", value)),
    }
}

/// One per token.
///
/// # Errors
/// If the numbers differ.
pub fn same_count(found: usize, expected: usize, place: &str) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "`{place}` has {found} entries, expected {expected}: one per token"
    ))
}

fn missing(place: &str, expected: &str, found: Option<&Value>) -> String {
    let name = place.trim_start_matches('/').replace('/', ".");
    let found = match found {
        None => "nothing".to_owned(),
        Some(value) => {
            let text: String = value.to_string().chars().take(40).collect();
            format!("`{text}`")
        }
    };
    format!("the reply has {found} at `{name}`, expected {expected}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_reply_is_said() {
        let error = |body: &[u8]| json(body).unwrap_err();
        assert!(error(b"<html>\n502").contains("not JSON") && error(b"<html>\n502").contains("`<html> 502`"));
        assert!(error(br#"{"error": {"message": "out of\nmemory"}}"#).contains("out of"));
        assert!(error(&b"[".repeat(100_000)).contains("not JSON"));
        assert!(json(br#"{"error": null}"#).is_ok());
    }

    #[test]
    fn numbers_are_numbers() {
        let at = |value: Value| log_probability(Some(&value), "x");
        assert_eq!(at(json!(-1.5)), Ok(-1.5));
        assert_eq!(at(json!(1e-7)), Ok(0.0));
        for bad in [
            json!(0.5),
            json!(-9999.0),
            json!(-3.4e38),
            json!(null),
            json!("-1"),
            json!([]),
        ] {
            assert!(at(bad.clone()).is_err(), "{bad}");
        }
        assert!(log_probability(None, "x").unwrap_err().contains("nothing"));
        assert!(ids(&json!({"a": [1, -1]}), "/a").unwrap_err().contains("`-1`"));
        assert!(ids(&json!({"a": [1, 4_294_967_296_u64]}), "/a").is_err());
        assert!(
            count(&json!({"usage": {}}), "/usage/n")
                .unwrap_err()
                .contains("`usage.n`")
        );
        assert!(choice(&json!({"choices": [1, 2]})).unwrap_err().contains("2 `choices`"));
    }
}
