//! The parts of the lexer that look for an end: strings, quoted names, comments.

use super::lexer::{Lexer, LiteralKind, NAME_BYTES, TokenKind, starts_name};
use super::refusal::{Feature, Refusal};

impl<'a> Lexer<'a> {
    /// Reads a string whose opening quote is the current byte.
    ///
    /// A doubled quote is a quote, except in bit strings; a backslash takes the next byte with it in `E'...'` only.
    /// The server joins strings that only white space with a line feed divides, with rules of the first one: a
    /// string that follows a string is refused, whatever stands between.
    pub(super) fn string(&mut self, kind: LiteralKind) -> Result<TokenKind, Refusal> {
        self.at += 1;
        loop {
            match (self.bytes.get(self.at), kind) {
                (None, _) => return Err(Feature::Unterminated.into()),
                (Some(b'\''), LiteralKind::Bits) => break,
                (Some(b'\''), _) if self.peek(1) == b'\'' => self.at += 2,
                (Some(b'\''), _) => break,
                (Some(b'\\'), LiteralKind::Escaped) => self.at += 2,
                (Some(b'\\'), _) if !self.conforming => return Err(Feature::Backslash.into()),
                (Some(_), _) => self.at += 1,
            }
        }
        self.at += 1;
        let end = self.at;
        self.skip_blanks()?;
        if self.peek(0) == b'\'' {
            return Err(Feature::ContinuedString.into());
        }
        self.at = end;
        Ok(TokenKind::Literal(kind))
    }

    /// Reads a name in double quotes; the current byte is the first quote.
    pub(super) fn quoted_name(&mut self) -> Result<TokenKind, Refusal> {
        let start = self.at;
        self.at += 1;
        let mut length = 0;
        loop {
            match self.bytes.get(self.at) {
                None => return Err(Feature::Unterminated.into()),
                Some(b'"') if self.peek(1) == b'"' => self.at += 2,
                Some(b'"') => break,
                Some(_) => self.at += 1,
            }
            length += 1;
        }
        self.at += 1;
        match length {
            0 => Err(Feature::EmptyName.into()),
            1..=NAME_BYTES => Ok(TokenKind::Quoted),
            _ => Err(Refusal::new(Feature::LongName, self.text.get(start..self.at).unwrap_or_default())),
        }
    }

    /// Reads `$tag$...$tag$`; the current byte is the first dollar sign.
    pub(super) fn dollar_string(&mut self) -> Result<TokenKind, Refusal> {
        let start = self.at;
        self.at += 1;
        if starts_name(self.peek(0)) {
            while starts_name(self.peek(0)) || self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
        }
        if self.peek(0) != b'$' {
            return Err(Feature::StrayDollar.into());
        }
        self.at += 1;
        let tag = self.text.get(start..self.at).unwrap_or_default();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(body) = rest.find(tag) else { return Err(Feature::Unterminated.into()) };
        self.at += body + tag.len();
        Ok(TokenKind::Literal(LiteralKind::Dollar))
    }

    pub(super) fn line_comment(&mut self) -> Result<(), Refusal> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let comment = self.text.get(self.at + 2..self.at + length).unwrap_or_default().trim_ascii();
        if comment.starts_with("covet:") {
            return Err(Refusal::new(Feature::HintPlace, "a hint is written /* covet: ... */"));
        }
        self.at += length;
        Ok(())
    }

    /// Moves past a block comment, which may hold others; gives its content.
    pub(super) fn block_comment(&mut self) -> Result<&'a str, Refusal> {
        self.at += 2;
        let start = self.at;
        let mut depth = 1;
        while depth > 0 {
            match (self.peek(0), self.peek(1)) {
                (b'*', b'/') => depth -= 1,
                (b'/', b'*') => depth += 1,
                _ if self.at >= self.bytes.len() => return Err(Feature::Unterminated.into()),
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
        }
        Ok(self.text.get(start..self.at - 2).unwrap_or_default())
    }
}
