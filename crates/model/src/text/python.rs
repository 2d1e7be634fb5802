//! Values as Python writes them: `str()`, `repr()` and `json.dumps`, which chat templates put into prompts.

use std::fmt::Write as _;

use serde_json::Value;

/// `json.dumps(value, ensure_ascii=False, indent=indent)`.
#[must_use]
pub fn json_dumps(value: &Value, indent: Option<usize>) -> String {
    let mut out = String::new();
    dump(value, indent, 0, &mut out);
    out
}

fn dump(value: &Value, indent: Option<usize>, depth: usize, out: &mut String) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let each = |item: &Value, out: &mut String| dump(item, indent, depth + 1, out);
            enclosed('[', ']', items.iter(), indent, depth, each, out);
        }
        Value::Object(fields) if !fields.is_empty() => {
            let each = |(name, item): (&String, &Value), out: &mut String| {
                out.push_str(&Value::String(name.clone()).to_string());
                out.push_str(": ");
                dump(item, indent, depth + 1, out);
            };
            enclosed('{', '}', fields.iter(), indent, depth, each, out);
        }
        Value::Number(number) if number.is_f64() => {
            out.push_str(&float(number.as_f64().unwrap_or(f64::NAN)));
        }
        Value::String(text) => json_string(text, out),
        other => out.push_str(&other.to_string()),
    }
}

fn enclosed<T>(
    open: char,
    close: char,
    items: impl Iterator<Item = T>,
    indent: Option<usize>,
    depth: usize,
    each: impl Fn(T, &mut String),
    out: &mut String,
) {
    let line = |depth: usize, out: &mut String| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent.saturating_mul(depth)));
        }
    };
    out.push(open);
    for (position, item) in items.enumerate() {
        if position > 0 {
            out.push_str(if indent.is_some() { "," } else { ", " });
        }
        line(depth + 1, out);
        each(item, out);
    }
    line(depth, out);
    out.push(close);
}

/// Python escapes DEL no more than serde does; both escape control characters below 0x20, `"` and `\`.
fn json_string(text: &str, out: &mut String) {
    out.push_str(&Value::String(text.to_owned()).to_string());
}

/// `repr(float)`: shortest digits, exponent form outside 1e-4 ≤ |x| < 1e16.
#[must_use]
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 {
            "Infinity".into()
        } else {
            "-Infinity".into()
        };
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
        return format!("{value:?}");
    }
    // Rust: 1.5e-7 and 1e16; Python: 1.5e-07 and 1e+16.
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// `str(value)`: text as it is, everything else as `repr` writes it.
#[must_use]
pub fn str_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(value)`.
#[must_use]
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap_or(f64::NAN)),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", quoted(name), repr(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_has_the_separators_of_python() {
        let value = json!({"b": [1, 2.0, "x<é"], "a": {}, "c": [], "d": {"e": null, "f": true}});
        assert_eq!(
            json_dumps(&value, None),
            r#"{"b": [1, 2.0, "x<é"], "a": {}, "c": [], "d": {"e": null, "f": true}}"#
        );
        assert_eq!(
            json_dumps(&json!({"a": [1, {"b": 2}], "c": []}), Some(2)),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": []\n}"
        );
    }

    #[test]
    fn floats_are_written_as_repr_writes_them() {
        for (value, text) in [
            (1e16, "1e+16"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (0.0001, "0.0001"),
            (-2.5, "-2.5"),
            (1e-300, "1e-300"),
            (0.1, "0.1"),
            (0.0, "0.0"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn values_are_written_as_str_writes_them() {
        assert_eq!(str_of(&json!("a'b")), "a'b");
        assert_eq!(
            str_of(&json!(["a'b", "c\n", null, true, {"k": 1.0}])),
            r#"["a'b", 'c\n', None, True, {'k': 1.0}]"#
        );
    }
}
