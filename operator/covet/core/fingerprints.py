"""What stands for a certificate and its trust where two sides compare them: Secrets here, files there."""

import hashlib


def of_credentials(trust: bytes, certificate: bytes) -> str:
    """Return the SHA-256 of `ca.crt` and `tls.crt` together, in hex; of the key nothing goes into it."""
    whole = hashlib.sha256()
    for part in (trust, certificate):
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.hexdigest()
