//! One record of a data file and checked access to its fields.

use serde_json::{Map, Value};

use crate::error::{BadItem, shorten};

/// A JSON object together with its place, so that every complaint names both.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// File name, relative to the data directory.
    pub file: String,
    /// `line 3`, `row 12`, `entry 45612`.
    pub at: String,
    /// Position among the records of the file, from 0.
    pub index: usize,
    /// The fields.
    pub fields: Map<String, Value>,
}

impl Record {
    /// A complaint about `field`.
    #[must_use]
    pub fn bad(&self, field: &str, found: impl Into<String>, expected: impl Into<String>) -> BadItem {
        BadItem {
            file: self.file.clone(),
            at: self.at.clone(),
            field: field.to_owned(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// The value of `field`, nested names joined by `.`; list positions are numbers.
    ///
    /// # Errors
    /// Where any part of the path is missing.
    pub fn value(&self, field: &str) -> Result<&Value, BadItem> {
        let missing = || self.bad(field, "nothing", "a value");
        if let Some(value) = self.fields.get(field) {
            return Ok(value);
        }
        let mut parts = field.split('.');
        let mut value = self.fields.get(parts.next().unwrap_or_default()).ok_or_else(missing)?;
        for part in parts {
            value = match value {
                Value::Object(map) => map.get(part),
                Value::Array(list) => part.parse::<usize>().ok().and_then(|index| list.get(index)),
                _ => None,
            }
            .ok_or_else(missing)?;
        }
        Ok(value)
    }

    /// The value where the field exists and is not null.
    #[must_use]
    pub fn optional(&self, field: &str) -> Option<&Value> {
        self.value(field).ok().filter(|value| !value.is_null())
    }

    /// A string, possibly empty.
    ///
    /// # Errors
    /// Where the field is missing or not a string.
    pub fn text(&self, field: &str) -> Result<&str, BadItem> {
        let value = self.value(field)?;
        value
            .as_str()
            .ok_or_else(|| self.bad(field, describe(value), "a string"))
    }

    /// A string with something other than white space in it.
    ///
    /// # Errors
    /// Where the field is missing, not a string, or blank.
    pub fn filled(&self, field: &str) -> Result<&str, BadItem> {
        let text = self.text(field)?;
        if text.trim().is_empty() {
            return Err(self.bad(field, "an empty string", "some text"));
        }
        Ok(text)
    }

    /// A list of strings, possibly empty.
    ///
    /// # Errors
    /// Where the field is missing, not a list, or holds something else than strings.
    pub fn texts(&self, field: &str) -> Result<Vec<String>, BadItem> {
        let value = self.value(field)?;
        let list = value
            .as_array()
            .ok_or_else(|| self.bad(field, describe(value), "a list of strings"))?;
        list.iter()
            .map(|entry| match entry {
                Value::String(text) => Ok(text.clone()),
                other => Err(self.bad(field, format!("{} in the list", describe(other)), "a list of strings")),
            })
            .collect()
    }

    /// An index below `len`, written as an integer or as its decimal digits.
    ///
    /// # Errors
    /// Where the field is missing, not an integer, or out of range.
    pub fn index_below(&self, field: &str, len: usize) -> Result<usize, BadItem> {
        let value = self.value(field)?;
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        };
        number
            .and_then(|number| usize::try_from(number).ok())
            .filter(|&index| index < len)
            .ok_or_else(|| {
                let expected = format!("an index from 0 to {}", len.saturating_sub(1));
                self.bad(field, describe(value), expected)
            })
    }
}

/// What a JSON value is, for messages: the value itself where short.
#[must_use]
pub fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("\"{}\"", shorten(text)),
        other => shorten(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(json: &str) -> Record {
        let fields = serde_json::from_str(json).unwrap();
        Record {
            file: "f.jsonl".into(),
            at: "line 2".into(),
            index: 1,
            fields,
        }
    }

    #[test]
    fn nested_fields_and_list_positions() {
        let record = record(r#"{"a": {"b": ["x", "y"]}, "dotted.name": 1}"#);
        assert_eq!(record.value("a.b.1").unwrap(), "y");
        assert_eq!(record.value("dotted.name").unwrap(), 1);
        assert!(record.value("a.b.2").is_err());
    }

    #[test]
    fn complaints_name_the_place_and_both_sides() {
        let record = record(r#"{"label": 7, "text": " "}"#);
        let message = record.index_below("label", 4).unwrap_err().to_string();
        assert_eq!(
            message,
            "f.jsonl, line 2, field `label`: found 7, expected an index from 0 to 3"
        );
        let message = record.filled("text").unwrap_err().to_string();
        assert_eq!(
            message,
            "f.jsonl, line 2, field `text`: found an empty string, expected some text"
        );
        assert!(record.text("gone").unwrap_err().to_string().contains("found nothing"));
    }

    #[test]
    fn digits_count_as_an_index_but_other_numbers_do_not() {
        let record = record(r#"{"a": "3", "b": 1.5, "c": -1, "d": true}"#);
        assert_eq!(record.index_below("a", 4).unwrap(), 3);
        for field in ["b", "c", "d"] {
            assert!(record.index_below(field, 4).is_err());
        }
    }
}
