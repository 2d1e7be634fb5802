//! Prompt templates of task cards: `{field}` is replaced by a field of the record.
//!
//! `{a.b}` and `{list.0}` reach inside; `{field|strip}` drops white space at both ends; `{list|lettered}` writes `A. x`, `B. y`, … one
//! per line; a list is otherwise joined by line breaks; `{{` and `}}` are braces.

use serde_json::Value;

use crate::error::BadItem;
use crate::item::lettered;
use crate::python::text::strip;
use crate::record::{Record, describe};

/// A checked template.
///
/// ```
/// use secateur_datasets::record::Record;
/// use secateur_datasets::template::Template;
///
/// let template = Template::parse("{question|strip}\n{options|lettered}\nAnswer:")?;
/// let fields = r#"{"question": " Which organ makes insulin? ", "options": ["liver", "pancreas"]}"#;
/// let record = Record { file: "a.jsonl".into(), at: "line 1".into(), index: 0, fields: serde_json::from_str(fields)? };
/// assert_eq!(template.fill(&record)?, "Which organ makes insulin?\nA. liver\nB. pancreas\nAnswer:");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field { path: String, filter: Filter },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    None,
    Strip,
    Lettered,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// A description of a brace without partner, an empty name, or an unknown filter.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                rest = &rest[2..];
                continue;
            }
            let end = rest.find('}').filter(|_| rest.starts_with('{'));
            let end = end.ok_or_else(|| {
                format!(
                    "`{}` has no partner in the template; `{{{{` and `}}}}` are plain braces",
                    &rest[..1]
                )
            })?;
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
            pieces.push(placeholder(&rest[1..end])?);
            rest = &rest[end + 1..];
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        Ok(Self { pieces })
    }

    /// The template with a record's fields in it.
    ///
    /// # Errors
    /// Where a field is missing, null, or of a kind that has no plain text.
    pub fn fill(&self, record: &Record) -> Result<String, BadItem> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Field { path, filter } => text.push_str(&filled(record, path, *filter)?),
            }
        }
        Ok(text)
    }
}

fn placeholder(inside: &str) -> Result<Piece, String> {
    let (path, filter) = inside
        .split_once('|')
        .map_or((inside, ""), |(path, filter)| (path, filter.trim()));
    let filter = match filter {
        "" => Filter::None,
        "strip" => Filter::Strip,
        "lettered" => Filter::Lettered,
        other => {
            return Err(format!(
                "unknown filter `{other}` in `{{{inside}}}`; there are `strip` and `lettered`"
            ));
        }
    };
    let path = path.trim();
    if path.is_empty() {
        return Err("`{}` names no field".to_owned());
    }
    Ok(Piece::Field {
        path: path.to_owned(),
        filter,
    })
}

fn filled(record: &Record, path: &str, filter: Filter) -> Result<String, BadItem> {
    let value = record.value(path)?;
    if filter == Filter::Lettered {
        let list = record.texts(path)?;
        if list.len() > 26 {
            return Err(record.bad(path, format!("{} choices", list.len()), "at most 26, one per letter"));
        }
        return Ok(lettered(&list));
    }
    let text =
        plain(value).ok_or_else(|| record.bad(path, describe(value), "a string, a number, or a list of them"))?;
    Ok(if filter == Filter::Strip {
        strip(&text).to_owned()
    } else {
        text
    })
}

/// Strings as they are, numbers and booleans as JSON writes them, lists of these joined by line breaks.
#[must_use]
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(list) => {
            let parts = list.iter().map(|part| if part.is_array() { None } else { plain(part) });
            Some(parts.collect::<Option<Vec<_>>>()?.join("\n"))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fill(template: &str, json: &str) -> Result<String, BadItem> {
        let fields = serde_json::from_str(json).unwrap();
        let record = Record {
            file: "f".into(),
            at: "line 1".into(),
            index: 0,
            fields,
        };
        Template::parse(template).unwrap().fill(&record)
    }

    #[test]
    fn fields_lists_filters_and_braces() {
        let json = r#"{"q": " why? ", "c": ["x", "y"], "m": {"n": 3}}"#;
        assert_eq!(
            fill("Q: {q}|{q|strip}\n{c|lettered}\n{c.1} {m.n} {{q}}", json).unwrap(),
            "Q:  why? |why?\nA. x\nB. y\ny 3 {q}"
        );
        assert_eq!(fill("{c}", json).unwrap(), "x\ny");
        assert_eq!(fill("", json).unwrap(), "");
    }

    #[test]
    fn a_missing_field_is_named() {
        let message = fill("{question}", r#"{"q": "x"}"#).unwrap_err().to_string();
        assert_eq!(message, "f, line 1, field `question`: found nothing, expected a value");
        assert!(fill("{q}", r#"{"q": null}"#).is_err());
        assert!(fill("{q}", r#"{"q": {"a": 1}}"#).is_err());
    }

    #[test]
    fn broken_templates_are_refused() {
        for broken in ["{q", "q}", "{}", "{q|shout}", "{ }"] {
            assert!(Template::parse(broken).is_err(), "{broken}");
        }
    }
}
