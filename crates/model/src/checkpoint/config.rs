//! config.json, read field by field.
//!
//! Every read is remembered, so that fields which no reader asked for can be listed. `null` counts as absent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use super::CheckpointError;
use super::header::shorten;

/// Largest integer accepted for a size: products of two stay far from overflow.
const LARGEST_SIZE: u64 = 1 << 32;

/// An object of config.json.
#[derive(Debug, Clone)]
pub struct Config {
    file: PathBuf,
    /// Path of this object, ending in a dot; empty for the whole file.
    prefix: String,
    fields: Map<String, Value>,
    /// Full paths of the fields that were asked for.
    read: Arc<Mutex<BTreeSet<String>>>,
}

impl Config {
    /// Parses the text of `file`, which must be a JSON object.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Json`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, CheckpointError> {
        let error = |reason: String| CheckpointError::Json {
            file: file.to_path_buf(),
            reason,
        };
        match serde_json::from_str(&quoted_python_floats(text, "")).map_err(|parse| error(parse.to_string()))? {
            Value::Object(fields) => Ok(Self {
                file: file.to_path_buf(),
                prefix: String::new(),
                fields,
                read: Arc::default(),
            }),
            other => Err(error(format!("it is {}, expected an object", describe(&other)))),
        }
    }

    /// The file this came from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The fields as they are in the file. Does not count as reading.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Whether the field is there and not `null`. Counts as reading.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    /// The field's value; `None` if absent or `null`. Counts as reading it, with all inside it.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.note(field);
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// Paths of the fields that nobody asked for, in the order of the file.
    #[must_use]
    pub fn unread(&self) -> Vec<String> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unread = Vec::new();
        unread_in(&self.fields, &self.prefix, &read, &mut unread);
        unread
    }

    /// An error about this field's value (or its absence): `expected` says what would be right.
    #[must_use]
    pub fn invalid(&self, field: &str, expected: impl Into<String>) -> CheckpointError {
        CheckpointError::Field {
            file: self.file.clone(),
            field: format!("{}{field}", self.prefix),
            found: self.fields.get(field).map_or_else(|| "missing".into(), describe),
            expected: expected.into(),
        }
    }

    fn note(&self, field: &str) {
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(format!("{}{field}", self.prefix));
    }

    fn optional<T>(
        &self,
        field: &str,
        expected: &str,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, CheckpointError> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        convert(value).map(Some).ok_or_else(|| self.invalid(field, expected))
    }

    fn required<T>(
        &self,
        field: &str,
        expected: &str,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, CheckpointError> {
        self.optional(field, expected, convert)?
            .ok_or_else(|| self.invalid(field, expected))
    }
}

/// # Readers
///
/// `required_…` fail if the field is absent or `null`, `optional_…` give `None` then; both fail with
/// [`CheckpointError::Field`] on another type.
#[allow(clippy::missing_errors_doc)]
impl Config {
    /// A whole number of at most 2³².
    pub fn required_usize(&self, field: &str) -> Result<usize, CheckpointError> {
        self.required(field, SIZE, size)
    }

    /// A whole number of at most 2³².
    pub fn optional_usize(&self, field: &str) -> Result<Option<usize>, CheckpointError> {
        self.optional(field, SIZE, size)
    }

    /// A whole number from 1 to 2³².
    pub fn required_positive(&self, field: &str) -> Result<usize, CheckpointError> {
        self.required(field, POSITIVE, |value| size(value).filter(|&size| size > 0))
    }

    /// A whole number from 1 to 2³².
    pub fn optional_positive(&self, field: &str) -> Result<Option<usize>, CheckpointError> {
        self.optional(field, POSITIVE, |value| size(value).filter(|&size| size > 0))
    }

    /// A finite number.
    pub fn required_f64(&self, field: &str) -> Result<f64, CheckpointError> {
        self.required(field, NUMBER, Value::as_f64)
    }

    /// A finite number.
    pub fn optional_f64(&self, field: &str) -> Result<Option<f64>, CheckpointError> {
        self.optional(field, NUMBER, Value::as_f64)
    }

    /// `true` or `false`.
    pub fn required_bool(&self, field: &str) -> Result<bool, CheckpointError> {
        self.required(field, BOOL, Value::as_bool)
    }

    /// `true` or `false`.
    pub fn optional_bool(&self, field: &str) -> Result<Option<bool>, CheckpointError> {
        self.optional(field, BOOL, Value::as_bool)
    }

    /// A string.
    pub fn required_str(&self, field: &str) -> Result<&str, CheckpointError> {
        self.optional_str(field)?.ok_or_else(|| self.invalid(field, STRING))
    }

    /// A string.
    pub fn optional_str(&self, field: &str) -> Result<Option<&str>, CheckpointError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.invalid(field, STRING)),
        }
    }

    /// A list of whole numbers.
    pub fn optional_usize_list(&self, field: &str) -> Result<Option<Vec<usize>>, CheckpointError> {
        self.optional(field, "a list of whole numbers", |value| {
            value.as_array()?.iter().map(size).collect()
        })
    }

    /// A list of numbers.
    pub fn optional_f64_list(&self, field: &str) -> Result<Option<Vec<f64>>, CheckpointError> {
        self.optional(field, "a list of numbers", |value| {
            value.as_array()?.iter().map(Value::as_f64).collect()
        })
    }

    /// A list of strings.
    pub fn optional_str_list(&self, field: &str) -> Result<Option<Vec<String>>, CheckpointError> {
        self.optional(field, "a list of strings", |value| {
            value
                .as_array()?
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect()
        })
    }

    /// A nested object, whose fields are then read one by one.
    pub fn required_object(&self, field: &str) -> Result<Self, CheckpointError> {
        self.optional_object(field)?.ok_or_else(|| self.invalid(field, OBJECT))
    }

    /// A nested object, whose fields are then read one by one.
    pub fn optional_object(&self, field: &str) -> Result<Option<Self>, CheckpointError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => {
                self.note(field);
                Ok(None)
            }
            Some(Value::Object(fields)) => {
                // With the dot: the object was entered, its fields are yet to be read.
                let prefix = format!("{}{field}.", self.prefix);
                self.read
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(prefix.clone());
                Ok(Some(Self {
                    file: self.file.clone(),
                    prefix,
                    fields: fields.clone(),
                    read: Arc::clone(&self.read),
                }))
            }
            Some(_) => Err(self.invalid(field, OBJECT)),
        }
    }
}

const SIZE: &str = "a whole number";
const POSITIVE: &str = "a positive whole number";
const NUMBER: &str = "a number";
const BOOL: &str = "true or false";
const STRING: &str = "a string";
const OBJECT: &str = "an object";

fn size(value: &Value) -> Option<usize> {
    value
        .as_u64()
        .filter(|&size| size <= LARGEST_SIZE)
        .and_then(|size| usize::try_from(size).ok())
}

/// A value as JSON, shortened.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Object(fields) => format!("an object of {} fields", fields.len()),
        Value::Array(items) if items.len() > 8 => format!("a list of {} items", items.len()),
        Value::String(text) => format!("\"{}\"", shorten(text)),
        other => shorten(&other.to_string()),
    }
}

fn unread_in(fields: &Map<String, Value>, prefix: &str, read: &BTreeSet<String>, unread: &mut Vec<String>) {
    for (field, value) in fields {
        let path = format!("{prefix}{field}");
        let entered = format!("{path}.");
        if read.contains(&path) {
        } else if let (Value::Object(inner), true) = (value, read.contains(&entered)) {
            unread_in(inner, &entered, read, unread);
        } else {
            unread.push(path);
        }
    }
}

/// Python writes infinities and NaN into JSON as bare words; they become strings here, so that only a reader that asks for them fails.
/// The strings begin with `mark`.
pub(crate) fn quoted_python_floats<'a>(text: &'a str, mark: &str) -> std::borrow::Cow<'a, str> {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut in_string = false;
    while let Some(c) = rest.chars().next() {
        let word = if in_string {
            None
        } else {
            WORDS.iter().find(|word| rest.starts_with(**word))
        };
        let taken = if let Some(word) = word {
            out.extend(["\"", mark, word, "\""]);
            word.len()
        } else {
            let escape = in_string && c == '\\';
            let taken = rest
                .char_indices()
                .nth(if escape { 2 } else { 1 })
                .map_or(rest.len(), |(end, _)| end);
            in_string ^= c == '"';
            out.push_str(&rest[..taken]);
            taken
        };
        rest = &rest[taken..];
    }
    out.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("config.json"), text).unwrap()
    }

    #[test]
    fn errors_name_file_field_found_and_expected() {
        let config = config(r#"{"a": "x", "b": -1, "c": 1.5, "d": {"e": [1]}, "f": 99999999999, "g": null, "z": 0}"#);
        let message = |error: CheckpointError| error.to_string();
        let is = "config.json: field";
        assert_eq!(
            message(config.required_usize("hidden_size").unwrap_err()),
            format!("{is} `hidden_size` is missing, expected a whole number")
        );
        assert_eq!(
            message(config.required_usize("a").unwrap_err()),
            format!("{is} `a` is \"x\", expected a whole number")
        );
        assert_eq!(
            message(config.required_usize("b").unwrap_err()),
            format!("{is} `b` is -1, expected a whole number")
        );
        assert_eq!(
            message(config.optional_usize("c").unwrap_err()),
            format!("{is} `c` is 1.5, expected a whole number")
        );
        assert_eq!(
            message(config.required_bool("d").unwrap_err()),
            format!("{is} `d` is an object of 1 fields, expected true or false")
        );
        assert_eq!(
            message(config.required_object("d").unwrap().required_f64("e").unwrap_err()),
            format!("{is} `d.e` is [1], expected a number")
        );
        assert_eq!(
            message(config.required_usize("f").unwrap_err()),
            format!("{is} `f` is 99999999999, expected a whole number")
        );
        assert_eq!(
            message(config.required_str("g").unwrap_err()),
            format!("{is} `g` is null, expected a string")
        );
        assert_eq!(
            message(config.required_positive("z").unwrap_err()),
            format!("{is} `z` is 0, expected a positive whole number")
        );
        assert_eq!(config.optional_str("g").unwrap(), None);
    }

    #[test]
    fn unread_fields_are_listed_with_their_paths() {
        let config = config(r#"{"a": 1, "rope": {"x": 1, "y": 2, "deep": {"z": 1}}, "b": 2, "whole": {"k": 1}}"#);
        assert_eq!(config.unread(), ["a", "rope", "b", "whole"]);
        config.required_usize("a").unwrap();
        let rope = config.required_object("rope").unwrap();
        rope.required_f64("y").unwrap();
        assert!(config.has("whole"));
        assert_eq!(config.unread(), ["rope.x", "rope.deep", "b"]);
    }

    #[test]
    fn python_infinities_do_not_stop_the_other_fields() {
        let config = config("{\"limit\": [0.0, Infinity], \"n\": -Infinity, \"s\": \"a \\\" NaN\", \"h\": 3}");
        assert_eq!(config.required_usize("h").unwrap(), 3);
        assert_eq!(config.required_str("s").unwrap(), "a \" NaN");
        assert!(config.optional_f64_list("limit").is_err());
        assert!(config.required_f64("n").is_err());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [
            "",
            "[]",
            "3",
            "{",
            "{\"a\":}",
            "nul",
            &"[".repeat(100_000),
            "{\"a\": 1e999}",
        ] {
            assert!(
                matches!(
                    Config::parse(Path::new("config.json"), text),
                    Err(CheckpointError::Json { .. })
                ),
                "{text}"
            );
        }
    }
}
