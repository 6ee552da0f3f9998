"""Passwords are strong, and verifiers are the ones that PostgreSQL would have made."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from covet.manifests import passwords
from tests.unit.manifests import scram

# RFC 7677, section 3: user "user", password "pencil".
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
AUTH_MESSAGE = (
    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
CLIENT_PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
PRINTABLE = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


def parts(verifier: str) -> tuple[str, int, bytes, bytes, bytes]:
    """Return scheme, iterations, salt, stored key and server key, read as PostgreSQL reads them."""
    scheme, parameters, keys = verifier.split("$")
    iterations, salt = parameters.split(":")
    stored, server = keys.split(":")
    return scheme, int(iterations), base64.b64decode(salt), base64.b64decode(stored), base64.b64decode(server)


def test_the_exchange_of_the_rfc_succeeds_with_our_verifier() -> None:
    """A server that holds it accepts the RFC's client, and signs as the RFC's server."""
    scheme, iterations, salt, stored_key, server_key = parts(passwords.verifier("pencil", SALT))
    assert ("SCRAM-SHA-256", 4096, SALT) == (scheme, iterations, salt)
    # RFC 5802, section 3: ClientKey = ClientProof XOR HMAC(StoredKey, AuthMessage); H(ClientKey) = StoredKey.
    signature = hmac.digest(stored_key, AUTH_MESSAGE.encode(), "sha256")
    client_key = bytes(a ^ b for a, b in zip(base64.b64decode(CLIENT_PROOF), signature, strict=True))
    assert stored_key == hashlib.sha256(client_key).digest()
    assert SERVER_SIGNATURE == base64.b64encode(hmac.digest(server_key, AUTH_MESSAGE.encode(), "sha256")).decode()


def test_a_verifier_has_the_form_that_pg_authid_holds() -> None:
    """PostgreSQL takes a text of this form for a verifier and any other for a password."""
    _, iterations, salt, stored_key, server_key = parts(passwords.verifier("pencil"))
    assert (4096, 16, 32, 32) == (iterations, len(salt), len(stored_key), len(server_key))


def test_every_verifier_has_a_salt_of_its_own() -> None:
    """Equal passwords do not show as equal verifiers."""
    assert passwords.verifier("pencil") != passwords.verifier("pencil")


@hypothesis_settings(max_examples=20, deadline=None)
@given(PRINTABLE, PRINTABLE)
def test_a_verifier_belongs_to_its_password_alone(password: str, other: str) -> None:
    """The right password verifies, another one does not."""
    made = passwords.verifier(password)
    assert scram.verifies(password, made)
    assert (password == other) is scram.verifies(other, made)


@pytest.mark.parametrize("stored", ["", "md5abc", "SCRAM-SHA-256$x:y$z", "SCRAM-SHA-256$4096:?$a:b", "a$b"])
def test_what_is_no_verifier_verifies_nothing(stored: str) -> None:
    """A damaged verifier is replaced, not believed."""
    assert scram.verifies("pencil", stored) is False


@pytest.mark.parametrize("password", ["", "pässword", "tab\there", "line\n"])
def test_a_password_with_more_than_one_spelling_is_refused(password: str) -> None:
    """What SASLprep would change, client and server might change differently."""
    with pytest.raises(ValueError, match="printable ASCII"):
        passwords.verifier(password)


def test_passwords_are_long_and_never_the_same() -> None:
    """32 characters that need quoting nowhere."""
    made = {passwords.generate() for _ in range(100)}
    assert 100 == len(made)
    assert {32} == {len(password) for password in made}
    assert all(password.replace("-", "").replace("_", "").isalnum() for password in made)
