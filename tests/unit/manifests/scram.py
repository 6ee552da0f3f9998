"""Verifiers of passwords as a server judges them: whether one belongs to a password."""

import base64
import hmac

from covet.manifests import passwords


def verifies(password: str, stored: str) -> bool:
    """Tell whether a stored verifier belongs to this password."""
    try:
        _, parameters, _ = stored.split("$")
        iterations, salt = parameters.split(":")
        expected = passwords.verifier(password, base64.b64decode(salt, validate=True), int(iterations))
    except ValueError:
        return False
    return hmac.compare_digest(expected, stored)
