"""The certificates of a cluster, from its Secrets: whose, by whom, how long yet, and what is wrong with them.

Keys come along with the Secrets, for the API server gives no half of one; they are dropped unread.
"""

import base64
import binascii
import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509 import oid

from covet.cli.raw import Manifest
from covet.core import names

EXPIRES_SOON: Final = 0.25
"""Share of its life that is left of a certificate that nobody renewed: Covet does so with a third left."""
AUTHORITY_ENDS_SOON: Final = dt.timedelta(days=90)
"""Time left of an authority of ten years, of another a sixth of its life: the next one should sign long since."""
CERTIFICATE: Final = "tls.crt"
TRUST: Final = "ca.crt"
AUTHORITIES: Final = (CERTIFICATE, "next.crt", "former.crt")
"""Keys of the authority's Secret: the present one, the one that follows, the one before."""


@dataclasses.dataclass(frozen=True)
class Found:
    """One certificate.

    Args:
        where: kind and name of the object, and the key in it where it has several certificates, with the place in
            that key behind the first one.
        subject: common name; empty if it cannot be read.
        left: until it ends; negative if it has ended.
        problem: what is wrong, empty if nothing is.
    """

    where: str
    subject: str
    issuer: str
    ends: dt.datetime | None
    left: dt.timedelta | None
    problem: str

    @property
    def days(self) -> int | None:
        """Return the whole days that are left."""
        return None if self.left is None else self.left.days

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "object": self.where,
            "subject": self.subject,
            "issuer": self.issuer,
            "notAfter": None if self.ends is None else self.ends.isoformat().replace("+00:00", "Z"),
            "daysLeft": self.days,
            "problem": self.problem or None,
        }


def inspect(secrets: Iterable[Manifest], trust: Manifest | None, now: dt.datetime) -> Iterator[Found]:
    """Yield the certificates of a cluster: of its authority, the operator, the instances, and those that are trusted.

    Args:
        secrets: all Secrets of the cluster; the authority's may hold three.
        trust: the ConfigMap that clients verify the servers with.
        now: by the local clock, UTC.
    """
    for secret in secrets:
        data = secret.get("data") or {}
        if CERTIFICATE not in data:
            continue
        trusted = _read(_decoded(data.get(TRUST, "")))
        for key in (key for key in AUTHORITIES if key in data):
            where = f"Secret/{secret['metadata']['name']}" + ("" if key == CERTIFICATE else f":{key}")
            chain = _read(_decoded(data[key]))
            if not chain:
                yield Found(where, "", "", None, None, f"{key} holds no certificate that can be read")
                continue
            yield _found(where, chain[0], now, _issued(chain[0], trusted) if TRUST in data else "", key)
            for height, above in enumerate(chain[1:], start=1):
                # By these, clients of an authority of somebody else verify the server.
                yield _found(f"{where}[{height}]", above, now, "")
    bundle = ((trust or {}).get("data") or {}).get(TRUST, "")
    for certificate in _read(bundle.encode()):
        yield _found(f"ConfigMap/{(trust or {})['metadata']['name']}", certificate, now, "")


def lacking(cluster: str, instances: Iterable[str], secrets: Iterable[Manifest]) -> list[str]:
    """Return the Secrets of certificates that should be there and are not.

    Args:
        cluster: name of the cluster.
        instances: names of its instances.
        secrets: those that are there.
    """
    there = {str(secret["metadata"]["name"]) for secret in secrets}
    wanted = [names.operator_secret(cluster), *map(names.instance_secret, instances)]
    return [name for name in wanted if name not in there]


def _found(where: str, certificate: x509.Certificate, now: dt.datetime, problem: str, key: str = CERTIFICATE) -> Found:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = ends - now
    if left <= dt.timedelta():
        problem = "it has ended"
    elif now < begins:
        problem = "it is not valid yet: a clock is wrong"
    elif not problem and _is_authority(certificate):
        soon = key == CERTIFICATE and left < min(AUTHORITY_ENDS_SOON, (ends - begins) / 6)
        problem = "it ends soon, and whatever it issued ends with it" if soon else ""
    elif not problem and left < (ends - begins) * EXPIRES_SOON:
        problem = "it should have been renewed: does the operator run?"
    return Found(where, _name(certificate.subject), _name(certificate.issuer), ends, left, problem)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _issued(certificate: x509.Certificate, trusted: list[x509.Certificate]) -> str:
    """Return what is wrong with who issued it, by the certificates that stand beside it."""
    for authority in trusted:
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return ""
    return f"no certificate in its {TRUST} issued it"


def _name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(oid.NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read(text: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text)
    except ValueError:
        return []
