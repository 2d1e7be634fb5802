//! The envelope: a chat completion as endpoints send it. Others' data, hostile until read.

use secateur_endpoint::error_words;
use serde_json::Value;

/// What the model said, and what the endpoint says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The text; empty where the model said nothing.
    pub content: String,
    /// `stop`, `length`, `content_filter`, …
    pub finish_reason: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// Tokens read.
    pub tokens_in: Option<u64>,
    /// Tokens written.
    pub tokens_out: Option<u64>,
}

/// Reads the body of an answer with status 200.
///
/// # Errors
/// What it is instead of a chat completion.
pub fn read(body: &[u8]) -> Result<Reply, String> {
    let envelope: Value =
        serde_json::from_slice(body).map_err(|error| format!("the endpoint's answer is not JSON ({error})"))?;
    if let Some(message) = envelope.get("error").filter(|error| !error.is_null()) {
        return Err(format!("the endpoint answered with an error: {}", error_words(message)));
    }
    let choice = envelope
        .get("choices")
        .and_then(Value::as_array)
        .and_then(|choices| choices.first())
        .ok_or("the endpoint's answer has no `choices`")?;
    let message = choice
        .get("message")
        .filter(|message| message.is_object())
        .ok_or("the endpoint's answer has no `message` in its first choice")?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let tokens = |name: &str| envelope.pointer(&format!("/usage/{name}")).and_then(Value::as_u64);
    Ok(Reply {
        content: content(message.get("content"))?,
        finish_reason: text(choice.get("finish_reason")),
        model: text(envelope.get("model")),
        tokens_in: tokens("prompt_tokens"),
        tokens_out: tokens("completion_tokens"),
    })
}

/// Text, a list of parts with text, or nothing.
fn content(value: Option<&Value>) -> Result<String, String> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let texts: Option<Vec<&str>> = parts.iter().map(|part| part.get("text")?.as_str()).collect();
            let texts = texts.ok_or("the message has parts that are not text")?;
            Ok(texts.concat())
        }
        Some(_) => Err("the message's `content` is not text".into()),
    }
}

/// Why this reply cannot hold a whole verdict, if so.
pub fn unfinished(finish_reason: Option<&str>, content: &str, max_tokens: u32) -> Option<String> {
    match finish_reason {
        Some("length") => Some(format!("cut off at {max_tokens} tokens (`max_tokens`)")),
        Some("content_filter") => Some("stopped by the endpoint's content filter".into()),
        _ if content.trim().is_empty() => Some("an empty reply".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(body: &str) -> String {
        read(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_usual_answer() {
        let body = r#"{"model":"m-1","choices":[{"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}}"#;
        let reply = read(body.as_bytes()).unwrap();
        assert_eq!(
            (reply.content.as_str(), reply.finish_reason.as_deref()),
            ("yes", Some("stop"))
        );
        assert_eq!((reply.tokens_in, reply.tokens_out), (Some(12), Some(3)));
        assert_eq!(reply.model.as_deref(), Some("m-1"));
    }

    #[test]
    fn what_is_absent_is_none_and_not_zero() {
        let reply = read(br#"{"choices":[{"message":{"content":null}}]}"#).unwrap();
        assert_eq!(
            (reply.tokens_in, reply.tokens_out, reply.finish_reason),
            (None, None, None)
        );
        assert_eq!(reply.content, "");
        let odd = br#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"text":"b"}]}}],"usage":{"prompt_tokens":-1}}"#;
        let reply = read(odd).unwrap();
        assert_eq!((reply.content.as_str(), reply.tokens_in), ("ab", None));
    }

    #[test]
    fn what_is_no_chat_completion_is_said() {
        assert!(error("<html>").contains("not JSON"));
        assert!(error("{}").contains("no `choices`"));
        assert!(error(r#"{"choices":[]}"#).contains("no `choices`"));
        assert!(error(r#"{"choices":[{"text":"x"}]}"#).contains("no `message`"));
        assert!(error(r#"{"choices":[{"message":{"content":7}}]}"#).contains("not text"));
        assert!(error(r#"{"error":{"message":"over\nloaded"}}"#).ends_with("error: over"));
        assert!(error(&"[".repeat(100_000)).contains("not JSON"));
    }

    #[test]
    fn cut_filtered_and_empty_replies_hold_no_verdict() {
        assert!(unfinished(Some("length"), "{}", 9).unwrap().contains("9 tokens"));
        assert!(unfinished(Some("content_filter"), "{}", 9).is_some());
        assert!(unfinished(Some("stop"), " \n", 9).is_some());
        assert!(unfinished(None, "{}", 9).is_none());
    }
}
