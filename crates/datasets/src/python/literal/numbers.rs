//! Numbers: whole ones in four bases, floats and imaginary ones, with underscores between digits.

use super::super::number::{MOST_INT_DIGITS, to_decimal};
use super::super::value::PyValue;
use super::{NotALiteral, Parsed, Reader};

impl Reader<'_> {
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

    pub(super) fn number(&mut self) -> Parsed<PyValue> {
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
}
