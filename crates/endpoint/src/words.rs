//! What a server says of an error, in one short line.

use serde_json::Value;

/// The endpoint's own words on an error, in one short line.
#[must_use]
pub fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let parsed: Option<Value> = serde_json::from_str(&text).ok();
    let said = parsed.as_ref().and_then(|value| {
        let places = ["/error", "/detail", "/message"];
        places.iter().find_map(|place| value.pointer(place)).map(error_words)
    });
    let line = said.unwrap_or_else(|| {
        text.lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or("")
            .to_owned()
    });
    shortened(&line)
}

/// The words in an `error` object or text.
#[must_use]
pub fn error_words(value: &Value) -> String {
    let text = value.get("message").unwrap_or(value);
    let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
    shortened(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default())
}

/// At most 300 characters, none of which moves the cursor.
fn shortened(line: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let short: String = line.chars().take(300).map(clean).collect();
    let dots = if line.chars().nth(300).is_some() { "…" } else { "" };
    format!("{}{dots}", short.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_short_line() {
        assert_eq!(
            words(br#"{"error":{"message":"no such model","code":1}}"#),
            "no such model"
        );
        assert_eq!(words(br#"{"detail":"Server is pinned"}"#), "Server is pinned");
        assert_eq!(words(b"\n  <h1>Bad\x1b[2J</h1>\nmore"), "<h1>Bad [2J</h1>");
        assert_eq!(words(b""), "");
        assert_eq!(words("x".repeat(1000).as_bytes()).chars().count(), 301);
    }
}
