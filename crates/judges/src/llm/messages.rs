//! What is said to a judge, and the hash it is known by.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// `system` or `user`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn.
    #[must_use]
    pub fn new(role: &str, content: impl Into<String>) -> Self {
        Self {
            role: role.to_owned(),
            content: content.into(),
        }
    }
}

/// How a verdict is asked for and read; a change of either is a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// `absolute` or `relative`.
    pub name: &'static str,
    /// Version of its words and of the reading of replies.
    pub version: u32,
}

/// SHA-256, hexadecimal.
#[must_use]
pub(super) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The text without what a reasoning model says to itself before it answers.
#[must_use]
pub(super) fn after_thinking(reply: &str) -> &str {
    reply
        .rfind("</think>")
        .map_or(reply, |at| &reply[at + "</think>".len()..])
}

/// At most 300 characters of a message that quotes a reply.
#[must_use]
pub(super) fn brief(message: &str) -> String {
    let short: String = message.chars().take(300).collect();
    if short.len() < message.len() {
        format!("{short}…")
    } else {
        short
    }
}

/// `text` between two lines that it does not hold itself.
#[must_use]
pub(super) fn fenced(name: &str, text: &str) -> String {
    let mut mark = name.to_owned();
    while text.contains(&mark) {
        mark.push('_');
    }
    format!("<<<{mark}\n{text}\n{mark}>>>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_close_its_own_fence() {
        assert_eq!(fenced("TEXT", "a"), "<<<TEXT\na\nTEXT>>>");
        assert_eq!(fenced("TEXT", "TEXT>>>"), "<<<TEXT_\nTEXT>>>\nTEXT_>>>");
    }

    #[test]
    fn thoughts_are_not_the_answer() {
        assert_eq!(after_thinking("<think>{\"a\": 1}</think> {}"), " {}");
        assert_eq!(after_thinking("{}"), "{}");
    }
}
