//! What a client says before it has a session: TLS, cancel, or its user and parameters.

use crate::error::{Error, Result};

/// Longest startup packet; PostgreSQL takes 10,000 bytes.
pub const LONGEST: usize = 10_000;

const TLS_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// The first packet of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Startup {
    /// The client asks for TLS.
    Tls,
    /// The client asks for GSS encryption, which the router does not have.
    Gss,
    /// Cancel what the session with these numbers runs.
    Cancel {
        /// First number of the key.
        process: u32,
        /// Second number of the key.
        secret: u32,
    },
    /// A session.
    Session {
        /// Minor version of protocol 3 that the client asks for.
        minor: u32,
        /// Names and values as sent.
        parameters: Vec<(String, String)>,
    },
}

/// Length of the packet at the start of `bytes`; None while that is not known.
///
/// # Errors
/// A length that no startup packet has.
pub fn length(bytes: &[u8]) -> Result<Option<usize>> {
    let Some((head, _)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*head) as usize;
    if !(8..=LONGEST).contains(&length) {
        return Err(Error::Protocol("invalid length of startup packet"));
    }
    Ok(Some(length))
}

/// Read a whole startup packet, its length included.
///
/// # Errors
/// Another protocol than 3, or texts that do not end or are not UTF-8.
pub fn parse(packet: &[u8]) -> Result<Startup> {
    let (Some(code), Some(body)) = (number(packet, 4), packet.get(8..)) else {
        return Err(Error::Protocol("invalid length of startup packet"));
    };
    match code {
        TLS_REQUEST => Ok(Startup::Tls),
        GSS_REQUEST => Ok(Startup::Gss),
        CANCEL_REQUEST => match (number(packet, 8), number(packet, 12)) {
            (Some(process), Some(secret)) => Ok(Startup::Cancel { process, secret }),
            _ => Err(Error::Protocol("invalid length of cancel request")),
        },
        code if code >> 16 == 3 => Ok(Startup::Session { minor: code & 0xFFFF, parameters: parameters(body)? }),
        _ => Err(Error::Protocol("unsupported frontend protocol: this router speaks version 3")),
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn parameters(mut rest: &[u8]) -> Result<Vec<(String, String)>> {
    const BROKEN: Error = Error::Protocol("invalid startup packet layout: expected terminator as last byte");
    let mut found = Vec::new();
    let mut next = || -> Result<String> {
        let end = rest.iter().position(|&byte| byte == 0).ok_or(BROKEN)?;
        let word =
            std::str::from_utf8(&rest[..end]).map_err(|_| Error::Protocol("startup parameters are not UTF-8"))?;
        rest = &rest[end + 1..];
        Ok(word.to_owned())
    };
    loop {
        let name = next()?;
        if name.is_empty() {
            return Ok(found);
        }
        found.push((name, next()?));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Startup, length, parse};

    fn packet(code: u32, body: &[u8]) -> Vec<u8> {
        let mut packet = u32::try_from(8 + body.len()).unwrap().to_be_bytes().to_vec();
        packet.extend(code.to_be_bytes());
        packet.extend(body);
        packet
    }

    #[test]
    fn a_session_has_parameters() {
        let parameters = vec![("user".to_owned(), "app".to_owned()), ("database".to_owned(), String::new())];
        let packet = packet(3 << 16, b"user\0app\0database\0\0\0");
        assert_eq!(Some(packet.len()), length(&packet).unwrap());
        assert_eq!(Startup::Session { minor: 0, parameters }, parse(&packet).unwrap());
    }

    #[test]
    fn a_cancel_has_two_numbers() {
        let found = parse(&packet(80_877_102, &[0, 0, 0, 1, 0, 0, 0, 2])).unwrap();
        assert_eq!(Startup::Cancel { process: 1, secret: 2 }, found);
        assert!(parse(&packet(80_877_102, &[0, 0, 0, 1])).is_err());
    }

    #[test]
    fn texts_without_an_end_are_refused() {
        for body in [b"user\0app".as_slice(), b"user\0app\0", b"", b"user\0\xFF\0\0"] {
            assert!(parse(&packet(3 << 16, body)).is_err(), "{body:?}");
        }
        assert!(parse(&packet(2 << 16, b"\0")).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = (length(&bytes), parse(&bytes));
        }
    }
}
