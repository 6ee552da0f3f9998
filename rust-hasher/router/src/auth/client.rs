//! The client's half of SCRAM with the client's key in the place of the password: how the router logs in to servers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq as _;

use crate::auth::verifier::{Key, Verifier, hmac, xor};

/// A login under way.
pub struct Proof {
    client: Key,
    verifier: Verifier,
    nonce: String,
    said: String,
}

impl Proof {
    /// Begin with the key of the client and the verifier that both servers hold; returns the first message.
    #[must_use]
    pub fn begin(client: Key, verifier: Verifier, own_nonce: &[u8]) -> (Self, String) {
        let nonce = BASE64.encode(own_nonce);
        let bare = format!("n=,r={nonce}");
        let first = format!("n,,{bare}");
        (Self { client, verifier, nonce, said: bare }, first)
    }

    /// Take the server's first message; returns the last one of the client.
    ///
    /// # Errors
    /// Why the keys at hand are of no use to this server.
    pub fn answer(mut self, first: &str) -> Result<(Self, String), &'static str> {
        let mut parts = first.split(',');
        let mut next = |prefix| parts.next().and_then(|part: &str| part.strip_prefix(prefix));
        let (Some(nonce), Some(salt), Some(iterations)) = (next("r="), next("s="), next("i=")) else {
            return Err("it sent a malformed SCRAM message");
        };
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("it sent back another SCRAM nonce");
        }
        if BASE64.decode(salt).ok().as_ref() != Some(&self.verifier.salt)
            || iterations.parse().ok() != Some(self.verifier.iterations)
        {
            return Err("its pg_authid holds another verifier than the router's configuration; both have to be equal");
        }
        let plain = format!("c={},r={nonce}", BASE64.encode("n,,"));
        self.said = format!("{},{first},{plain}", self.said);
        let proof = xor(&self.client, &hmac(&self.verifier.stored, &[self.said.as_bytes()]));
        let last = format!("{plain},p={}", BASE64.encode(proof));
        Ok((self, last))
    }

    /// Check the server's last message: only who holds the verifier can have signed it.
    ///
    /// # Errors
    /// The server does not know the password.
    pub fn check(&self, end: &str) -> Result<(), &'static str> {
        let signature = hmac(&self.verifier.server, &[self.said.as_bytes()]);
        let sent = end.strip_prefix("v=").and_then(|text| BASE64.decode(text).ok()).unwrap_or_default();
        if bool::from(sent.as_slice().ct_eq(&signature)) {
            return Ok(());
        }
        Err("it does not hold the verifier of this user")
    }
}

#[cfg(test)]
mod tests {
    use super::Proof;
    use crate::auth::verifier::tests::keys;

    #[test]
    fn a_server_with_another_salt_or_nonce_is_named() {
        let (client, verifier) = keys("secret", b"0123456789abcdef");
        let begin = || Proof::begin(client, verifier.clone(), b"abc").0;
        assert!(begin().answer("r=YWJjX,s=AAAA,i=4096").err().unwrap().contains("verifier"));
        assert!(begin().answer("r=YWJj,s=AAAA,i=4096").err().unwrap().contains("nonce"));
        assert!(begin().answer("e=other").err().unwrap().contains("malformed"));
    }

    #[test]
    fn a_server_that_cannot_sign_is_refused() {
        let (client, verifier) = keys("secret", b"salt");
        assert!(Proof::begin(client, verifier, b"abc").0.check("v=AAAA").is_err());
    }
}
