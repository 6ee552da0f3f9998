//! What string literals say.

use std::borrow::Cow;

use super::lexer::LiteralKind;
use super::refusal::{Feature, Refusal};
use super::scan::Literal;

/// The value of a string literal.
///
/// # Errors
/// [`Feature::KeyType`] for what is no string, [`Feature::KeyEscape`] for escapes that are not read here.
pub fn text_of(text: &str, literal: Literal) -> Result<Cow<'_, str>, Refusal> {
    let written = text.get(literal.start..literal.end).unwrap_or_default();
    match literal.kind {
        LiteralKind::Text => {
            let inner = written.get(1..written.len().saturating_sub(1)).unwrap_or_default();
            Ok(if inner.contains('\'') { Cow::Owned(inner.replace("''", "'")) } else { Cow::Borrowed(inner) })
        }
        LiteralKind::Escaped => unescape(written.get(2..written.len().saturating_sub(1)).unwrap_or_default()),
        LiteralKind::Dollar => {
            let tag = written.get(1..).and_then(|rest| rest.find('$')).map_or(0, |at| at + 2);
            Ok(Cow::Borrowed(written.get(tag..written.len().saturating_sub(tag)).unwrap_or_default()))
        }
        LiteralKind::Unicode => Err(Feature::KeyEscape.into()),
        LiteralKind::Integer | LiteralKind::Decimal | LiteralKind::Bits | LiteralKind::National => {
            Err(Feature::KeyType.into())
        }
    }
}

/// Reads the escapes of `E'...'`; those that make Unicode or a byte outside of ASCII are refused.
fn unescape(inner: &str) -> Result<Cow<'_, str>, Refusal> {
    if !inner.contains(['\\', '\'']) {
        return Ok(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\'' => {
                rest.next();
                out.push('\'');
            }
            '\\' => match rest.next() {
                Some('b') => out.push('\x08'),
                Some('f') => out.push('\x0c'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('u' | 'U') | None => return Err(Feature::KeyEscape.into()),
                Some('x') if rest.peek().is_some_and(char::is_ascii_hexdigit) => out.push(code(&mut rest, 0, 16, 2)?),
                Some(first @ '0'..='7') => out.push(code(&mut rest, u32::from(first) - 48, 8, 2)?),
                Some(other) => out.push(other),
            },
            other => out.push(other),
        }
    }
    Ok(Cow::Owned(out))
}

/// The ASCII character of up to `digits` more digits.
fn code(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    mut value: u32,
    radix: u32,
    digits: u32,
) -> Result<char, Refusal> {
    for _ in 0..digits {
        let Some(digit) = rest.peek().and_then(|char| char.to_digit(radix)) else { break };
        rest.next();
        value = value * radix + digit;
    }
    match u8::try_from(value) {
        Ok(byte @ 1..=127) => Ok(char::from(byte)),
        _ => Err(Feature::KeyEscape.into()),
    }
}
