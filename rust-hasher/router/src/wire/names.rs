//! The names in messages of the extended protocol: where they stand, and messages with other ones.

use crate::error::{Error, Result};
use crate::wire::frame::HEADER;
use crate::wire::messages;

const UNENDED: Error = Error::Protocol("invalid string in message");

/// The text at the start of `bytes`, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Parse: name of the statement, and text and types behind it.
///
/// # Errors
/// A text without an end.
pub fn parse(message: &[u8]) -> Result<(&[u8], &[u8])> {
    split(&message[HEADER..]).ok_or(UNENDED)
}

/// The statement's text in what `parse` found behind the name.
#[must_use]
pub fn sql(body: &[u8]) -> &[u8] {
    split(body).map_or(body, |(sql, _)| sql)
}

/// Bind: names of portal and statement, and how many bytes of the message they end at. None: they are not complete.
#[must_use]
pub fn bind(start: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let (portal, rest) = split(start.get(HEADER..)?)?;
    let (statement, _) = split(rest)?;
    Some((portal, statement, HEADER + portal.len() + statement.len() + 2))
}

/// Describe or Close: `S` or `P`, and the name.
///
/// # Errors
/// Neither of these letters, or a text without an end.
pub fn target(message: &[u8]) -> Result<(u8, &[u8])> {
    match message[HEADER..].split_first() {
        Some((&kind @ (b'S' | b'P'), rest)) => Ok((kind, split(rest).ok_or(UNENDED)?.0)),
        _ => Err(Error::Protocol("invalid subtype of a Describe or Close message")),
    }
}

/// Append a Parse.
pub fn put_parse(out: &mut Vec<u8>, name: &[u8], body: &[u8]) {
    messages::message(out, b'P', |out| {
        out.extend(name);
        out.push(0);
        out.extend(body);
    });
}

/// Append the start of a Bind for another statement; `rest` bytes follow it unchanged.
pub fn put_bind(out: &mut Vec<u8>, portal: &[u8], statement: &[u8], rest: usize) {
    let length = u32::try_from(4 + portal.len() + statement.len() + 2 + rest).unwrap_or(u32::MAX);
    out.push(b'B');
    out.extend(length.to_be_bytes());
    out.extend(portal);
    out.push(0);
    out.extend(statement);
    out.push(0);
}

/// Append a Describe or Close of a statement.
pub fn put_target(out: &mut Vec<u8>, kind: u8, statement: &[u8]) {
    messages::message(out, kind, |out| {
        out.push(b'S');
        out.extend(statement);
        out.push(0);
    });
}

#[cfg(test)]
mod tests {
    use super::{bind, parse, put_bind, put_parse, put_target, sql, target};

    #[test]
    fn what_is_written_is_read_again() {
        let mut out = Vec::new();
        put_parse(&mut out, b"one", b"SELECT 1\0\0\0");
        let (name, body) = parse(&out).unwrap();
        assert_eq!((b"one".as_slice(), b"SELECT 1".as_slice()), (name, sql(body)));

        out.clear();
        put_bind(&mut out, b"p", b"s", 6);
        assert_eq!(Some((b"p".as_slice(), b"s".as_slice(), out.len())), bind(&out));
        assert_eq!(13, u32::from_be_bytes(out[1..5].try_into().unwrap()) - 1);

        out.clear();
        put_target(&mut out, b'D', b"s");
        assert_eq!((b'S', b"s".as_slice()), target(&out).unwrap());
    }

    #[test]
    fn names_without_an_end_are_refused() {
        assert!(parse(b"P\0\0\0\x06ab").is_err());
        assert_eq!(None, bind(b"B\0\0\0\x20ab\0c"));
        assert!(target(b"D\0\0\0\x06Xa\0").is_err());
        assert!(target(b"D\0\0\0\x04").is_err());
    }
}
