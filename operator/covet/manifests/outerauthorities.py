"""The authority that clients know, as cert-manager or a person keeps it in a Secret: read, or told what is wrong.

It signs the cluster's own authority and nothing else (`crosscertificates`). Nothing of the cluster trusts it. What is
wrong is said in words for whoever made it: the text of every ValueError here completes a sentence about the Secret.
"""

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import oid

from covet.manifests.secrets import CERTIFICATE, KEY

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
"""Private keys that can sign: those that every OpenSSL in use verifies."""

SHORTEST_RSA: Final = 2048
"""Bits of an RSA key; OpenSSL refuses a chain with less at its usual level of security."""
CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_SERVERS: Final = (oid.ExtendedKeyUsageOID.SERVER_AUTH, oid.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)


@dataclasses.dataclass(frozen=True)
class OuterAuthority:
    """An authority of somebody else that can sign.

    Args:
        certificates: its own certificate first, then those of the authorities above it, as the Secret has them.
        key: its private key.
        made: from when it is valid.
        ends: when the first of its certificates stops being valid.
    """

    certificates: tuple[x509.Certificate, ...]
    key: Key = dataclasses.field(repr=False)
    made: dt.datetime
    ends: dt.datetime

    @property
    def certificate(self) -> x509.Certificate:
        """Return its own certificate."""
        return self.certificates[0]

    @property
    def is_root(self) -> bool:
        """Return whether it signed itself: then clients know it by this certificate, and by no other above it."""
        return _is_root(self.certificate)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Return the certificates that lead from what it signs to a root, without the root: clients have that."""
        return tuple(found for found in self.certificates if not _is_root(found))


def read(values: Mapping[str, str], now: dt.datetime) -> OuterAuthority:
    """Return the authority that a Secret holds.

    Args:
        values: of the Secret: `tls.crt`, the authority's certificate and those above it; `tls.key`.
        now: wall-clock time.

    Raises:
        ValueError: what is wrong with it, and what to do.
    """
    for name in (CERTIFICATE, KEY):
        if not values.get(name, "").strip():
            raise ValueError(f"it has no {name}: a Secret of type kubernetes.io/tls has tls.crt and tls.key")
    try:
        found = tuple(x509.load_pem_x509_certificates(values[CERTIFICATE].encode()))
        problem = _of_authority(found) or _of_chain(found) or _of_dates(found, now)
    except _UNREADABLE as error:
        raise ValueError(f"{CERTIFICATE} holds no certificate that can be read: {error}") from error
    if problem is not None:
        raise ValueError(problem)
    ends = min(certificate.not_valid_after_utc for certificate in found)
    return OuterAuthority(found, _key(values[KEY], found[0]), found[0].not_valid_before_utc, ends)


def refused_names(outer: OuterAuthority, addresses: Iterable[str]) -> list[str]:
    """Return the DNS names that the authority, or one above it, may not sign for, by their name constraints."""
    found = [_extension(certificate, x509.NameConstraints) for certificate in outer.certificates]
    constraints = [one for one in found if one is not None]
    return [address for address in addresses if not all(_permits(one, address) for one in constraints)]


def _of_authority(found: tuple[x509.Certificate, ...]) -> str | None:
    """Return why the first certificate is of no authority that may sign another one, None if it is."""
    first = found[0]
    basic = _extension(first, x509.BasicConstraints)
    if basic is None or not basic.ca:
        return (
            f"{CERTIFICATE} belongs to a server or a client and may sign nothing: name an authority, in cert-manager a"
            " Certificate with isCA: true"
        )
    if not list(first.subject):
        return f"{CERTIFICATE} has no subject: give it a name, in cert-manager a commonName"
    usage = _extension(first, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return f"the key usage of {CERTIFICATE} lets it sign no certificates: add `cert sign`"
    uses = _extension(first, x509.ExtendedKeyUsage)
    if uses is not None and not any(use in uses for use in _SERVERS):
        return f"the extended key usage of {CERTIFICATE} is not for servers: add `server auth`, or leave it out"
    for depth, certificate in enumerate(found, start=1):
        limit = _extension(certificate, x509.BasicConstraints)
        if limit is not None and limit.path_length is not None and limit.path_length < depth:
            return (
                f"{_name(certificate)} allows no further authority below it (path length {limit.path_length}, and"
                f" {depth} would be needed): use one with a greater path length, or with none"
            )
    return None


def _of_chain(found: tuple[x509.Certificate, ...]) -> str | None:
    for lower, upper in itertools.pairwise(found):
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature):
            return (
                f"{CERTIFICATE} is no chain: {_name(lower)} was not issued by {_name(upper)}, which follows it. Put"
                " each authority after the one that it signed"
            )
    return None


def _of_dates(found: tuple[x509.Certificate, ...], now: dt.datetime) -> str | None:
    for certificate in found:
        if now >= certificate.not_valid_after_utc:
            return f"{_name(certificate)} ended on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: renew it"
        if now < certificate.not_valid_before_utc:
            begins = certificate.not_valid_before_utc
            return f"{_name(certificate)} is not valid before {begins:%Y-%m-%d %H:%M} UTC: is a clock wrong?"
    return None


def _key(text: str, certificate: x509.Certificate) -> Key:
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise ValueError(f"{KEY} is encrypted, and nobody is there to type a password: store it without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        # What the library says of a key is not repeated: nothing of a key is.
        raise ValueError(f"{KEY} holds no private key that can be read: write it as PEM") from error
    if not _can_sign(key):
        raise ValueError(
            f"{KEY} is of a kind that not every client verifies: use ECDSA on P-256, P-384 or P-521, RSA of at least"
            f" {SHORTEST_RSA} bits, or Ed25519"
        )
    if key.public_key() != certificate.public_key():
        raise ValueError(f"{KEY} does not belong to {CERTIFICATE}: write both anew, together")
    return key  # type: ignore[return-value]  # of a kind that was looked at above


def _can_sign(key: object) -> bool:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.key_size >= SHORTEST_RSA
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.curve.name in CURVES
    return isinstance(key, ed25519.Ed25519PrivateKey)


def _permits(constraints: x509.NameConstraints, address: str) -> bool:
    permitted = list(_subtrees(constraints.permitted_subtrees))
    excluded = _subtrees(constraints.excluded_subtrees)
    if any(_is_within(address, subtree) for subtree in excluded):
        return False
    return not permitted or any(_is_within(address, subtree) for subtree in permitted)


def _subtrees(found: Iterable[x509.GeneralName] | None) -> Iterator[str]:
    return (str(entry.value) for entry in found or () if isinstance(entry, x509.DNSName))


def _is_within(address: str, subtree: str) -> bool:
    domain = subtree.removeprefix(".").lower()
    return not domain or address == domain or address.endswith(f".{domain}")


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _is_root(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()
