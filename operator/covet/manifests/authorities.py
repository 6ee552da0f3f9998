"""The authorities of a cluster as its Secret `<cluster>-ca` holds them, and the three steps from one to the next.

Text values in, text values out; None takes a value away. Each step is one write of one Secret.
"""

from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from covet.manifests.certificates import Authority
from covet.manifests.secrets import CERTIFICATE, KEY

NEXT_CERTIFICATE: Final = "next.crt"
NEXT_KEY: Final = "next.key"
FORMER_CERTIFICATE: Final = "former.crt"

Values = Mapping[str, str]


def following(values: Values) -> Authority | None:
    """Return the authority that was announced, None if there is none, or none that could sign."""
    found = Authority(values.get(NEXT_CERTIFICATE, ""), values.get(NEXT_KEY, ""))
    return found if _is_pair(found) else None


def former(values: Values) -> str | None:
    """Return the certificate of the authority before the present one, None once nobody needs it."""
    text = values.get(FORMER_CERTIFICATE, "")
    return text if _read(text) is not None else None


def trusted(values: Values) -> tuple[str, ...]:
    """Return the certificates of all authorities that are trusted now, the present one first; each PEM."""
    announced = following(values)
    others = (announced.certificate if announced is not None else None, former(values))
    return tuple(text for text in (values.get(CERTIFICATE, ""), *others) if text)


def bundle(values: Values) -> str:
    """Return what stands as `ca.crt` wherever this cluster is trusted, empty without an authority."""
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in trusted(values))


def announced(made: Authority) -> dict[str, str | None]:
    """Return what makes an authority the next one."""
    return {NEXT_CERTIFICATE: made.certificate, NEXT_KEY: made.key}


def switched(values: Values) -> dict[str, str | None]:
    """Return what makes the next authority the present one; the key of the one before is kept nowhere.

    Raises:
        ValueError: there is no next one that could sign.
    """
    made = following(values)
    if made is None:
        raise ValueError(f"{NEXT_CERTIFICATE} and {NEXT_KEY} are no authority")
    return {
        CERTIFICATE: made.certificate,
        KEY: made.key,
        FORMER_CERTIFICATE: values[CERTIFICATE],
        NEXT_CERTIFICATE: None,
        NEXT_KEY: None,
    }


def dropped() -> dict[str, str | None]:
    """Return what ends the trust in the former authority."""
    return {FORMER_CERTIFICATE: None}


def _is_pair(found: Authority) -> bool:
    certificate = _read(found.certificate)
    if certificate is None:
        return False
    try:
        key = serialization.load_pem_private_key(found.key.encode(), password=None)
    except (ValueError, TypeError):
        return False
    return key.public_key() == certificate.public_key()


def _read(text: str) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        return None
