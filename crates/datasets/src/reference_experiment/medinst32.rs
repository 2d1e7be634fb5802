//! How the experiment puts a `MedINST32` example to a model: the instruction as the system turn, the
//! input as the user turn. (Its calibration text has both in one user turn.)

use crate::item::Message;
use crate::python::text::strip;
use crate::python::value::PyValue;

fn message(role: &str, content: String) -> Message {
    Message {
        role: role.to_owned(),
        content,
    }
}

/// The conversation of an example: instruction, history, input, each left out where empty. Turns
/// of the history that are not a pair are left out too.
#[must_use]
pub fn messages(example: &PyValue) -> Vec<Message> {
    let mut messages = Vec::new();
    let part = |key: &str| example.get(key).filter(|value| value.is_truthy()).map(PyValue::to_text);
    messages.extend(part("instruction").map(|text| message("system", text)));
    if let Some(PyValue::List(turns)) = example.get("history") {
        for turn in turns {
            if let PyValue::List(turn) = turn
                && let [asked, answered, ..] = turn.as_slice()
            {
                messages.push(message("user", asked.to_text()));
                messages.push(message("assistant", answered.to_text()));
            }
        }
    }
    messages.extend(part("input").map(|text| message("user", text)));
    messages
}

/// The text for a model without a chat template: instruction and input on lines of their own.
#[must_use]
pub fn plain_text(example: &PyValue) -> String {
    let text = format!("{}\n{}", example.text_at(&["instruction"]), example.text_at(&["input"]));
    strip(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_parts_are_left_out() {
        let example = PyValue::from(&json!({"instruction": "I", "input": "x", "history": [["short"], ["u", 5]]}));
        let turns: Vec<String> = messages(&example)
            .iter()
            .map(|m| format!("{}:{}", m.role, m.content))
            .collect();
        assert_eq!(turns, ["system:I", "user:u", "assistant:5", "user:x"]);
        assert_eq!(plain_text(&example), "I\nx");
        assert!(messages(&PyValue::from(&json!({}))).is_empty());
    }
}
