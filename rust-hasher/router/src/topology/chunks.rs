//! The body of a chunked answer (RFC 9112, 7.1), as it comes. Pure.

use crate::error::{Error, Result};

const BROKEN: Error = Error::Protocol("malformed chunk in the answer of an agent");

/// Longest line of a chunk's size, extensions included.
const MAX_SIZE_LINE: usize = 256;

/// Takes bytes of the connection and gives those of the body.
#[derive(Debug, Default)]
pub struct Chunks {
    line: Vec<u8>,
    left: usize,
    after: bool,
    ended: bool,
}

impl Chunks {
    /// The last chunk has come.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Append to `body` what `bytes` carry of it.
    ///
    /// # Errors
    /// Not chunked as the RFC says.
    pub fn take(&mut self, mut bytes: &[u8], body: &mut Vec<u8>) -> Result<()> {
        while !bytes.is_empty() && !self.ended {
            if self.left > 0 {
                let (data, rest) = bytes.split_at(self.left.min(bytes.len()));
                body.extend_from_slice(data);
                self.left -= data.len();
                self.after = self.left == 0;
                bytes = rest;
                continue;
            }
            let (byte, rest) = (bytes[0], &bytes[1..]);
            bytes = rest;
            if byte != b'\n' {
                if self.line.len() >= MAX_SIZE_LINE {
                    return Err(BROKEN);
                }
                self.line.push(byte);
            } else if self.after {
                // The empty line that ends a chunk's data.
                if self.line.trim_ascii() != b"" {
                    return Err(BROKEN);
                }
                self.line.clear();
                self.after = false;
            } else {
                self.left = size(&self.line).ok_or(BROKEN)?;
                self.ended = self.left == 0;
                self.line.clear();
            }
        }
        Ok(())
    }
}

fn size(line: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(line.split(|&byte| byte == b';').next()?).ok()?.trim();
    usize::from_str_radix(digits, 16).ok().filter(|&size| size <= 1 << 20)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Chunks;

    fn body(parts: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut chunks, mut body) = (Chunks::default(), Vec::new());
        for part in parts {
            chunks.take(part, &mut body).unwrap();
        }
        (body, chunks.is_ended())
    }

    #[test]
    fn chunks_become_a_body_however_they_are_cut() {
        let whole = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!((b"abc0123456789".to_vec(), true), body(&[&whole[..cut], &whole[cut..]]));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let (mut chunks, mut body) = (Chunks::default(), Vec::new());
            let _ = parts.iter().try_for_each(|part| chunks.take(part, &mut body));
        }
    }
}
