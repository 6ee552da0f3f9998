//! The server's half of SCRAM: what the router asks of its clients. Pure; the session sends and receives.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::auth::verifier::{Key, Verifier, hmac};
use crate::error::{Error, Result};

/// The one mechanism.
pub const MECHANISM: &str = "SCRAM-SHA-256";

const BROKEN: Error = Error::Protocol("malformed SCRAM message");

/// An exchange that waits for the client's proof.
pub struct Exchange {
    verifier: Verifier,
    gs2: String,
    nonce: String,
    said: String,
}

/// The parts of `SASLInitialResponse`: mechanism and the client's first message.
///
/// # Errors
/// It is cut short, or not text.
pub fn initial(body: &[u8]) -> Result<(&str, &str)> {
    let end = body.iter().position(|&byte| byte == 0).ok_or(BROKEN)?;
    let first = body.get(end + 5..).ok_or(BROKEN)?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| BROKEN);
    Ok((text(&body[..end])?, text(first)?))
}

impl Exchange {
    /// Take the client's first message; returns the exchange and the server's first message.
    ///
    /// # Errors
    /// Another form than RFC 5802 gives it; channel binding, which the router does not offer.
    pub fn begin(verifier: Verifier, first: &str, own_nonce: &[u8]) -> Result<(Self, String)> {
        let mut parts = first.splitn(3, ',');
        let (binding, name, bare) =
            (parts.next().unwrap_or(""), parts.next().unwrap_or("-"), parts.next().ok_or(BROKEN)?);
        // "y": the client could bind, and believes rightly that the router cannot.
        if !matches!(binding, "n" | "y") || !name.is_empty() {
            return Err(Error::Protocol("SCRAM with channel binding or another authorization identity is not offered"));
        }
        let nonce = bare
            .split(',')
            .nth(1)
            .and_then(|attribute| attribute.strip_prefix("r="))
            .filter(|nonce| !nonce.is_empty() && bare.starts_with("n="))
            .ok_or(BROKEN)?;
        let nonce = format!("{nonce}{}", BASE64.encode(own_nonce));
        let salt = BASE64.encode(&verifier.salt);
        let answer = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let said = format!("{bare},{answer}");
        Ok((Self { verifier, gs2: format!("{binding},,"), nonce, said }, answer))
    }

    /// Take the client's final message; returns the client's key and the server's final message, None for a wrong proof.
    ///
    /// # Errors
    /// Another form than RFC 5802 gives it.
    pub fn finish(&self, last: &str) -> Result<Option<(Key, String)>> {
        let (plain, proof) = last.rsplit_once(",p=").ok_or(BROKEN)?;
        let proof: Key = BASE64.decode(proof).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(BROKEN)?;
        if plain != format!("c={},r={}", BASE64.encode(&self.gs2), self.nonce) {
            return Err(BROKEN);
        }
        let said = format!("{},{plain}", self.said);
        Ok(self
            .verifier
            .recover(&proof, said.as_bytes())
            .map(|client| (client, format!("v={}", BASE64.encode(hmac(&self.verifier.server, &[said.as_bytes()]))))))
    }
}

#[cfg(test)]
mod tests {
    use super::{Exchange, initial};
    use crate::auth::client::Proof;
    use crate::auth::verifier::tests::keys;

    /// Log in against the router's own server half.
    fn login(password: &str) -> (bool, bool) {
        let (_, verifier) = keys("secret", b"0123456789abcdef");
        let (client, own) = keys(password, b"0123456789abcdef");
        let (proof, first) = Proof::begin(client, own.clone(), b"client nonce");
        let (exchange, answer) = Exchange::begin(verifier, &first, b"server nonce").unwrap();
        let (proof, last) = proof.answer(&answer).unwrap();
        match exchange.finish(&last).unwrap() {
            Some((key, end)) => (key == client, proof.check(&end).is_ok()),
            None => (false, false),
        }
    }

    #[test]
    fn the_two_halves_agree_on_the_right_password_alone() {
        assert_eq!((true, true), login("secret"));
        assert_eq!((false, false), login("other"));
    }

    #[test]
    fn malformed_messages_are_refused() {
        let (_, verifier) = keys("secret", b"salt");
        for first in ["", "n,,", "n,,n=,r=", "p=tls-server-end-point,,n=,r=abc", "n,a=x,n=,r=abc", "n,,r=abc,n="] {
            assert!(Exchange::begin(verifier.clone(), first, b"x").is_err(), "{first}");
        }
        let (exchange, _) = Exchange::begin(verifier, "n,,n=,r=abc", b"x").unwrap();
        for last in ["", "c=biws,r=abc", "c=biws,r=abc,p=AA==", "c=biws,r=abc,p=!"] {
            assert!(exchange.finish(last).is_err(), "{last}");
        }
    }

    #[test]
    fn the_initial_response_names_its_mechanism() {
        assert_eq!(("X", "n,,"), initial(b"X\0\0\0\0\x03n,,").unwrap());
        assert!(initial(b"X").is_err());
        assert!(initial(b"X\0\0").is_err());
    }
}
