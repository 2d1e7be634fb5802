//! An answer that was kept, and the item it answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secateur_datasets::error::shorten;
use secateur_datasets::item::{Body, Choice, Generate, Item, Message};
use secateur_evaluation::answer::{Answer, Flag, Output, Scores};
use serde_json::Value;

use crate::error::RescoreError;

/// One kept answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Line in its file, from 1.
    pub line: usize,
    /// What was asked, as far as scoring needs it.
    pub item: Item,
    /// What came back, without scores.
    pub answer: Answer,
    /// Scores as the file has them, by the names used here.
    pub recorded: Scores,
    /// The document that the item was made from, where the file has it.
    pub doc: Option<Value>,
}

/// Kept answers of one model on one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// File they come from.
    pub path: PathBuf,
    /// Model, as a folder name.
    pub model: String,
    /// Task.
    pub task: String,
    /// Filter of the harness that the answers went through; `none` elsewhere.
    pub filter: String,
    /// The answers, in file order.
    pub kept: Vec<Kept>,
    /// Lines left out because they could not be used, each with its complaint.
    pub skipped: Vec<String>,
    /// What cannot be known from the file, so that metrics of it are left out.
    pub unknown: Unknown,
    /// For the reader.
    pub notes: Vec<String>,
}

/// What a file does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each named where it is used"
)]
pub struct Unknown {
    /// Why answers ended: nothing can be said of truncation.
    pub finish: bool,
    /// The texts that answers have to be supported by.
    pub source: bool,
    /// The choices as their length is counted: nothing can be said per character or byte.
    pub choice_lengths: bool,
    /// Number of tokens of measured texts.
    pub tokens: bool,
}

/// Reads the answers of a sweep's cell. `items` are the task's, by id, where they are at hand; otherwise what scoring needs is taken
/// from the answers themselves, and support by a source is unknown.
///
/// # Errors
/// If the file cannot be read, or a line is no answer or answers no known item (unless bad lines are skipped).
pub fn from_sweep(
    path: &Path,
    model: &str,
    task: &str,
    items: Option<&BTreeMap<String, Item>>,
    skip_bad_items: bool,
) -> Result<Batch, RescoreError> {
    let text = std::fs::read_to_string(path).map_err(|source| RescoreError::io("read", path, source))?;
    let mut kept = Vec::new();
    let mut skipped = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match sweep_line(path, number + 1, line, items) {
            Ok(one) => kept.push(one),
            Err(error) if skip_bad_items => skipped.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    let text_answers = kept.iter().any(|one| matches!(one.answer.output, Output::Text(_)));
    Ok(Batch {
        path: path.to_owned(),
        model: model.to_owned(),
        task: task.to_owned(),
        filter: "none".to_owned(),
        kept,
        skipped,
        unknown: Unknown {
            source: items.is_none() && text_answers,
            ..Unknown::default()
        },
        notes: Vec::new(),
    })
}

fn sweep_line(
    path: &Path,
    line: usize,
    text: &str,
    items: Option<&BTreeMap<String, Item>>,
) -> Result<Kept, RescoreError> {
    let bad = |field: &str, found: String, expected: &str| RescoreError::BadLine {
        path: path.to_owned(),
        line,
        field: field.to_owned(),
        found,
        expected: expected.to_owned(),
    };
    let mut answer: Answer = serde_json::from_str(text).map_err(|error| {
        bad(
            "(line)",
            format!("{} ({error})", shorten(text)),
            "an answer as sweeps keep them",
        )
    })?;
    let item = match items {
        Some(items) => items.get(&answer.item).cloned().ok_or_else(|| {
            let found = format!("`{}`, which is no item of the task's data", answer.item);
            bad(
                "item",
                found,
                "the data that was asked about; name its folder with --data",
            )
        })?,
        None => rebuilt(&answer),
    };
    let recorded = std::mem::take(&mut answer.scores);
    let asked = |flag: &Flag| matches!(flag, Flag::PromptTruncated | Flag::Unscorable);
    answer.flags.retain(asked);
    answer.unsupported.clear();
    if let Output::Text(output) = &mut answer.output {
        output.parsed = None;
    }
    Ok(Kept {
        line,
        item,
        answer,
        recorded,
        doc: None,
    })
}

/// The item as far as its answer tells.
fn rebuilt(answer: &Answer) -> Item {
    let body = match &answer.output {
        Output::Choices(output) => {
            let continuations: Vec<String> = output.continuations.iter().map(|c| c.text.clone()).collect();
            Body::Choice(Choice {
                context: answer.prompt.clone(),
                contexts: output.continuations.iter().filter_map(|c| c.context.clone()).collect(),
                choices: without_delimiter(&continuations),
                continuations,
                gold: output.gold.clone(),
                ..Choice::default()
            })
        }
        Output::Text(output) => Body::Generate(Generate {
            messages: vec![Message {
                role: "user".into(),
                content: answer.prompt.clone(),
            }],
            prefix: None,
            references: output.references.clone(),
            source: None,
            unanswerable: output.unanswerable,
        }),
        Output::Likelihood(_) => Body::Text(answer.prompt.clone()),
        Output::Divergence(output) => Body::Text(format!("{}{}", answer.prompt, output.text)),
    };
    Item {
        id: answer.item.clone(),
        body,
        fields: answer.fields.clone(),
    }
}

/// Choices as their length is counted: without the blank that all of them begin with, the usual delimiter.
#[must_use]
pub fn without_delimiter(continuations: &[String]) -> Vec<String> {
    let delimited = continuations.iter().all(|text| text.starts_with(' '));
    let strip = |text: &String| text.strip_prefix(' ').filter(|_| delimited).unwrap_or(text).to_owned();
    continuations.iter().map(strip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_delimiter_that_all_share_is_dropped() {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(without_delimiter(&list(&[" yes", " no"])), list(&["yes", "no"]));
        assert_eq!(without_delimiter(&list(&[" yes", "no"])), list(&[" yes", "no"]));
    }
}
