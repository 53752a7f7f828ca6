//! JSON text token by token: white space, words, numbers, strings. Knows nothing of types.

use std::borrow::Cow;

use super::JsonError;
use crate::text::{add, joined, printed};

/// Arrays and objects within each other: `serde_json`'s bound.
const DEPTH_MAX: u8 = 127;

/// How far a text has been read.
#[derive(Debug)]
pub(super) struct Scanner<'de> {
    text: &'de str,
    at: usize,
    depth_left: u8,
}

/// A number as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberText<'de> {
    pub(super) text: &'de str,
    /// Neither fraction nor exponent.
    pub(super) is_whole: bool,
}

impl<'de> Scanner<'de> {
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, at: 0, depth_left: DEPTH_MAX }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space, not read yet.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    #[cold]
    pub(super) fn fault(&self, what: &str) -> JsonError {
        let place = if self.at < self.text.len() { " at byte " } else { " at its end, byte " };
        JsonError::of(joined(&[what, place, &printed(&self.at)]))
    }

    /// Reads this byte if it is next.
    pub(super) fn eat(&mut self, wanted: u8) -> bool {
        let is_next = self.peek() == Some(wanted);
        if is_next {
            self.at += 1;
        }
        is_next
    }

    pub(super) fn word(&mut self, word: &str) -> Result<(), JsonError> {
        if self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.fault("no JSON value"))
    }

    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.fault("the payload goes on after its JSON")) }
    }

    /// Into an array or object.
    pub(super) fn enter(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        self.depth_left =
            self.depth_left.checked_sub(1).ok_or_else(|| self.fault("more than 127 arrays and objects deep"))?;
        Ok(())
    }

    /// Out of an array or object, whose values have all been read.
    pub(super) fn leave(&mut self, close: u8) -> Result<(), JsonError> {
        if !self.eat(close) {
            return Err(self.fault(if close == b']' { "`]` is missing" } else { "`}` is missing" }));
        }
        self.depth_left += 1;
        Ok(())
    }

    /// To the next value of an array or object; whether there is one.
    pub(super) fn next_item(&mut self, close: u8, is_first: bool) -> Result<bool, JsonError> {
        match self.peek() {
            Some(byte) if byte == close => Ok(false),
            Some(b',') if !is_first => {
                self.at += 1;
                if self.peek() == Some(close) { Err(self.fault("a comma with nothing after it")) } else { Ok(true) }
            }
            Some(_) if is_first => Ok(true),
            _ => Err(self.fault(if close == b']' { "expected `,` or `]`" } else { "expected `,` or `}`" })),
        }
    }

    pub(super) fn number(&mut self) -> Result<NumberText<'de>, JsonError> {
        let start = self.at;
        let mut is_whole = true;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
            if self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.fault("a number begins with 0"));
            }
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            is_whole = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            is_whole = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(NumberText { text: self.since(start), is_whole })
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault("a digit is missing")) } else { Ok(()) }
    }

    /// A string, at whose opening quote the scanner stands; borrowed if it has no escapes.
    pub(super) fn string(&mut self) -> Result<Cow<'de, str>, JsonError> {
        if self.byte() != Some(b'"') {
            return Err(self.fault("expected a string"));
        }
        self.at += 1;
        let mut unescaped = String::new();
        let mut start = self.at;
        loop {
            match self.byte() {
                Some(b'"') => {
                    let part = self.since(start);
                    self.at += 1;
                    // An escape never yields nothing: without text there was none.
                    if unescaped.is_empty() {
                        return Ok(Cow::Borrowed(part));
                    }
                    add(&mut unescaped, part);
                    return Ok(Cow::Owned(unescaped));
                }
                Some(b'\\') => {
                    add(&mut unescaped, self.since(start));
                    self.at += 1;
                    add(&mut unescaped, self.escape()?.encode_utf8(&mut [0; 4]));
                    start = self.at;
                }
                Some(0x20..) => self.at += 1,
                Some(_) => return Err(self.fault("a control character in a string; write it as an escape")),
                None => return Err(self.fault("a string without end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let letter = self.byte().ok_or_else(|| self.fault("a string without end"))?;
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(self.fault("an unknown escape in a string")),
        })
    }

    fn code_point(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        let code = match first {
            0xD800..=0xDBFF if self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u") => {
                self.at += 2;
                match self.hex4()? {
                    second @ 0xDC00..=0xDFFF => 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => first,
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.fault("half a surrogate pair in a string"))
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.fault("an escape needs four hexadecimal digits"))?;
            self.at += 1;
        }
        Ok(code)
    }

    /// Reads a value nobody wants.
    pub(super) fn skip(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(open @ (b'[' | b'{')) => {
                let close = if open == b'[' { b']' } else { b'}' };
                self.enter()?;
                let mut is_first = true;
                while self.next_item(close, is_first)? {
                    is_first = false;
                    if open == b'{' {
                        self.key()?;
                    }
                    self.skip()?;
                }
                self.leave(close)
            }
            _ => self.word("null"),
        }
    }

    /// What has been read from there on.
    #[inline(never)]
    fn since(&self, start: usize) -> &'de str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// How far the text has been read.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    /// What went wrong in the member whose key was read there.
    #[cold]
    #[inline(never)]
    pub(super) fn below_key_at(&self, place: usize, error: JsonError) -> JsonError {
        let mut again = Scanner { text: self.text, at: place, depth_left: 0 };
        match again.key() {
            Ok(key) => error.below_key(key.into_owned()),
            Err(_) => error,
        }
    }

    /// A key and its colon.
    pub(super) fn key(&mut self) -> Result<Cow<'de, str>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.fault("a key must be a string"));
        }
        let key = self.string()?;
        if self.eat(b':') { Ok(key) } else { Err(self.fault("expected `:`")) }
    }
}
