//! The few behaviours of Python's text type that prompts were built with: `strip`, `capitalize`, and `repr` and literals of
//! strings, numbers, lists and dictionaries. Source: the Python language reference.

use regex::Regex;
use serde_json::{Map, Number, Value};
use std::sync::LazyLock;

/// `str.strip()`: Unicode white space and the four separators U+001C to U+001F.
#[must_use]
pub fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// `str.capitalize()`: the first character in title case, all others lower.
#[must_use]
pub fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let mut result = title_case(first);
    // Lower-cased as part of the whole word: a final sigma depends on what stands before it.
    let lower = text.to_lowercase();
    let first_lower: String = first.to_lowercase().collect();
    result.push_str(lower.strip_prefix(&first_lower).unwrap_or_default());
    result
}

fn title_case(character: char) -> String {
    match character {
        'Ǆ' | 'ǅ' | 'ǆ' => "ǅ".to_owned(),
        'Ǉ' | 'ǈ' | 'ǉ' => "ǈ".to_owned(),
        'Ǌ' | 'ǋ' | 'ǌ' => "ǋ".to_owned(),
        'Ǳ' | 'ǲ' | 'ǳ' => "ǲ".to_owned(),
        'ა'..='ჿ' => character.to_string(),
        other => {
            let mut upper = other.to_uppercase();
            let mut title: String = upper.next().into_iter().collect();
            title.extend(upper.flat_map(char::to_lowercase));
            title
        }
    }
}

static UNPRINTABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[\p{C}\p{Z}&&[^ ]]").ok());

/// `repr()` of a string: single quotes unless it holds one and no double quote; unprintable characters escaped.
#[must_use]
pub fn repr_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut result = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            c if c == quote => result.extend(['\\', c]),
            c => escape_unprintable(c, &mut result),
        }
    }
    result.push(quote);
    result
}

fn escape_unprintable(character: char, result: &mut String) {
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    if !UNPRINTABLE.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
        result.push(character);
        return;
    }
    let code = u32::from(character);
    let escaped = match code {
        0..=0xff => format!("\\x{code:02x}"),
        0x100..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    };
    result.push_str(&escaped);
}

/// `repr()` of a JSON value read by Python: dictionaries keep their order, `true` is `True`, `null` is `None`.
#[must_use]
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => repr_text(text),
        Value::Array(list) => format!("[{}]", list.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| format!("{}: {}", repr_text(key), repr(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Reads a Python literal of strings, integers, floats, `None`, booleans, lists and dictionaries with string keys.
///
/// # Errors
/// A description of what stands where the literal breaks.
pub fn literal(text: &str) -> Result<Value, String> {
    let mut parser = Parser { rest: text };
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.rest.is_empty() {
        Ok(value)
    } else {
        Err(parser.unexpected("the end"))
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn unexpected(&self, expected: &str) -> String {
        format!("\"{}\" where {expected} should stand", crate::error::shorten(self.rest))
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > 32 {
            return Err("a literal nested more than 32 deep".to_owned());
        }
        self.skip_space();
        if self.rest.starts_with(['\'', '"']) {
            return self.string().map(Value::String);
        }
        if self.take("{") {
            return self.dictionary(depth);
        }
        if self.take("[") {
            return self.list(depth);
        }
        for (word, value) in [
            ("None", Value::Null),
            ("True", Value::Bool(true)),
            ("False", Value::Bool(false)),
        ] {
            if self.take(word) {
                return Ok(value);
            }
        }
        self.number()
    }

    fn number(&mut self) -> Result<Value, String> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let number = digits.parse::<i64>().map(Number::from).ok();
        let number = number.or_else(|| digits.parse::<f64>().ok().and_then(Number::from_f64));
        let number = number.ok_or_else(|| self.unexpected("a value"))?;
        self.rest = rest;
        Ok(Value::Number(number))
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let mut list = Vec::new();
        while !self.take("]") {
            list.push(self.value(depth + 1)?);
            if !self.take(",") && !self.rest.starts_with(']') {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
        Ok(Value::Array(list))
    }

    fn dictionary(&mut self, depth: usize) -> Result<Value, String> {
        let mut map = Map::new();
        while !self.take("}") {
            self.skip_space();
            let key = self.string()?;
            if !self.take(":") {
                return Err(self.unexpected("`:`"));
            }
            let value = self.value(depth + 1)?;
            map.insert(key, value);
            if !self.take(",") && !self.rest.starts_with('}') {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
        Ok(Value::Object(map))
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let quote = quote.ok_or_else(|| self.unexpected("a quoted string"))?;
        let body = &self.rest[1..];
        let mut result = String::new();
        let mut characters = body.char_indices();
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.rest = &body[at + 1..];
                return Ok(result);
            }
            if character != '\\' {
                result.push(character);
                continue;
            }
            let escape = characters.next().map(|(_, c)| c);
            let digits = match escape {
                Some('x') => 2,
                Some('u') => 4,
                Some('U') => 8,
                _ => 0,
            };
            if digits > 0 {
                let hex: String = characters.by_ref().take(digits).map(|(_, c)| c).collect();
                let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                result.push(code.ok_or_else(|| format!("the escape \\{hex}, which is no character"))?);
            } else {
                simple_escape(escape.ok_or_else(|| self.unexpected("a closed string"))?, &mut result);
            }
        }
        Err(self.unexpected("a closed string"))
    }
}

fn simple_escape(escape: char, result: &mut String) {
    match escape {
        '\n' => {}
        'n' => result.push('\n'),
        'r' => result.push('\r'),
        't' => result.push('\t'),
        'a' => result.push('\u{7}'),
        'b' => result.push('\u{8}'),
        'f' => result.push('\u{c}'),
        'v' => result.push('\u{b}'),
        '\\' | '\'' | '"' => result.push(escape),
        other => result.extend(['\\', other]),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn capitalize_lowers_everything_after_the_first_character() {
        assert_eq!(capitalize("the NASA probe"), "The nasa probe");
        assert_eq!(capitalize(""), "");
        assert_eq!(capitalize("ßa"), "Ssa");
        assert_eq!(capitalize("ǆA"), "ǅa");
        assert_eq!(capitalize("ΟΔΟΣ"), "Οδος");
        assert_eq!(capitalize("(A) B"), "(a) b");
    }

    #[test]
    fn strip_takes_the_separators_too() {
        assert_eq!(strip("\u{1c} a b\u{3000}\n"), "a b");
    }

    #[test]
    fn repr_follows_the_quote_rule() {
        assert_eq!(repr_text("plain"), "'plain'");
        assert_eq!(repr_text("it's"), "\"it's\"");
        assert_eq!(repr_text("it's \"so\""), "'it\\'s \"so\"'");
        assert_eq!(
            repr_text("a\u{a0}b\u{200b}\u{e000}\n\\"),
            "'a\\xa0b\\u200b\\ue000\\n\\\\'"
        );
        assert_eq!(repr_text("ünïcode 你"), "'ünïcode 你'");
    }

    #[test]
    fn literals_and_repr_are_inverse() {
        let value = json!({"0": "it's", "1": "say \"x\"", "n": [1, 2.5, null, true], "d": {"a": "b\nc"}});
        assert_eq!(literal(&repr(&value)).unwrap(), value);
        assert_eq!(
            literal(r#"{'a': "b", 'c': '\x41\u00e9', }"#).unwrap(),
            json!({"a": "b", "c": "Aé"})
        );
    }

    #[test]
    fn broken_literals_are_refused_with_the_place() {
        for broken in [
            "{'a': }",
            "{'a' 1}",
            "'open",
            "[1 2]",
            "{1: 2}",
            "'\\ud800'",
            "__import__('os')",
            "",
            "{'a': 1} x",
        ] {
            assert!(literal(broken).is_err(), "{broken}");
        }
        assert!(literal(&"[".repeat(1000)).unwrap_err().contains("nested"));
    }
}
