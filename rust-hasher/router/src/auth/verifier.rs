//! A SCRAM verifier as `pg_authid` holds it, and the arithmetic on its keys.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac};
use subtle::ConstantTimeEq as _;

/// A key or a signature of SCRAM-SHA-256.
pub type Key = [u8; 32];

/// Iterations of verifiers that PostgreSQL makes.
pub const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// What a server knows of a password: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Rounds of the hash.
    pub iterations: NonZeroU32,
    /// Its salt.
    pub salt: Vec<u8>,
    /// Hash of the client's key.
    pub stored: Key,
    /// What the server proves itself with.
    pub server: Key,
}

impl Verifier {
    /// Read the text that `pg_authid.rolpassword` holds; None if it is no such verifier.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, keys) = text.trim().strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let salt = BASE64.decode(salt).ok()?;
        if salt.is_empty() {
            return None;
        }
        Some(Self { iterations: iterations.parse().ok()?, salt, stored: key(stored)?, server: key(server)? })
    }

    /// The verifier of a user that does not exist: the same salt whenever it is asked for, keys that nobody has.
    #[must_use]
    pub fn mock(secret: &Key, user: &str) -> Self {
        let salt = hmac(secret, &[b"salt:", user.as_bytes()])[..16].to_vec();
        let (stored, server) =
            (hmac(secret, &[b"stored:", user.as_bytes()]), hmac(secret, &[b"server:", user.as_bytes()]));
        Self { iterations: ITERATIONS, salt, stored, server }
    }

    /// The client's key, if `proof` is one of this password over `said`.
    #[must_use]
    pub fn recover(&self, proof: &Key, said: &[u8]) -> Option<Key> {
        let client = xor(proof, &hmac(&self.stored, &[said]));
        bool::from(hash(&client).ct_eq(&self.stored)).then_some(client)
    }
}

fn key(text: &str) -> Option<Key> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// HMAC-SHA-256 over `parts`, one behind the other.
#[must_use]
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    fixed(context.sign().as_ref())
}

/// SHA-256.
#[must_use]
pub fn hash(bytes: &[u8]) -> Key {
    fixed(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Both, bit by bit.
#[must_use]
pub fn xor(one: &Key, other: &Key) -> Key {
    std::array::from_fn(|at| one[at] ^ other[at])
}

fn fixed(bytes: &[u8]) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(&bytes[..32]);
    key
}

#[cfg(test)]
/// Verifiers of known passwords, for the tests of both halves.
pub mod tests {
    use ring::pbkdf2;

    use super::{BASE64, ITERATIONS, Key, Verifier, hash, hmac, xor};
    use base64::Engine as _;

    /// The keys of a password: the client's, and the verifier.
    #[must_use]
    pub fn keys(password: &str, salt: &[u8]) -> (Key, Verifier) {
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, salt, password.as_bytes(), &mut salted);
        let (client, server) = (hmac(&salted, &[b"Client Key"]), hmac(&salted, &[b"Server Key"]));
        (client, Verifier { iterations: ITERATIONS, salt: salt.to_vec(), stored: hash(&client), server })
    }

    #[test]
    fn the_text_of_pg_authid_is_read() {
        let (_, made) = keys("secret", b"0123456789abcdef");
        let text = format!(
            "SCRAM-SHA-256$4096:{}${}:{}",
            BASE64.encode(&made.salt),
            BASE64.encode(made.stored),
            BASE64.encode(made.server)
        );
        assert!(Some(made) == Verifier::parse(&text));
    }

    #[test]
    fn other_texts_are_no_verifier() {
        for text in ["", "md5d41d8cd98f00b204e9800998ecf8427e", "SCRAM-SHA-256$0:AA==$AA==:AA==", "SCRAM-SHA-256$1:$:"]
        {
            assert!(Verifier::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_right_proof_gives_away_the_clients_key_and_no_other() {
        let (client, made) = keys("secret", b"salt");
        let proof = xor(&client, &hmac(&made.stored, &[b"said"]));
        assert_eq!(Some(client), made.recover(&proof, b"said"));
        assert_eq!(None, made.recover(&proof, b"other"));
    }

    #[test]
    fn nobody_tells_a_missing_user_from_one_with_another_password() {
        let (one, again) = (Verifier::mock(&[1; 32], "a"), Verifier::mock(&[1; 32], "a"));
        assert!(one == again);
        assert!(one.salt != Verifier::mock(&[1; 32], "b").salt);
        assert_eq!((ITERATIONS, 16), (one.iterations, one.salt.len()));
    }
}
