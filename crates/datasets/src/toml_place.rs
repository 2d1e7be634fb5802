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

/// Where `value` stands under the top-level key `key`, in lists and as the `name` of tables: the last place of several. The key's own
/// place where it does not stand there; nothing where there is no such key.
#[must_use]
pub fn place_of(text: &str, key: &str, value: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let (name, found) = document.get_ref().iter().find(|(name, _)| name.get_ref() == key)?;
    Some(last(found, value).unwrap_or_else(|| name.span()))
}

fn last(found: &Spanned<DeValue<'_>>, value: &str) -> Option<Range<usize>> {
    let is = match found.get_ref() {
        DeValue::Array(items) => return items.iter().rev().find_map(|item| last(item, value)),
        DeValue::Table(table) => {
            let (_, name) = table.iter().find(|(key, _)| key.get_ref() == "name")?;
            return last(name, value);
        }
        DeValue::String(text) => text == value,
        DeValue::Integer(number) => equal(number.as_str(), value),
        DeValue::Float(number) => equal(number.as_str(), value),
        DeValue::Boolean(_) | DeValue::Datetime(_) => false,
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

    const TEXT: &str = "ratios = [0.5, 0.50]\nmethods = [\"reap\"]\n\n[[models]]\nname = \"a\"\npath = \"a\"\n\n[[models]]\nname = \"a\"\n";

    #[test]
    fn values_are_found_where_they_stand() {
        let at = |key: &str, value: &str| &TEXT[place_of(TEXT, key, value).unwrap()];
        assert_eq!(at("ratios", "0.5"), "0.50");
        assert_eq!(at("methods", "reap"), "\"reap\"");
        assert_eq!(at("methods", "else"), "methods");
        let place = place_of(TEXT, "models", "a").unwrap();
        assert_eq!(place.start, TEXT.rfind("\"a\"").unwrap());
        assert_eq!(place_of(TEXT, "nothing", "a"), None);
    }

    #[test]
    fn the_line_is_shown_with_its_mark() {
        let file = Path::new("s.toml");
        let shown = refusal(file, TEXT, place_of(TEXT, "ratios", "0.5"), "no");
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
