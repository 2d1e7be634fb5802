//! Conversations as JSON lists of `{role, content}`.

use serde_json::Value;

use crate::item::Message;
use crate::record::describe;

/// Roles that a turn can have.
pub const ROLES: [&str; 3] = ["system", "user", "assistant"];

/// The turns of a conversation.
///
/// # Errors
/// What was found and what was expected, where a turn is not `{role, content}` with a known role, or there is none.
pub fn parse(value: &Value) -> Result<Vec<Message>, (String, String)> {
    let expected = || "a list of {role, content} with role system, user or assistant".to_owned();
    let list = value
        .as_array()
        .filter(|list| !list.is_empty())
        .ok_or_else(|| (describe(value), expected()))?;
    let turn = |turn: &Value| {
        let role = turn
            .get("role")
            .and_then(Value::as_str)
            .filter(|role| ROLES.contains(role))?;
        let content = turn.get("content").and_then(Value::as_str)?;
        Some(Message {
            role: role.to_owned(),
            content: content.to_owned(),
        })
    };
    list.iter()
        .map(|entry| turn(entry).ok_or_else(|| (describe(entry), expected())))
        .collect()
}
