//! What the page shows of an answer, read from its line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::error::Error;

/// One line of an answers file; fields that the page does not show are skipped.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Line {
    /// Item id.
    pub(super) item: String,
    #[serde(default)]
    pub(super) prompt: String,
    pub(super) output: Output,
    #[serde(default)]
    pub(super) scores: BTreeMap<String, f64>,
    #[serde(default)]
    pub(super) flags: BTreeSet<String>,
    /// Entities and numbers without support.
    #[serde(default)]
    pub(super) unsupported: Vec<String>,
}

/// Ways to answer that can be read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Output {
    Choices(Choices),
    Text(Text),
    /// Numbers alone.
    Likelihood(serde::de::IgnoredAny),
    /// Numbers alone.
    Divergence(serde::de::IgnoredAny),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Choices {
    continuations: Vec<Choice>,
    gold: Vec<usize>,
    predicted: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Choice {
    text: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Text {
    text: String,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    pub(super) unanswerable: bool,
}

impl Line {
    /// What was said: the words, or the likeliest choice.
    pub(super) fn said(&self) -> &str {
        match &self.output {
            Output::Text(text) => &text.text,
            Output::Choices(choices) => choices
                .predicted
                .and_then(|place| choices.continuations.get(place))
                .map_or("", |choice| choice.text.trim()),
            Output::Likelihood(_) | Output::Divergence(_) => "",
        }
    }

    /// What would have been right, one a line; empty where nothing would.
    pub(super) fn gold(&self) -> String {
        match &self.output {
            Output::Text(text) => lines(text.references.iter().map(String::as_str)),
            Output::Choices(choices) => {
                let right = choices
                    .gold
                    .iter()
                    .filter_map(|place| choices.continuations.get(*place));
                lines(right.map(|choice| choice.text.as_str()))
            }
            Output::Likelihood(_) | Output::Divergence(_) => String::new(),
        }
    }

    /// What there was to choose from, one a line; empty where the answer is free.
    pub(super) fn choices(&self) -> String {
        match &self.output {
            Output::Choices(choices) => lines(choices.continuations.iter().map(|choice| choice.text.as_str())),
            _ => String::new(),
        }
    }

    /// Whether there is something to read.
    pub(super) fn is_readable(&self) -> bool {
        matches!(self.output, Output::Text(_) | Output::Choices(_))
    }
}

/// Each different text once, white space as single spaces, in their order.
fn lines<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all.join("\n")
}

/// The lines of a file.
///
/// # Errors
/// [`Error::Malformed`] with the number of the first line that is no answer.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Line>, Error> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(number, line)| {
            serde_json::from_slice(line).map_err(|e| Error::Malformed {
                path: path.to_path_buf(),
                found: format!("line {}: {e}", number + 1),
                expected: "one answer a line, as a JSON object",
            })
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn one(json: &str) -> Line {
        parse(json.as_bytes(), Path::new("a.jsonl")).unwrap().remove(0)
    }

    #[test]
    fn answers_of_all_kinds_are_read() {
        let words = one(
            r#"{"item":"a","prompt":"p","output":{"text":{"text":"x ","finish":"end_token","references":["r","r","s\n t"]}},"scores":{"exact_match":0.0},"flags":["looping"],"unsupported":["x"],"fields":{}}"#,
        );
        assert_eq!(
            (words.said(), words.gold().as_str(), words.choices().as_str()),
            ("x ", "r\ns t", "")
        );
        let choice = one(
            r#"{"item":"b","output":{"choices":{"continuations":[{"text":" yes"},{"text":" no"}],"gold":[0],"predicted":1}}}"#,
        );
        assert_eq!(
            (choice.said(), choice.gold().as_str(), choice.choices().as_str()),
            ("no", "yes", "yes\nno")
        );
        let none =
            one(r#"{"item":"c","output":{"choices":{"continuations":[{"text":" yes"}],"gold":[3],"predicted":null}}}"#);
        assert_eq!((none.said(), none.gold().as_str()), ("", ""));
        assert!(!one(r#"{"item":"d","output":{"likelihood":{"log_probability":-1.0,"tokens":3}}}"#).is_readable());
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let error = parse(
            b"{\"item\":\"a\",\"output\":{\"likelihood\":{}}}\n\nnot",
            Path::new("a.jsonl"),
        )
        .unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
