//! `ast.literal_eval` of `CPython` 3.11: literals, containers, signs and complex sums; nothing else.
//!
//! Left out: `\N{…}` escapes, which need the names of all characters and are refused here.

mod numbers;
mod strings;

use super::value::PyValue;

/// Brackets within brackets that `CPython`'s tokenizer allows.
const DEEPEST: usize = 200;

/// Text that is not a Python literal, for whatever reason: the experiment does not ask why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotALiteral;

type Parsed<T> = Result<T, NotALiteral>;

/// Reads a literal as `ast.literal_eval` does.
///
/// # Errors
/// Where Python raises any exception.
pub fn literal_eval(text: &str) -> Parsed<PyValue> {
    let source = text
        .trim_start_matches([' ', '\t'])
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let source = without_leading_blank_lines(&source)?;
    if source.contains('\0') {
        return Err(NotALiteral);
    }
    let chars: Vec<char> = source.chars().collect();
    let mut reader = Reader {
        chars: &chars,
        at: 0,
        depth: 0,
    };
    let value = reader.top_level()?;
    reader.end()?;
    Ok(value)
}

/// The source from its first line with anything on it. That line may not be indented, unless it is
/// the first of all.
fn without_leading_blank_lines(source: &str) -> Parsed<&str> {
    let mut rest = source;
    while let Some((line, after)) = rest.split_once('\n') {
        let line = line.trim_matches([' ', '\t', '\u{c}']);
        if !line.is_empty() && !line.starts_with('#') {
            break;
        }
        rest = after;
    }
    let indented = rest.len() < source.len() && rest.starts_with([' ', '\t']);
    if indented { Err(NotALiteral) } else { Ok(rest) }
}

/// What a sign or a sum may be applied to.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Number,
    SignedNumber,
    Other,
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn peek_at(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    /// Skips blanks and comments; line ends too, within brackets.
    fn skip_space(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\u{c}') => self.at += 1,
                Some('\n') if self.depth > 0 => self.at += 1,
                Some('\\') if self.peek_at(1) == Some('\n') && self.peek_at(2).is_some() => self.at += 2,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// The rest must be empty lines.
    fn end(&mut self) -> Parsed<()> {
        self.depth = 1;
        self.skip_space();
        if self.at == self.chars.len() {
            Ok(())
        } else {
            Err(NotALiteral)
        }
    }

    /// An expression, or several with commas: a tuple without its parentheses.
    fn top_level(&mut self) -> Parsed<PyValue> {
        self.skip_space();
        let (first, _) = self.expression()?;
        self.skip_space();
        if self.peek() != Some(',') {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.eat(',') {
            self.skip_space();
            if matches!(self.peek(), None | Some('\n')) {
                break;
            }
            items.push(self.expression()?.0);
            self.skip_space();
        }
        Ok(PyValue::Tuple(items))
    }

    /// A literal, with its sign or its imaginary summand.
    fn expression(&mut self) -> Parsed<(PyValue, Kind)> {
        let left = self.signed()?;
        self.skip_space();
        let Some(sign @ ('+' | '-')) = self.peek() else {
            return Ok(left);
        };
        self.at += 1;
        self.skip_space();
        let right = self.atom()?;
        self.skip_space();
        if matches!(self.peek(), Some('+' | '-')) {
            return Err(NotALiteral);
        }
        let real = match left {
            (PyValue::Int(digits), Kind::Number | Kind::SignedNumber) => digits.parse().map_err(|_| NotALiteral)?,
            (PyValue::Float(value), Kind::Number | Kind::SignedNumber) => value,
            _ => return Err(NotALiteral),
        };
        let (PyValue::Complex(_, imaginary), Kind::Number) = right else {
            return Err(NotALiteral);
        };
        let sum = if sign == '+' {
            PyValue::Complex(real + 0.0, 0.0 + imaginary)
        } else {
            PyValue::Complex(real - 0.0, 0.0 - imaginary)
        };
        Ok((sum, Kind::Other))
    }

    fn signed(&mut self) -> Parsed<(PyValue, Kind)> {
        let Some(sign @ ('+' | '-')) = self.peek() else {
            return self.atom();
        };
        self.at += 1;
        self.skip_space();
        let (value, Kind::Number) = self.atom()? else {
            return Err(NotALiteral);
        };
        let value = match value {
            value if sign == '+' => value,
            PyValue::Int(digits) if digits == "0" => PyValue::Int(digits),
            PyValue::Int(digits) => PyValue::Int(format!("-{digits}")),
            PyValue::Float(value) => PyValue::Float(-value),
            PyValue::Complex(real, imaginary) => PyValue::Complex(-real, -imaginary),
            _ => return Err(NotALiteral),
        };
        Ok((value, Kind::SignedNumber))
    }

    fn atom(&mut self) -> Parsed<(PyValue, Kind)> {
        let other = |value| (value, Kind::Other);
        match self.peek().ok_or(NotALiteral)? {
            '(' => self.bracketed(Self::parenthesis),
            '[' => self.bracketed(Self::list),
            '{' => self.bracketed(Self::braces),
            '0'..='9' => self.number().map(|value| (value, Kind::Number)),
            '.' if self.peek_at(1).is_some_and(|c| c.is_ascii_digit()) => {
                self.number().map(|value| (value, Kind::Number))
            }
            '.' if self.peek_at(1) == Some('.') && self.peek_at(2) == Some('.') => {
                self.at += 3;
                Ok(other(PyValue::Ellipsis))
            }
            '\'' | '"' => self.strings().map(other),
            c if c.is_ascii_alphabetic() => self.word().map(other),
            _ => Err(NotALiteral),
        }
    }

    fn bracketed(&mut self, read: fn(&mut Self) -> Parsed<(PyValue, Kind)>) -> Parsed<(PyValue, Kind)> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(NotALiteral);
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Items up to the closing bracket, and whether a comma was among them.
    fn items(&mut self, close: char) -> Parsed<(Vec<(PyValue, Kind)>, bool)> {
        let (mut items, mut comma) = (Vec::new(), false);
        loop {
            self.skip_space();
            if self.eat(close) {
                return Ok((items, comma));
            }
            if !items.is_empty() && !comma {
                return Err(NotALiteral);
            }
            items.push(self.expression()?);
            self.skip_space();
            let more = self.eat(',');
            comma |= more;
            if !more {
                return if self.eat(close) {
                    Ok((items, comma))
                } else {
                    Err(NotALiteral)
                };
            }
        }
    }

    fn parenthesis(&mut self) -> Parsed<(PyValue, Kind)> {
        let (mut items, comma) = self.items(')')?;
        match items.pop() {
            Some(single) if items.is_empty() && !comma => Ok(single),
            last => {
                items.extend(last);
                Ok((
                    PyValue::Tuple(items.into_iter().map(|(value, _)| value).collect()),
                    Kind::Other,
                ))
            }
        }
    }

    fn list(&mut self) -> Parsed<(PyValue, Kind)> {
        let (items, _) = self.items(']')?;
        Ok((
            PyValue::List(items.into_iter().map(|(value, _)| value).collect()),
            Kind::Other,
        ))
    }

    fn braces(&mut self) -> Parsed<(PyValue, Kind)> {
        self.skip_space();
        if self.eat('}') {
            return Ok((PyValue::Dict(Vec::new()), Kind::Other));
        }
        let (first, _) = self.expression()?;
        self.skip_space();
        if !first.is_hashable() {
            return Err(NotALiteral);
        }
        let value = if self.eat(':') {
            self.dict(first)?
        } else {
            self.set(first)?
        };
        Ok((value, Kind::Other))
    }

    /// The rest of a set, after its first element.
    fn set(&mut self, first: PyValue) -> Parsed<PyValue> {
        let mut unique = vec![first];
        if !self.eat(',') {
            return if self.eat('}') {
                Ok(PyValue::Set(unique))
            } else {
                Err(NotALiteral)
            };
        }
        for (value, _) in self.items('}')?.0 {
            if !value.is_hashable() {
                return Err(NotALiteral);
            }
            if !unique.iter().any(|seen| seen.same_key(&value)) {
                unique.push(value);
            }
        }
        Ok(PyValue::Set(unique))
    }

    /// The rest of a dict, after its first key and colon.
    fn dict(&mut self, first: PyValue) -> Parsed<PyValue> {
        let mut entries = Vec::new();
        let mut key = first;
        loop {
            self.skip_space();
            let (value, _) = self.expression()?;
            PyValue::insert(&mut entries, key, value);
            self.skip_space();
            let more = self.eat(',');
            self.skip_space();
            if self.eat('}') {
                return Ok(PyValue::Dict(entries));
            }
            if !more {
                return Err(NotALiteral);
            }
            key = self.expression()?.0;
            self.skip_space();
            if !key.is_hashable() || !self.eat(':') {
                return Err(NotALiteral);
            }
        }
    }

    /// `True`, `False`, `None`, `set()`, or the prefix of a string.
    fn word(&mut self) -> Parsed<PyValue> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| c.is_alphanumeric() || c == '_' || !c.is_ascii())
        {
            self.at += 1;
        }
        if matches!(self.peek(), Some('\'' | '"')) {
            self.at = start;
            return self.strings();
        }
        let word: String = self.chars[start..self.at].iter().collect();
        match word.as_str() {
            "True" => Ok(PyValue::Bool(true)),
            "False" => Ok(PyValue::Bool(false)),
            "None" => Ok(PyValue::None),
            "set" => {
                self.skip_space();
                let (PyValue::Tuple(arguments), Kind::Other) = self.bracketed_call()? else {
                    return Err(NotALiteral);
                };
                if arguments.is_empty() {
                    Ok(PyValue::Set(Vec::new()))
                } else {
                    Err(NotALiteral)
                }
            }
            _ => Err(NotALiteral),
        }
    }

    fn bracketed_call(&mut self) -> Parsed<(PyValue, Kind)> {
        if self.peek() == Some('(') {
            self.bracketed(Self::parenthesis)
        } else {
            Err(NotALiteral)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> Option<String> {
        literal_eval(source).ok().map(|value| value.to_text())
    }

    #[test]
    fn reads_the_literals_of_python() {
        let cases = [
            (
                "{'a': None, 'b': True, 'c': [1, 'x'], 'd': {'e': 1.0}}",
                "{'a': None, 'b': True, 'c': [1, 'x'], 'd': {'e': 1.0}}",
            ),
            ("{1: 2, (1,2): 'tuple key',}", "{1: 2, (1, 2): 'tuple key'}"),
            (
                "{'a': 'x' 'y', # why\n 'n': 0x10, 'm': 1_000}",
                "{'a': 'xy', 'n': 16, 'm': 1000}",
            ),
            ("({'a': b'it\\'s'})", "{'a': b\"it's\"}"),
            ("1, -2, +3.", "(1, -2, 3.0)"),
            ("\n# why\n1\n", "1"),
            ("[1+2j, -1.5-2j, -2j]", "[(1+2j), (-1.5-2j), (-0-2j)]"),
            (
                "{'a': '''two\nlines''', 'b': r'\\d', 'c': '\\d\\x41\\101\\u00e9'}",
                "{'a': 'two\\nlines', 'b': '\\\\d', 'c': '\\\\dAAé'}",
            ),
            ("[set(), {1, 1.0}, (), (1), ...]", "[set(), {1}, (), 1, Ellipsis]"),
        ];
        for (source, expected) in cases {
            assert_eq!(text(source).as_deref(), Some(expected), "{source}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        let refused = [
            "",
            "null",
            "{'a': x}",
            "{[1]: 2}",
            "{{}}",
            "[1 2]",
            "[,]",
            "012",
            "1__0",
            "0x",
            "--1",
            "-True",
            "1+2",
            "1+2j+3j",
            "1-(-2j)",
            "-(1+2j)",
            "'a' b'b'",
            "f'x'",
            "'a\nb'",
            "'\\N{BULLET}'",
            "{'a': 1}{'b': 2}",
            "'a'.lower()",
            "set(1)",
            "'\\x4'",
            "{'a'",
            "\u{a0}1",
            "1 if 1 else 2",
            "b'é'",
            "\n 1",
            "1\\\n",
            "1e400j k",
        ];
        for source in refused {
            assert_eq!(text(source), None, "{source}");
        }
        assert!(literal_eval(&("[".repeat(200) + &"]".repeat(200))).is_ok());
        assert!(literal_eval(&("[".repeat(201) + &"]".repeat(201))).is_err());
    }
}
