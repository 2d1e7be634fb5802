//! Text and bytes: prefixes, quotes, escapes, and strings side by side.

use super::super::value::PyValue;
use super::{NotALiteral, Parsed, Reader};

impl Reader<'_> {
    /// One or more strings side by side, all of text or all of bytes.
    pub(super) fn strings(&mut self) -> Parsed<PyValue> {
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
