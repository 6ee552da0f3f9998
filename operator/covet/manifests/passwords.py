"""Passwords of database users, and the verifiers that servers keep instead of them.

The operator computes the verifier, so that a password never crosses the wire in a
statement and never stands in a server's log.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

ITERATIONS: Final = 4096
"""What PostgreSQL 15 itself uses."""
SALT_BYTES: Final = 16


def generate() -> str:
    """Return a new password: 32 characters out of 64, 192 random bits, nothing that needs quoting."""
    return secrets.token_urlsafe(24)


def salt(cluster_uid: str, login: str) -> bytes:
    """Return the salt of a login's verifier, the same on every shard and at the routers.

    A router shows servers the key that clients show it, which is made with the salt. Everybody who asks a server for
    the login is told the salt, so nothing of the password may be in it; no two logins of any clusters share one.
    """
    return hashlib.sha256(f"covet salt\n{cluster_uid}\n{login}".encode()).digest()[:SALT_BYTES]


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return the SCRAM-SHA-256 verifier of a password as pg_authid stores it (RFC 5802, RFC 7677).

    Args:
        password: printable ASCII, for which SASLprep changes nothing.
        salt: random bytes; None makes 16 of them.
        iterations: rounds of PBKDF2.

    Raises:
        ValueError: the password is empty or not printable ASCII.
    """
    if not password or not (password.isascii() and password.isprintable()):
        raise ValueError("a password must be printable ASCII: other characters have more than one spelling")
    used = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), used, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(used)}${_text(stored_key)}:{_text(server_key)}"


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
