//! Conversations as the text a model was trained on, by the template that comes with it.
//!
//! Environment as in transformers (`apply_chat_template`): Jinja2 with `trim_blocks`, `lstrip_blocks`, loop controls, Python's string
//! methods, `raise_exception`, `strftime_now`, `tojson` as `json.dumps(ensure_ascii=False)`, `{% generation %}` without effect. One
//! departure: `strftime_now` gives a fixed date ([`ChatTemplates::set_date`]), because a prompt that changes overnight is no benchmark.
//! The text has its begin token already: encode it without special tokens.

mod date;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State};
use serde::Serialize;
use serde_json::Value as Json;

use super::{TextError, python};
use crate::checkpoint::files;
pub use date::Date;

/// Instructions that one rendering may take; templates take some thousands per message.
const FUEL: u64 = 20_000_000;
/// Largest prompt that is made.
const OUTPUT_LIMIT: usize = 64 << 20;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

impl Message {
    /// A turn.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// The templates of one model, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTemplates {
    templates: BTreeMap<String, ChatTemplate>,
}

/// One template with the variables that come from the tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTemplate {
    /// Where it comes from, for messages.
    label: String,
    source: String,
    /// `bos_token`, `eos_token`, ….
    tokens: BTreeMap<String, String>,
    date: Date,
}

impl ChatTemplates {
    /// Reads `chat_template.jinja` or, without one, `chat_template` of `tokenizer_config.json` (a string, or a list of named ones).
    /// `None` if the model has neither. `tokens` are variables such as `bos_token`
    /// ([`SpecialTokens::texts`](super::SpecialTokens::texts)).
    ///
    /// # Errors
    ///
    /// [`TextError::File`], [`TextError::Field`], and [`TextError::Template`] for one that does not parse.
    pub fn open(directory: &Path, tokens: &BTreeMap<String, String>) -> Result<Option<Self>, TextError> {
        const CONFIG: &str = "tokenizer_config.json";
        const FILE: &str = "chat_template.jinja";
        let mut sources = Vec::new();
        if let Some(source) = files::read_text(directory, FILE, files::CONFIG_LIMIT)? {
            sources.push((
                "default".to_owned(),
                format!("{FILE} of {}", directory.display()),
                source,
            ));
        } else if let Some(config) = files::read_json(directory, CONFIG, files::CONFIG_LIMIT)? {
            let label = |name: &str| format!("`{name}` of {}", directory.join(CONFIG).display());
            let wrong = |value: &Json| TextError::Field {
                file: directory.join(CONFIG),
                field: "chat_template".into(),
                found: crate::checkpoint::describe(value),
                expected: "a string, or a list of objects with `name` and `template`",
            };
            match config.get("chat_template") {
                None | Some(Json::Null) => return Ok(None),
                Some(Json::String(source)) => {
                    sources.push(("default".into(), label("default"), source.clone()));
                }
                Some(Json::Array(list)) => {
                    for item in list {
                        let text = |field: &str| item.get(field).and_then(Json::as_str).ok_or_else(|| wrong(item));
                        sources.push((
                            text("name")?.to_owned(),
                            label(text("name")?),
                            text("template")?.to_owned(),
                        ));
                    }
                }
                Some(other) => return Err(wrong(other)),
            }
        } else {
            return Ok(None);
        }
        let make = |(name, label, source)| Ok((name, ChatTemplate::new(label, source, tokens.clone())?));
        Ok(Some(Self {
            templates: sources.into_iter().map(make).collect::<Result<_, TextError>>()?,
        }))
    }

    /// The template of this name; the usual one is called `default`.
    ///
    /// # Errors
    ///
    /// [`TextError::NoTemplate`].
    pub fn get(&self, name: &str) -> Result<&ChatTemplate, TextError> {
        self.templates.get(name).ok_or_else(|| TextError::NoTemplate {
            name: name.into(),
            available: self.templates.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// Sets what `strftime_now` gives, in all templates.
    pub fn set_date(&mut self, date: Date) {
        self.templates.values_mut().for_each(|template| template.date = date);
    }
}

impl ChatTemplate {
    /// A template from its source; `label` names it in messages.
    ///
    /// # Errors
    ///
    /// [`TextError::Template`] if it does not parse.
    pub fn new(
        label: impl Into<String>,
        source: impl Into<String>,
        tokens: BTreeMap<String, String>,
    ) -> Result<Self, TextError> {
        let source = without_generation_blocks(&source.into());
        let template = Self {
            label: label.into(),
            source,
            tokens,
            date: Date::default(),
        };
        template.guarded(|| environment(template.date).template_from_str(&template.source).map(drop))?;
        Ok(template)
    }

    /// The source that is rendered.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Text of a conversation. `add_generation_prompt`: ends where the assistant is to speak. `variables`: what this template takes in
    /// addition, such as `enable_thinking`.
    ///
    /// # Errors
    ///
    /// [`TextError::Template`] for everything the template or its `raise_exception` refuses, and for endless ones.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        variables: &BTreeMap<String, Json>,
    ) -> Result<String, TextError> {
        let mut context: BTreeMap<&str, Value> = BTreeMap::new();
        context.extend(
            self.tokens
                .iter()
                .map(|(name, text)| (name.as_str(), Value::from(text.as_str()))),
        );
        context.insert("tools", Value::from(()));
        context.insert("documents", Value::from(()));
        context.extend(
            variables
                .iter()
                .map(|(name, value)| (name.as_str(), Value::from_serialize(value))),
        );
        context.insert("messages", Value::from_serialize(messages));
        context.insert("add_generation_prompt", Value::from(add_generation_prompt));
        let bytes = self.guarded(|| {
            let environment = environment(self.date);
            let mut out = LimitedWriter(Vec::new());
            environment
                .template_from_str(&self.source)?
                .render_captured_to(context, &mut out)?;
            Ok(out.0)
        })?;
        String::from_utf8(bytes).map_err(|error| self.error(0, error.to_string()))
    }

    fn guarded<T>(&self, call: impl FnOnce() -> Result<T, Error>) -> Result<T, TextError> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let reason = match error.kind() {
                    ErrorKind::OutOfFuel => format!("it does not end within {FUEL} steps"),
                    ErrorKind::WriteFailure => format!("it writes more than {OUTPUT_LIMIT} bytes"),
                    kind => error
                        .detail()
                        .map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
                };
                Err(self.error(error.line().unwrap_or(0), reason))
            }
            Err(_) => Err(self.error(0, "the template engine failed on it".into())),
        }
    }

    fn error(&self, line: usize, reason: String) -> TextError {
        TextError::Template {
            template: self.label.clone(),
            line,
            reason,
        }
    }
}

struct LimitedWriter(Vec<u8>);

impl std::io::Write for LimitedWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_LIMIT {
            return Err(std::io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn environment(date: Date) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(format_like_python);
    environment.add_filter("tojson", tojson);
    environment.add_filter("string", |value: Value| text_of(&value));
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("the template refuses these messages: {message}"),
        ))
    });
    environment.add_function("strftime_now", move |format: String| {
        date.format(&format)
            .map_err(|reason| Error::new(ErrorKind::InvalidOperation, reason))
    });
    environment
}

fn format_like_python(out: &mut Output<'_>, _state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    Ok(out.write_str(&text_of(value)?)?)
}

/// `str(value)` of Python; nothing for what is undefined.
fn text_of(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(String::new()),
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::Seq | ValueKind::Map => {
            Ok(python::str_of(&json(value)?))
        }
        _ => Ok(value.to_string()),
    }
}

fn json(value: &Value) -> Result<Json, Error> {
    serde_json::to_value(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

#[allow(clippy::needless_pass_by_value)]
fn tojson(value: Value, options: Kwargs) -> Result<Value, Error> {
    // Python's default writes text beyond ASCII as it is here; `ensure_ascii` is taken for what transformers' default is.
    let _ensure_ascii: Option<bool> = options.get("ensure_ascii")?;
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    if indent.is_some_and(|indent| indent > 64) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "tojson: an indent of more than 64 is refused",
        ));
    }
    Ok(Value::from_safe_string(python::json_dumps(&json(&value)?, indent)))
}

/// `{% generation %}` marks what the assistant said, for training masks; here it becomes a block without effect.
fn without_generation_blocks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else {
            break;
        };
        let tag = &rest[start..start + length + 2];
        out.push_str(&rest[..start]);
        let inner = tag[2..tag.len() - 2].trim_matches(['-', '+']).trim();
        match inner {
            "generation" => out.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(tag),
        }
        rest = &rest[start + length + 2..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
#[path = "chat_template_tests.rs"]
mod tests;
