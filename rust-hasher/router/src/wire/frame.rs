//! The five bytes before every message: a letter, and a length that counts itself.

use crate::error::{Error, Result};

/// Letter and length.
pub const HEADER: usize = 5;
/// The longest message that PostgreSQL itself knows.
pub const LONGEST: usize = (1 << 30) - 1;

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: u8,
    /// Length of the whole message, its header included.
    pub len: usize,
}

/// Read the header at the start of `bytes`; None while it is not complete.
///
/// # Errors
/// A length that no message has.
pub fn peek(bytes: &[u8]) -> Result<Option<Frame>> {
    let Some((&[kind, a, b, c, d], _)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if !(4..=LONGEST).contains(&length) {
        return Err(Error::Protocol("invalid message length"));
    }
    Ok(Some(Frame { kind, len: length + 1 }))
}

/// Read a header and make sure that the whole message, which has to be kept in memory, is not too long.
///
/// # Errors
/// A length that no message has, or one above `limit`.
pub fn peek_whole(bytes: &[u8], limit: usize) -> Result<Option<Frame>> {
    let frame = peek(bytes)?;
    match frame {
        Some(frame) if frame.len > limit => Err(Error::TooLong { bytes: frame.len, limit }),
        _ => Ok(frame),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Frame, HEADER, LONGEST, peek, peek_whole};

    #[test]
    fn a_header_gives_letter_and_whole_length() {
        assert_eq!(Some(Frame { kind: b'Z', len: 6 }), peek(b"Z\0\0\0\x05I").unwrap());
        assert_eq!(None, peek(b"Z\0\0\0").unwrap());
    }

    #[test]
    fn lengths_that_no_message_has_are_refused() {
        for length in [0_u32, 3, u32::try_from(LONGEST + 1).unwrap(), u32::MAX] {
            let mut bytes = vec![b'Q'];
            bytes.extend(length.to_be_bytes());
            assert!(peek(&bytes).is_err(), "{length}");
        }
        assert!(peek_whole(b"Q\0\0\x01\0", 100).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(Some(frame)) = peek(&bytes) {
                prop_assert!(bytes.len() >= HEADER && frame.len >= HEADER);
            }
        }
    }
}
