//! `ast.literal_eval` of `CPython` 3.11: literals, containers, signs and complex sums; nothing else.
//!
//! Left out: `\N{…}` escapes, which need the names of all characters and are refused here.

use super::number::{MOST_INT_DIGITS, to_decimal};
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
                Some('\\') if self.peek_at(1) == Some('\n') => self.at += 2,
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

    fn digits(&mut self, is_digit: fn(char) -> bool) -> Parsed<String> {
        let mut digits = String::new();
        loop {
            match self.peek() {
                Some(c) if is_digit(c) => digits.push(c),
                Some('_') if !digits.is_empty() && self.peek_at(1).is_some_and(is_digit) => {}
                Some('_') => return Err(NotALiteral),
                _ => return Ok(digits),
            }
            self.at += 1;
        }
    }

    fn number(&mut self) -> Parsed<PyValue> {
        let base = match (self.peek(), self.peek_at(1)) {
            (Some('0'), Some('x' | 'X')) => Some((16, (|c| c.is_ascii_hexdigit()) as fn(char) -> bool)),
            (Some('0'), Some('o' | 'O')) => Some((8, (|c| ('0'..='7').contains(&c)) as fn(char) -> bool)),
            (Some('0'), Some('b' | 'B')) => Some((2, (|c| c == '0' || c == '1') as fn(char) -> bool)),
            _ => None,
        };
        let value = if let Some((base, is_digit)) = base {
            self.at += 2;
            self.eat('_');
            let digits = self.digits(is_digit)?;
            if digits.is_empty() {
                return Err(NotALiteral);
            }
            PyValue::Int(to_decimal(&digits, base).ok_or(NotALiteral)?)
        } else {
            self.decimal()?
        };
        match self.peek() {
            Some(c) if c.is_alphanumeric() || c == '_' || !c.is_ascii() => Err(NotALiteral),
            _ => Ok(value),
        }
    }

    fn decimal(&mut self) -> Parsed<PyValue> {
        let is_digit = |c: char| c.is_ascii_digit();
        let mut text = self.digits(is_digit)?;
        let mut whole = true;
        if self.eat('.') {
            whole = false;
            text.push('.');
            if self.peek().is_some_and(is_digit) {
                text += &self.digits(is_digit)?;
            }
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            whole = false;
            self.at += 1;
            text.push('e');
            if let Some(sign @ ('+' | '-')) = self.peek() {
                self.at += 1;
                text.push(sign);
            }
            let exponent = self.digits(is_digit)?;
            if exponent.is_empty() {
                return Err(NotALiteral);
            }
            text += &exponent;
        }
        if self.eat('j') || self.eat('J') {
            return text
                .parse()
                .map(|imaginary| PyValue::Complex(0.0, imaginary))
                .map_err(|_| NotALiteral);
        }
        if !whole {
            return text.parse().map(PyValue::Float).map_err(|_| NotALiteral);
        }
        let significant = text.trim_start_matches('0');
        match (significant.is_empty(), text.starts_with('0')) {
            (true, _) => Ok(PyValue::Int("0".into())),
            (false, true) => Err(NotALiteral),
            (false, false) if text.len() > MOST_INT_DIGITS => Err(NotALiteral),
            (false, false) => Ok(PyValue::Int(text)),
        }
    }

    /// One or more strings side by side, all of text or all of bytes.
    fn strings(&mut self) -> Parsed<PyValue> {
        let mut text: Option<String> = None;
        let mut bytes: Option<Vec<u8>> = None;
        loop {
            match self.string()? {
                PyValue::Str(part) => text.get_or_insert_default().push_str(&part),
                PyValue::Bytes(part) => bytes.get_or_insert_default().extend(part),
                _ => return Err(NotALiteral),
            }
            self.skip_space();
            if !self.at_string() {
                break;
            }
        }
        match (text, bytes) {
            (Some(text), None) => Ok(PyValue::Str(text)),
            (None, Some(bytes)) => Ok(PyValue::Bytes(bytes)),
            _ => Err(NotALiteral),
        }
    }

    fn at_string(&self) -> bool {
        let prefix = (0..3)
            .take_while(|&i| self.peek_at(i).is_some_and(|c| c.is_ascii_alphabetic()))
            .count();
        matches!(self.peek_at(prefix), Some('\'' | '"'))
    }

    fn string(&mut self) -> Parsed<PyValue> {
        let mut prefix = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_alphabetic) {
            prefix.push(c.to_ascii_lowercase());
            self.at += 1;
        }
        let (raw, is_bytes) = match prefix.as_str() {
            "" | "u" => (false, false),
            "r" => (true, false),
            "b" => (false, true),
            "br" | "rb" => (true, true),
            _ => return Err(NotALiteral),
        };
        let quote = self.peek().filter(|c| matches!(c, '\'' | '"')).ok_or(NotALiteral)?;
        let triple = self.peek_at(1) == Some(quote) && self.peek_at(2) == Some(quote);
        self.at += if triple { 3 } else { 1 };
        let mut codes: Vec<u32> = Vec::new();
        loop {
            let c = self.peek().ok_or(NotALiteral)?;
            self.at += 1;
            match c {
                '\n' if !triple => return Err(NotALiteral),
                '\\' if raw => {
                    let next = self.peek().ok_or(NotALiteral)?;
                    if is_bytes && !next.is_ascii() {
                        return Err(NotALiteral);
                    }
                    codes.extend([u32::from(c), u32::from(next)]);
                    self.at += 1;
                }
                '\\' => self.escape(is_bytes, &mut codes)?,
                c if c == quote && !triple => break,
                c if c == quote && self.peek() == Some(quote) && self.peek_at(1) == Some(quote) => {
                    self.at += 2;
                    break;
                }
                c if is_bytes && !c.is_ascii() => return Err(NotALiteral),
                c => codes.push(u32::from(c)),
            }
        }
        if is_bytes {
            // Only escapes give values above 127, and those of bytes are cut to eight bits.
            return codes
                .into_iter()
                .map(|code| u8::try_from(code).map_err(|_| NotALiteral))
                .collect::<Parsed<_>>()
                .map(PyValue::Bytes);
        }
        let character = |code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        Ok(PyValue::Str(codes.into_iter().map(character).collect()))
    }

    fn escape(&mut self, is_bytes: bool, codes: &mut Vec<u32>) -> Parsed<()> {
        let c = self.peek().ok_or(NotALiteral)?;
        self.at += 1;
        let code = match c {
            '\n' => return Ok(()),
            '\\' | '\'' | '"' => u32::from(c),
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            '0'..='7' => {
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    code = code * 8 + digit;
                    self.at += 1;
                }
                if is_bytes { code & 0xff } else { code }
            }
            'x' => self.hex(2)?,
            'u' if !is_bytes => self.hex(4)?,
            'U' if !is_bytes => self
                .hex(8)
                .and_then(|code| if code > 0x10_ffff { Err(NotALiteral) } else { Ok(code) })?,
            'N' if !is_bytes => return Err(NotALiteral),
            c if is_bytes && !c.is_ascii() => return Err(NotALiteral),
            c => {
                codes.extend([u32::from('\\'), u32::from(c)]);
                return Ok(());
            }
        };
        codes.push(code);
        Ok(())
    }

    fn hex(&mut self, count: usize) -> Parsed<u32> {
        let digits = self.chars.get(self.at..self.at + count).ok_or(NotALiteral)?;
        let fold = |code: u32, c: &char| code.checked_mul(16)?.checked_add(c.to_digit(16)?);
        let code = digits.iter().try_fold(0, fold).ok_or(NotALiteral)?;
        self.at += count;
        Ok(code)
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
            "1e400j k",
        ];
        for source in refused {
            assert_eq!(text(source), None, "{source}");
        }
        assert!(literal_eval(&("[".repeat(200) + &"]".repeat(200))).is_ok());
        assert!(literal_eval(&("[".repeat(201) + &"]".repeat(201))).is_err());
    }
}
