//! `json.loads`, which reads more than JSON: `NaN`, `Infinity`, integers of any size, and a
//! repeated key whose last value counts.

use super::number::MOST_INT_DIGITS;
use super::value::PyValue;

/// Nesting at which `CPython` gives up (its recursion limit of 1000 less the callers).
const DEEPEST: usize = 990;

/// Where a document stops being JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Zero-based character.
    pub position: usize,
    /// What was wrong there.
    pub what: &'static str,
}

/// Reads a document as `json.loads` does.
///
/// # Errors
/// Where Python raises `JSONDecodeError` (or, for a number of more than 4300 digits or nesting
/// beyond its recursion limit, another exception).
pub fn loads(text: &str) -> Result<PyValue, JsonError> {
    let chars: Vec<char> = text.chars().collect();
    let mut reader = Reader {
        chars: &chars,
        at: 0,
        depth: 0,
    };
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    if reader.at < chars.len() {
        return Err(reader.error("extra data after the document"));
    }
    Ok(value)
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn error(&self, what: &'static str) -> JsonError {
        JsonError {
            position: self.at,
            what,
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = word
            .chars()
            .enumerate()
            .all(|(i, c)| self.chars.get(self.at + i) == Some(&c));
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self) -> Result<PyValue, JsonError> {
        match self.peek() {
            Some('"') => self.string().map(PyValue::Str),
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(Self::array),
            Some('-' | '0'..='9') if !self.looks_like("-Infinity") => self.number(),
            _ => self.constant(),
        }
    }

    fn looks_like(&self, word: &str) -> bool {
        word.chars()
            .enumerate()
            .all(|(i, c)| self.chars.get(self.at + i) == Some(&c))
    }

    fn constant(&mut self) -> Result<PyValue, JsonError> {
        let constants = [
            ("null", PyValue::None),
            ("true", PyValue::Bool(true)),
            ("false", PyValue::Bool(false)),
            ("NaN", PyValue::Float(f64::NAN)),
            ("Infinity", PyValue::Float(f64::INFINITY)),
            ("-Infinity", PyValue::Float(f64::NEG_INFINITY)),
        ];
        for (word, value) in constants {
            if self.eat_word(word) {
                return Ok(value);
            }
        }
        Err(self.error("no value starts here"))
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<PyValue, JsonError>) -> Result<PyValue, JsonError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("nested too deeply"));
        }
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<PyValue, JsonError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(']') {
            return Ok(PyValue::List(items));
        }
        loop {
            self.skip_space();
            items.push(self.value()?);
            self.skip_space();
            if self.eat(']') {
                return Ok(PyValue::List(items));
            }
            if !self.eat(',') {
                return Err(self.error("expected `,` or `]`"));
            }
        }
    }

    fn object(&mut self) -> Result<PyValue, JsonError> {
        let mut entries = Vec::new();
        self.skip_space();
        if self.eat('}') {
            return Ok(PyValue::Dict(entries));
        }
        loop {
            self.skip_space();
            if self.peek() != Some('"') {
                return Err(self.error("expected a key in double quotes"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(':') {
                return Err(self.error("expected `:`"));
            }
            self.skip_space();
            let value = self.value()?;
            PyValue::insert(&mut entries, PyValue::Str(key), value);
            self.skip_space();
            if self.eat('}') {
                return Ok(PyValue::Dict(entries));
            }
            if !self.eat(',') {
                return Err(self.error("expected `,` or `}`"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<PyValue, JsonError> {
        let start = self.at;
        self.eat('-');
        if !self.eat('0') && self.digits() == 0 {
            return Err(self.error("no digit after the sign"));
        }
        let mut end = self.at;
        let mut whole = true;
        if self.eat('.') && self.digits() > 0 {
            (end, whole) = (self.at, false);
        }
        self.at = end;
        if self.eat('e') || self.eat('E') {
            let _sign = self.eat('+') || self.eat('-');
            if self.digits() > 0 {
                (end, whole) = (self.at, false);
            }
        }
        self.at = end;
        let text: String = self.chars[start..end].iter().collect();
        if !whole {
            return text.parse().map(PyValue::Float).map_err(|_| self.error("not a number"));
        }
        if text.trim_start_matches('-').len() > MOST_INT_DIGITS {
            return Err(self.error("an integer of more than 4300 digits"));
        }
        Ok(PyValue::Int(if text == "-0" { "0".into() } else { text }))
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(self.error("the text has no closing quote"));
            };
            self.at += 1;
            match c {
                '"' => return Ok(out),
                '\\' => out.push(self.escape()?),
                c if c < ' ' => return Err(self.error("a control character in text")),
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(c) = self.peek() else {
            return Err(self.error("the text has no closing quote"));
        };
        self.at += 1;
        match c {
            '"' | '\\' | '/' => Ok(c),
            'b' => Ok('\u{8}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'u' => {
                let first = self
                    .hex4()
                    .ok_or_else(|| self.error("expected four hexadecimal digits"))?;
                Ok(self.joined_surrogates(first))
            }
            _ => Err(self.error("an escape JSON does not have")),
        }
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.chars.get(self.at..self.at + 4)?;
        let code = digits.iter().try_fold(0, |code, c| Some(code * 16 + c.to_digit(16)?))?;
        self.at += 4;
        Some(code)
    }

    /// The character of a code unit, with the low half that follows a high surrogate.
    fn joined_surrogates(&mut self, first: u32) -> char {
        let start = self.at;
        if (0xd800..0xdc00).contains(&first) && self.eat_word("\\u") {
            match self.hex4() {
                Some(second) if (0xdc00..0xe000).contains(&second) => {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                }
                _ => self.at = start,
            }
        }
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(document: &str) -> String {
        loads(document).map_or_else(|e| format!("{} at {}", e.what, e.position), |value| value.to_text())
    }

    #[test]
    fn reads_what_python_reads() {
        assert_eq!(
            text(r#"{"a": 1e3, "b": -0.0, "c": 10000000000000000000, "d": 1e400}"#),
            "{'a': 1000.0, 'b': -0.0, 'c': 10000000000000000000, 'd': inf}"
        );
        assert_eq!(
            text(r#"{"a": NaN, "b": -Infinity, "a": null}"#),
            "{'a': None, 'b': -inf}"
        );
        assert_eq!(loads("\"\\ud83d\\ude00\\u00e9\"").unwrap(), PyValue::from("😀é"));
        assert_eq!(text("[]"), "[]");
    }

    #[test]
    fn refuses_what_python_refuses() {
        for document in [
            "",
            "{a: 1}",
            "{'a': 1}",
            "[1,]",
            "01",
            "+1",
            ".5",
            "1 2",
            "\"a\nb\"",
            "{\"a\":1} {\"b\":2}",
        ] {
            assert!(loads(document).is_err(), "{document}");
        }
        assert!(loads(&("[".repeat(100_000))).is_err());
        assert!(loads(&"9".repeat(4301)).is_err());
    }
}
