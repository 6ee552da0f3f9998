//! One pass over a text: its statements, each with the skeleton that names its template and the places of its literals.

use super::lexer::{Lexer, LiteralKind, Token, TokenKind};
use super::refusal::{Feature, Refusal};

/// What a session's settings say about the text that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextRules {
    /// `standard_conforming_strings` is on.
    pub conforming: bool,
    /// `client_encoding` is UTF8.
    pub utf8: bool,
}

impl Default for TextRules {
    fn default() -> Self {
        Self { conforming: true, utf8: true }
    }
}

impl TextRules {
    /// The text of a message, if it can be read byte by byte without doubt.
    ///
    /// In some encodings a byte of a character may look like a quote or a backslash, so any other encoding than
    /// UTF-8 may send ASCII only.
    ///
    /// # Errors
    /// [`Feature::Encoding`], [`Feature::UnsafeEncoding`]; [`Feature::BadCharacter`] for a zero byte.
    pub fn read(self, bytes: &[u8]) -> Result<&str, Refusal> {
        if !self.utf8 && !bytes.is_ascii() {
            return Err(Feature::UnsafeEncoding.into());
        }
        if bytes.contains(&0) {
            return Err(Refusal::new(Feature::BadCharacter, "a zero byte"));
        }
        std::str::from_utf8(bytes).map_err(|fault| Refusal::new(Feature::Encoding, fault.to_string()))
    }
}

/// A constant of a statement: bytes `start..end` of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// What it is written as.
    pub kind: LiteralKind,
    /// First byte, of the quote or its prefix.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// Space for one statement at a time, kept from statement to statement so that nothing is allocated.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The tokens in one canonical text, literals replaced by a byte for their kind.
    ///
    /// Two statements have one skeleton exactly when their tokens are equal but for the values of literals:
    /// tokens are divided by one space, words are folded, and names in quotes keep theirs.
    pub skeleton: Vec<u8>,
    /// The literals in their order.
    pub literals: Vec<Literal>,
}

/// A statement of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text from the first to the last token, without hint and semicolon.
    pub text: &'a str,
    /// Where that begins in the whole text.
    pub start: usize,
    /// The shard that a hint names.
    pub shard: Option<&'a str>,
}

/// Divides a text into statements.
pub struct Scanner<'a> {
    lexer: Lexer<'a>,
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of `text`.
    #[must_use]
    pub const fn new(text: &'a str, conforming: bool) -> Self {
        Self { lexer: Lexer::new(text, conforming) }
    }

    /// The next statement that is not empty, with its skeleton and literals in `scratch`; `None` at the end.
    ///
    /// # Errors
    /// Those of the lexer, [`Feature::Unbalanced`], [`Feature::HintUnknown`].
    pub fn advance(&mut self, scratch: &mut Scratch) -> Result<Option<Statement<'a>>, Refusal> {
        scratch.skeleton.clear();
        scratch.literals.clear();
        let mut bounds: Option<(usize, usize)> = None;
        let mut depth = 0_u32;
        while let Some(token) = self.lexer.advance()? {
            match token.kind {
                TokenKind::Symbol(b'(') => depth += 1,
                TokenKind::Symbol(b')') => depth = depth.checked_sub(1).ok_or(Feature::Unbalanced)?,
                TokenKind::Symbol(b';') if depth > 0 => return Err(Feature::Unbalanced.into()),
                TokenKind::Symbol(b';') => {
                    if bounds.is_some() {
                        break;
                    }
                    self.lexer.end_statement();
                    continue;
                }
                _ => {}
            }
            bounds = Some((bounds.map_or(token.start, |(start, _)| start), token.end));
            self.write(token, scratch);
        }
        let hint = self.lexer.end_statement();
        let Some((start, end)) = bounds else { return Ok(None) };
        if depth > 0 {
            return Err(Feature::Unbalanced.into());
        }
        let text = self.lexer.text.get(start..end).unwrap_or_default();
        Ok(Some(Statement { text, start, shard: hint.map(shard_of_hint).transpose()? }))
    }

    fn write(&self, token: Token, scratch: &mut Scratch) {
        let skeleton = &mut scratch.skeleton;
        if !skeleton.is_empty() {
            skeleton.push(b' ');
        }
        match token.kind {
            TokenKind::Literal(kind) => {
                skeleton.push(kind as u8);
                scratch.literals.push(Literal { kind, start: token.start, end: token.end });
            }
            TokenKind::Word => skeleton.extend(self.lexer.text_of(token).bytes().map(|byte| byte.to_ascii_lowercase())),
            _ => skeleton.extend_from_slice(self.lexer.text_of(token).as_bytes()),
        }
    }
}

/// The shard of `covet: shard=NAME`.
fn shard_of_hint(hint: &str) -> Result<&str, Refusal> {
    let said = hint.strip_prefix("covet:").map(str::trim_ascii).and_then(|said| said.strip_prefix("shard="));
    let is_name =
        |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    said.filter(is_name).ok_or_else(|| Refusal::new(Feature::HintUnknown, hint))
}

/// A 64-bit name for a skeleton, the same on every router; for people and logs, never for a decision (FNV-1a).
#[must_use]
pub fn fingerprint(skeleton: &[u8]) -> u64 {
    skeleton.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
