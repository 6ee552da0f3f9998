//! Tokens by PostgreSQL's lexical rules, borrowed from the text, without allocation.
//!
//! It reads what PostgreSQL 12 to 18 read alike; where they differ (numbers with `0x`, `_` or trailing letters)
//! and where reading on would need more state than a token (continued strings, Unicode names) it refuses.

use super::refusal::{Feature, Refusal};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or a name without quotes; the server folds ASCII letters to lower case.
    Word,
    /// A name in double quotes.
    Quoted,
    /// `$1` to `$65535`.
    Param(u16),
    /// A constant.
    Literal(LiteralKind),
    /// One or more operator characters, cut as the server cuts them: `=-` is `=` and `-`.
    Operator,
    /// `::`
    Cast,
    /// One of `, ( ) [ ] ; . :`
    Symbol(u8),
}

/// What a constant is written as; its type depends on more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LiteralKind {
    /// Digits.
    Integer = 1,
    /// Digits with a point or an exponent.
    Decimal = 2,
    /// `'...'`
    Text = 3,
    /// `E'...'`
    Escaped = 4,
    /// `$tag$...$tag$`
    Dollar = 5,
    /// `U&'...'`
    Unicode = 6,
    /// `B'...'` and `X'...'`
    Bits = 7,
    /// `N'...'`
    National = 8,
}

/// A token: bytes `start..end` of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// Reads tokens off a text.
pub struct Lexer<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// `standard_conforming_strings` is on.
    pub(super) conforming: bool,
    /// No token of the current statement was read yet.
    fresh: bool,
    /// The text of the hint before the current statement.
    hint: Option<&'a str>,
}

/// The longest name the server keeps whole, in bytes.
pub const NAME_BYTES: usize = 63;

impl<'a> Lexer<'a> {
    /// A lexer at the start of `text`; `conforming` is the session's `standard_conforming_strings`.
    #[must_use]
    pub const fn new(text: &'a str, conforming: bool) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, conforming, fresh: true, hint: None }
    }

    /// Tells that the next token begins a statement; gives the hint of the one that ended.
    pub const fn end_statement(&mut self) -> Option<&'a str> {
        self.fresh = true;
        self.hint.take()
    }

    /// The text of a token.
    #[must_use]
    pub fn text_of(&self, token: Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// The next token; `None` at the end of the text.
    ///
    /// # Errors
    /// What the server would refuse as well, and what this lexer refuses (see the module).
    pub fn advance(&mut self) -> Result<Option<Token>, Refusal> {
        self.skip_blanks()?;
        let start = self.at;
        let Some(&first) = self.bytes.get(start) else { return Ok(None) };
        self.fresh = false;
        let kind = match first {
            b'\'' => self.string(LiteralKind::Text)?,
            b'"' => self.quoted_name()?,
            b'$' => self.dollar()?,
            b'0'..=b'9' => self.number()?,
            b'.' if self.peek(1).is_ascii_digit() => self.number()?,
            b'.' if self.peek(1) == b'.' => return Err(Feature::Syntax.into()),
            _ if starts_name(first) => self.word()?,
            b':' if self.peek(1) == b':' => {
                self.at += 2;
                TokenKind::Cast
            }
            b',' | b'(' | b')' | b'[' | b']' | b';' | b'.' | b':' => {
                self.at += 1;
                TokenKind::Symbol(first)
            }
            _ if is_operator(first) => self.operator(),
            _ => return Err(Refusal::new(Feature::BadCharacter, format!("{:?}", char::from(first)))),
        };
        Ok(Some(Token { kind, start, end: self.at }))
    }

    /// The byte `ahead` of the current one; 0, which no text has outside of strings, beyond the end.
    #[inline]
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn word(&mut self) -> Result<TokenKind, Refusal> {
        if let Some(kind) = self.prefixed()? {
            return Ok(kind);
        }
        let start = self.at;
        while continues_name(self.peek(0)) {
            self.at += 1;
        }
        if self.at - start > NAME_BYTES {
            return Err(Refusal::new(Feature::LongName, self.text.get(start..self.at).unwrap_or_default()));
        }
        Ok(TokenKind::Word)
    }

    /// A string or name whose quote follows one or two letters.
    fn prefixed(&mut self) -> Result<Option<TokenKind>, Refusal> {
        let kind = match (self.peek(0), self.peek(1), self.peek(2)) {
            (b'u' | b'U', b'&', b'"') => return Err(Feature::UnicodeName.into()),
            (b'u' | b'U', b'&', b'\'') => {
                self.at += 1;
                LiteralKind::Unicode
            }
            (b'e' | b'E', b'\'', _) => LiteralKind::Escaped,
            (b'n' | b'N', b'\'', _) => LiteralKind::National,
            (b'b' | b'B' | b'x' | b'X', b'\'', _) => LiteralKind::Bits,
            _ => return Ok(None),
        };
        self.at += 1;
        self.string(kind).map(Some)
    }

    fn number(&mut self) -> Result<TokenKind, Refusal> {
        let start = self.at;
        let mut kind = LiteralKind::Integer;
        self.digits();
        if self.peek(0) == b'.' {
            kind = LiteralKind::Decimal;
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                kind = LiteralKind::Decimal;
                self.at += 1 + sign;
                self.digits();
            }
        }
        let next = self.peek(0);
        if starts_name(next) || next == b'.' {
            return Err(Refusal::new(Feature::NumberJunk, self.text.get(start..self.at).unwrap_or_default()));
        }
        Ok(TokenKind::Literal(kind))
    }

    fn digits(&mut self) {
        while self.peek(0).is_ascii_digit() {
            self.at += 1;
        }
    }

    fn dollar(&mut self) -> Result<TokenKind, Refusal> {
        if !self.peek(1).is_ascii_digit() {
            return self.dollar_string();
        }
        self.at += 1;
        let start = self.at;
        self.digits();
        let digits = self.text.get(start..self.at).unwrap_or_default();
        match digits.parse() {
            Ok(number) if number > 0 && !starts_name(self.peek(0)) => Ok(TokenKind::Param(number)),
            _ => Err(Refusal::new(Feature::NumberJunk, format!("${digits}"))),
        }
    }

    /// The longest run of operator characters, cut at a comment, without trailing signs unless the operator
    /// has a character that makes them part of it.
    fn operator(&mut self) -> TokenKind {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let run = rest.iter().take_while(|byte| is_operator(**byte)).count();
        let comment = rest.windows(2).take(run).position(|pair| pair == b"/*" || pair == b"--");
        let mut length = comment.map_or(run, |at| at.clamp(1, run));
        let run = rest.get(..length).unwrap_or_default();
        if !run.iter().any(|byte| b"~!@#^&|`?%".contains(byte)) {
            let signs = run.iter().rev().take_while(|byte| matches!(byte, b'+' | b'-')).count();
            length = length.saturating_sub(signs).max(1);
        }
        self.at += length;
        TokenKind::Operator
    }

    /// Moves past white space and comments, and takes note of a hint.
    pub(super) fn skip_blanks(&mut self) -> Result<(), Refusal> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | b'\x0c', _) => self.at += 1,
                (b'-', b'-') => self.line_comment()?,
                (b'/', b'*') => {
                    let comment = self.block_comment()?.trim_ascii();
                    if comment.starts_with("covet:") {
                        if !self.fresh || self.hint.is_some() {
                            return Err(Refusal::new(Feature::HintPlace, comment));
                        }
                        self.hint = Some(comment);
                    }
                }
                _ => return Ok(()),
            }
        }
    }
}

/// Whether a byte can begin a name: letters, underscore and everything beyond ASCII.
#[inline]
pub(super) const fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Whether a byte can continue a name.
#[inline]
pub(super) const fn continues_name(byte: u8) -> bool {
    starts_name(byte) || byte.is_ascii_digit() || byte == b'$'
}

const fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}
