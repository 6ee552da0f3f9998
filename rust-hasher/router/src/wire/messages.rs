//! The messages that the router itself says, to clients and to servers.

use crate::error::Error;

/// `ParseComplete`, in the place of a server's.
pub const PARSE_COMPLETE: &[u8] = b"1\0\0\0\x04";
/// `CloseComplete`, in the place of a server's.
pub const CLOSE_COMPLETE: &[u8] = b"3\0\0\0\x04";
/// Sync.
pub const SYNC: &[u8] = b"S\0\0\0\x04";
/// Terminate.
pub const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// Append a message whose body `write` gives.
pub fn message(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    sized(out, write);
}

/// Append a body behind its length: a message without a letter.
pub fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    write(out);
    let length = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Append a text and the zero that ends it; zeros inside are left out.
pub fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().filter(|&byte| byte != 0));
    out.push(0);
}

/// How far an error reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The connection ends.
    Fatal,
    /// The statement fails.
    Error,
}

/// An `ErrorResponse`.
#[must_use]
pub fn error_response(severity: Severity, code: &str, words: &str) -> Vec<u8> {
    let name = if severity == Severity::Fatal { "FATAL" } else { "ERROR" };
    let mut out = Vec::with_capacity(64 + words.len());
    message(&mut out, b'E', |out| {
        for (field, value) in [(b'S', name), (b'V', name), (b'C', code), (b'M', words)] {
            out.push(field);
            text(out, value);
        }
        out.push(0);
    });
    out
}

/// The `ErrorResponse` for an error of the router that ends the connection.
#[must_use]
pub fn fatal(error: &Error) -> Vec<u8> {
    error_response(Severity::Fatal, error.sqlstate(), &error.to_string())
}

/// Fields of an `ErrorResponse` or `NoticeResponse` body: SQLSTATE and primary message.
#[must_use]
pub fn error_fields(body: &[u8]) -> (String, String) {
    let (mut code, mut words) = (String::from("XX000"), String::new());
    for field in body.split(|&byte| byte == 0) {
        match field.split_first() {
            Some((b'C', value)) => code = String::from_utf8_lossy(value).into_owned(),
            Some((b'M', value)) => words = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
    }
    (code, words)
}

/// Append an `AuthenticationRequest` with its number and data.
pub fn authentication(out: &mut Vec<u8>, number: u32, data: &[u8]) {
    message(out, b'R', |out| {
        out.extend(number.to_be_bytes());
        out.extend(data);
    });
}

/// Append a `ParameterStatus`.
pub fn parameter(out: &mut Vec<u8>, name: &str, value: &str) {
    message(out, b'S', |out| {
        text(out, name);
        text(out, value);
    });
}

/// Append a `ReadyForQuery`.
pub fn ready(out: &mut Vec<u8>, status: u8) {
    message(out, b'Z', |out| out.push(status));
}

/// Append a simple query.
pub fn query(out: &mut Vec<u8>, sql: &str) {
    message(out, b'Q', |out| text(out, sql));
}

/// Append a result of text columns, complete with its `CommandComplete` and `ReadyForQuery`.
pub fn table(out: &mut Vec<u8>, columns: &[&str], rows: &[Vec<String>]) {
    let count = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes();
    message(out, b'T', |out| {
        out.extend(count(columns.len()));
        for column in columns {
            text(out, column);
            // No table and column; type text (25) of variable length, no modifier, in text.
            out.extend([0; 6]);
            out.extend(25_u32.to_be_bytes());
            out.extend((-1_i16).to_be_bytes());
            out.extend((-1_i32).to_be_bytes());
            out.extend([0; 2]);
        }
    });
    for row in rows {
        message(out, b'D', |out| {
            out.extend(count(row.len()));
            for value in row {
                out.extend(u32::try_from(value.len()).unwrap_or(0).to_be_bytes());
                out.extend(value.as_bytes());
            }
        });
    }
    message(out, b'C', |out| text(out, "SHOW"));
    ready(out, b'I');
}

#[cfg(test)]
mod tests {
    use super::{Severity, error_fields, error_response, parameter};

    #[test]
    fn an_error_carries_code_and_words() {
        let error = error_response(Severity::Fatal, "28P01", "no\0 entry");
        assert_eq!(b'E', error[0]);
        assert_eq!((String::from("28P01"), String::from("no entry")), error_fields(&error[5..]));
    }

    #[test]
    fn a_parameter_is_two_texts() {
        let mut out = Vec::new();
        parameter(&mut out, "a", "b");
        assert_eq!(b"S\0\0\0\x08a\0b\0".as_slice(), out);
    }
}
