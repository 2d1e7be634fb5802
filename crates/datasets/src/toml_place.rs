//! Places in TOML, for messages that point at them.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Characters of a line that are shown; a longer one is shown around the place.
const SHOWN: usize = 100;

/// `FILE, line L, column C: MESSAGE` and below it the line, with the place marked. Columns are characters, from 1.
#[must_use]
pub fn refusal(file: &Path, text: &str, span: Option<Range<usize>>, message: &str) -> String {
    let file = file.display();
    let Some(span) = span else {
        return format!("{file}: {message}");
    };
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let number = text[..begin].matches('\n').count() + 1;
    let line = text[begin..].lines().next().unwrap_or_default();
    let before = text[begin..start].chars().count();
    let marked = text.get(start..span.end.max(start)).unwrap_or_default();
    let marked = marked.lines().next().unwrap_or_default().chars().count().max(1);
    // A long line loses what is far before the place, and what is behind it.
    let cut = before.saturating_sub(SHOWN / 2);
    let shown: String = line.chars().skip(cut).take(SHOWN).map(plain).collect();
    let gutter = number.to_string();
    format!(
        "{file}, line {number}, column {}: {message}\n{gutter} | {shown}\n{:width$} | {:indent$}{}",
        before + 1,
        "",
        "",
        "^".repeat(marked.min(SHOWN - (before - cut))),
        width = gutter.len(),
        indent = before - cut,
    )
}

/// A tab would move what stands below it.
fn plain(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// What a message is about, from the outside in: `Spot::key("tasks").entry("mmlu").then("limit")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Name(String),
    Entry(String),
    Value(String),
}

impl Spot {
    /// A key of the document.
    #[must_use]
    pub fn key(name: &str) -> Self {
        Self(vec![Step::Key(name.to_owned())])
    }

    /// A key of the table that is meant so far.
    #[must_use]
    pub fn then(mut self, name: &str) -> Self {
        self.0.push(Step::Key(name.to_owned()));
        self
    }

    /// A key of the table that is meant so far: its name, and not what is set to it.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.0.push(Step::Name(name.to_owned()));
        self
    }

    /// Of a list of tables, the one with this `name`: the last of several.
    #[must_use]
    pub fn entry(mut self, name: &str) -> Self {
        self.0.push(Step::Entry(name.to_owned()));
        self
    }

    /// Of a list, this text or number, however it is written: the last of several.
    #[must_use]
    pub fn value(mut self, text: &str) -> Self {
        self.0.push(Step::Value(text.to_owned()));
        self
    }

    /// Where it stands in `text`: as far inside as its steps can be followed, nothing where not even the first can.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        let document = DeTable::parse(text).ok()?;
        let (first, inner) = self.0.split_first()?;
        let Step::Key(name) = first else { return None };
        in_table(document.get_ref(), name, inner)
    }
}

fn in_table(table: &DeTable<'_>, name: &str, inner: &[Step]) -> Option<Range<usize>> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some(in_value(value, inner).unwrap_or_else(|| key.span()))
}

/// The place that `steps` lead to from `value`; `None` where they do not, or where a table is meant, which its key marks better.
fn in_value(value: &Spanned<DeValue<'_>>, steps: &[Step]) -> Option<Range<usize>> {
    let Some((step, inner)) = steps.split_first() else {
        let whole = match value.get_ref() {
            DeValue::Array(items) => !items.iter().any(|item| matches!(item.get_ref(), DeValue::Table(_))),
            DeValue::Table(_) => false,
            _ => true,
        };
        return whole.then(|| value.span());
    };
    match (step, value.get_ref()) {
        (Step::Key(name), DeValue::Table(table)) => in_table(table, name, inner),
        (Step::Name(name), DeValue::Table(table)) => table.keys().find(|key| key.get_ref() == name).map(Spanned::span),
        (Step::Entry(name), DeValue::Array(items)) => items.iter().rev().find_map(|item| in_entry(item, name, inner)),
        (Step::Value(text), DeValue::Array(items)) => items.iter().rev().find_map(|item| the_value(item, text)),
        (Step::Value(text), _) => the_value(value, text),
        _ => None,
    }
}

/// The entry's name where nothing further inside is found.
fn in_entry(item: &Spanned<DeValue<'_>>, wanted: &str, inner: &[Step]) -> Option<Range<usize>> {
    let DeValue::Table(table) = item.get_ref() else {
        return None;
    };
    let (_, name) = table.iter().find(|(key, _)| key.get_ref() == "name")?;
    let name = the_value(name, wanted)?;
    let further = match inner.split_first() {
        Some((Step::Key(key), inner)) => in_table(table, key, inner),
        _ => None,
    };
    Some(further.unwrap_or(name))
}

fn the_value(found: &Spanned<DeValue<'_>>, value: &str) -> Option<Range<usize>> {
    let is = match found.get_ref() {
        DeValue::String(text) => text == value,
        DeValue::Integer(number) => equal(number.as_str(), value),
        DeValue::Float(number) => equal(number.as_str(), value),
        DeValue::Array(_) | DeValue::Table(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => false,
    };
    is.then(|| found.span())
}

/// The same number, however it is written.
fn equal(written: &str, value: &str) -> bool {
    let written = written.replace('_', "").parse::<f64>().ok();
    written.is_some() && written == value.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "ratios = [0.5, 0.50]\nmethods = [\"reap\"]\nname = \"s\"\n\n[safe]\nmargins = { acuracy = 0.1 }\n\n\
                        [[models]]\nname = \"a\"\npath = \"x\"\n\n[[models]]\nname = \"a\"\n\n[[models]]\nname = \"b\"\npath = \"y\"\n";

    fn at(place: &Spot) -> &'static str {
        &TEXT[place.find(TEXT).unwrap()]
    }

    #[test]
    fn values_are_found_where_they_stand() {
        assert_eq!(at(&Spot::key("ratios").value("0.5")), "0.50");
        assert_eq!(at(&Spot::key("methods").value("reap")), "\"reap\"");
        assert_eq!(at(&Spot::key("methods")), "[\"reap\"]");
        assert_eq!(at(&Spot::key("name").value("s")), "\"s\"");
        let margins = || Spot::key("safe").then("margins");
        assert_eq!(at(&margins().then("acuracy")), "0.1");
        assert_eq!(at(&margins().named("acuracy")), "acuracy");
        let twice = Spot::key("models").entry("a");
        assert_eq!(twice.find(TEXT).unwrap().start, TEXT.rfind("\"a\"").unwrap());
        assert_eq!(at(&Spot::key("models").entry("b").then("path")), "\"y\"");
    }

    #[test]
    fn what_is_not_there_is_followed_as_far_as_it_is() {
        assert_eq!(at(&Spot::key("methods").value("else")), "methods");
        assert_eq!(at(&Spot::key("models").entry("c").then("path")), "models");
        assert_eq!(at(&Spot::key("models").entry("a").then("path")), "\"a\"");
        assert_eq!(at(&Spot::key("safe").then("alpha")), "safe");
        assert_eq!(Spot::key("nothing").value("a").find(TEXT), None);
        assert_eq!(Spot::key("a").find("no = toml ="), None);
    }

    #[test]
    fn the_line_is_shown_with_its_mark() {
        let file = Path::new("s.toml");
        let shown = refusal(file, TEXT, Spot::key("ratios").value("0.5").find(TEXT), "no");
        assert_eq!(
            shown,
            "s.toml, line 1, column 16: no\n1 | ratios = [0.5, 0.50]\n  |                ^^^^"
        );
        assert_eq!(refusal(file, TEXT, None, "no"), "s.toml: no");
        // A span behind the end, and a line that is longer than is shown.
        assert!(refusal(file, "a", Some(9..12), "no").contains("line 1, column 2"));
        let long = format!("a = \"{}\" {}", "ä".repeat(300), "x");
        let place = long.rfind('x').unwrap();
        let shown = refusal(file, &long, Some(place..place + 1), "no");
        assert!(shown.lines().all(|line| line.chars().count() < 110), "{shown}");
    }
}
