//! Questions answered in words, in the shapes that tasks share.

use crate::item::{Generate, Message};

/// One turn of a conversation.
#[must_use]
pub fn turn(role: &str, content: impl Into<String>) -> Message {
    Message {
        role: role.to_owned(),
        content: content.into(),
    }
}

/// One user turn with nothing to compare the answer with.
#[must_use]
pub fn question(content: impl Into<String>) -> Generate {
    Generate {
        messages: vec![turn("user", content)],
        prefix: None,
        references: Vec::new(),
        source: None,
        unanswerable: false,
    }
}
