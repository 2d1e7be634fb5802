//! Lines of a corpus file become samples.

use std::path::Path;

use serde_json::{Map, Value};

use super::{CalibrationSample, CorpusLayout, described};
use crate::error::DatasetError;
use crate::item::Message;
use crate::messages;

/// What was found, what was expected.
type Complaint = (String, String);

/// Samples with their lines.
type Samples = Vec<(usize, CalibrationSample)>;

/// All samples of a file with their lines (from 1), and the layout, `None` where there is no record.
///
/// # Errors
/// The first line that is no JSON object of the layout.
pub(super) fn parse(
    path: &Path,
    text: &str,
    layout: Option<CorpusLayout>,
) -> Result<(Samples, Option<CorpusLayout>), DatasetError> {
    let mut layout = layout;
    let mut samples = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let refuse = |(found, expected): Complaint| DatasetError::BadSample {
            path: path.to_owned(),
            line: index + 1,
            found,
            expected,
        };
        let record: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
            refuse((
                format!("text that is not a JSON object ({error})"),
                "one JSON object per line".to_owned(),
            ))
        })?;
        let known = match layout {
            Some(known) => known,
            None => recognise(&record).map_err(refuse)?,
        };
        layout = Some(known);
        samples.push((index + 1, sample(&record, known).map_err(refuse)?));
    }
    Ok((samples, layout))
}

fn recognise(record: &Map<String, Value>) -> Result<CorpusLayout, Complaint> {
    let has = |field: &str| record.contains_key(field);
    let candidates = [
        (has("messages"), CorpusLayout::Messages),
        (has("instruction") && has("output"), CorpusLayout::Instruction),
        (has("text"), CorpusLayout::Text),
    ];
    let mut matching = candidates
        .iter()
        .filter(|(matches, _)| *matches)
        .map(|(_, layout)| *layout);
    match (matching.next(), matching.next()) {
        (Some(layout), None) => Ok(layout),
        (Some(one), Some(other)) => Err((
            format!("fields of two layouts, {one:?} and {other:?}"),
            "`layout` set in the corpus to say which is meant".to_owned(),
        )),
        _ => {
            let fields = record
                .keys()
                .map(|key| format!("`{key}`"))
                .collect::<Vec<_>>()
                .join(", ");
            let expected = "`instruction` and `output` (and `input`), or `messages`, or `text`".to_owned();
            Err((format!("fields {fields}"), expected))
        }
    }
}

fn sample(record: &Map<String, Value>, layout: CorpusLayout) -> Result<CalibrationSample, Complaint> {
    match layout {
        CorpusLayout::Text => Ok(CalibrationSample::Text(filled(record, "text")?.to_owned())),
        CorpusLayout::Instruction => instruction(record),
        CorpusLayout::Messages => {
            let value = record.get("messages").unwrap_or(&Value::Null);
            messages::parse(value).map(CalibrationSample::Conversation)
        }
    }
}

/// User turn `{instruction}\n\nInput: {input}`, or the instruction alone where there is no input; assistant turn `{output}`.
fn instruction(record: &Map<String, Value>) -> Result<CalibrationSample, Complaint> {
    let instruction = filled(record, "instruction")?;
    let output = filled(record, "output")?;
    let user = match record.get("input") {
        None | Some(Value::Null) => instruction.to_owned(),
        Some(Value::String(input)) if input.is_empty() => instruction.to_owned(),
        Some(Value::String(input)) => format!("{instruction}\n\nInput: {input}"),
        Some(_) => return Err((described(record, "input"), "`input` with a string".to_owned())),
    };
    let turn = |role: &str, content: String| Message {
        role: role.to_owned(),
        content,
    };
    Ok(CalibrationSample::Conversation(vec![
        turn("user", user),
        turn("assistant", output.to_owned()),
    ]))
}

fn filled<'a>(record: &'a Map<String, Value>, field: &str) -> Result<&'a str, Complaint> {
    let text = record
        .get(field)
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| (described(record, field), format!("`{field}` with some text")))
}
