"""The certificate authority of a cluster, and what it issues.

One authority per cluster, so that a certificate of one cluster opens nothing in another.
ECDSA on P-256: small, fast to make, and taken by every libpq and OpenSSL in use. Nothing
here reads a clock: moments are passed in.
"""

import dataclasses
import datetime as dt
import ipaddress
from collections.abc import Collection, Iterable
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import oid

from covet.core import names

BACKDATED: Final = dt.timedelta(minutes=5)
"""Certificates begin this long before they are made: clocks of nodes differ."""


@dataclasses.dataclass(frozen=True)
class Lifetimes:
    """For how long a certificate is valid from the moment it is made; it is renewed when a third of that is left."""

    certificate: dt.timedelta = dt.timedelta(days=90)
    authority: dt.timedelta = dt.timedelta(days=3650)


DEFAULT_LIFETIMES: Final = Lifetimes()


@dataclasses.dataclass(frozen=True)
class Authority:
    """A certificate authority: its certificate and private key as PEM."""

    certificate: str
    key: str


@dataclasses.dataclass(frozen=True)
class Issued:
    """A certificate, its private key, and the certificates of the authorities to trust beside it, as PEM."""

    certificate: str
    key: str
    trust: str


def make_authority(
    cluster: str, now: dt.datetime, lifetimes: Lifetimes = DEFAULT_LIFETIMES, *, following: bool = False
) -> Authority:
    """Make an authority of a cluster.

    Args:
        cluster: name of the cluster.
        now: the moment from which it is valid, UTC.
        lifetimes: for how long.
        following: there was one before it: its name gets an ending of its own, by which people and libraries that
            choose by name tell the two apart.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = authority_name(cluster)
    if following:
        subject += f" {x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:6]}"
    name = _name(subject)
    certificate = (
        draft(name, name, key.public_key(), now, now + lifetimes.authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate_text(certificate), _key_text(key))


def authority_name(cluster: str) -> str:
    """Return the common name in the certificate of a cluster's first authority; later ones add a space and more."""
    return f"covet authority {cluster}"


def issue_operator(
    authority: Authority, now: dt.datetime, lifetimes: Lifetimes = DEFAULT_LIFETIMES, trust: str | None = None
) -> Issued:
    """Issue the operator's client certificate, the one that agents take orders from; `trust` as for instances."""
    uses = (oid.ExtendedKeyUsageOID.CLIENT_AUTH,)
    return _issue(authority, names.OPERATOR_COMMON_NAME, (), uses, _Validity(now, lifetimes), trust)


def issue_instance(  # noqa: PLR0917 -- who, for whom, and the three facts that it depends on
    authority: Authority,
    instance: str,
    addresses: Iterable[str],
    now: dt.datetime,
    lifetimes: Lifetimes = DEFAULT_LIFETIMES,
    trust: str | None = None,
) -> Issued:
    """Issue an instance's certificate for server and client use.

    Args:
        authority: who issues it.
        instance: name of the instance, which becomes the subject.
        addresses: DNS names and IP addresses that others reach it by.
        now: the moment of issue, UTC.
        lifetimes: for how long it is valid; it ends with its authority at the latest.
        trust: the authorities to trust beside it, None for its own alone.
    """
    uses = (oid.ExtendedKeyUsageOID.SERVER_AUTH, oid.ExtendedKeyUsageOID.CLIENT_AUTH)
    return _issue(authority, instance, tuple(addresses), uses, _Validity(now, lifetimes), trust)


def instance_addresses(cluster: str, shard: str, instance: str, namespace: str) -> tuple[str, ...]:
    """Return every DNS name that an instance of a shard is reached by: its pod, and the shard's Services."""
    shard_set = names.shard_set(cluster, shard)
    pod = names.pod(instance)
    return (
        f"{pod}.{shard_set}",
        *_spellings(f"{pod}.{shard_set}", namespace),
        *(
            spelling
            for service in (names.read_write_service(cluster, shard), names.read_only_service(cluster, shard))
            for spelling in (service, *_spellings(service, namespace))
        ),
    )


def router_addresses(cluster: str, namespace: str) -> tuple[str, ...]:
    """Return every DNS name that the routers of a cluster are reached by."""
    service = names.router(cluster)
    return (service, *_spellings(service, namespace))


def addresses(cluster: str, shard: str | None, subject: str, namespace: str) -> tuple[str, ...]:
    """Return every DNS name of a server by its subject: an instance of a shard, or the routers, which have none."""
    if shard is None:
        return router_addresses(cluster, namespace)
    return instance_addresses(cluster, shard, subject, namespace)


def needs_renewal(certificate: str, now: dt.datetime, addresses: Collection[str] | None = None) -> bool:
    """Tell whether a certificate must be issued anew, whoever issued it.

    True when a third of its life is left, where it is unreadable, or where it lacks one of `addresses`.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        made, ends = life(certificate)
    except ValueError:
        return True
    if now >= made + (ends - made) * 2 / 3:
        return True
    return addresses is not None and not set(addresses) <= alternative_names(found)


def life(certificate: str) -> tuple[dt.datetime, dt.datetime]:
    """Return the moments (UTC) when a certificate was made and from which it is no longer valid.

    Raises:
        ValueError: the text is no certificate.
    """
    found = x509.load_pem_x509_certificate(certificate.encode())
    return found.not_valid_before_utc + BACKDATED, found.not_valid_after_utc


def expiry(certificate: str) -> dt.datetime:
    """Return the moment (UTC) from which a certificate is no longer valid.

    Raises:
        ValueError: the text is no certificate.
    """
    return life(certificate)[1]


def alternative_names(certificate: x509.Certificate) -> set[str]:
    """Return the DNS names and IP addresses that a certificate is good for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(entry.value) for entry in found}


def is_issued_by(certificate: str, trust: str) -> bool:
    """Return whether the authority with the certificate `trust` issued a certificate; both PEM, unreadable is no."""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        found.verify_directly_issued_by(x509.load_pem_x509_certificate(trust.encode()))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


@dataclasses.dataclass(frozen=True)
class _Validity:
    now: dt.datetime
    lifetimes: Lifetimes


def _issue(  # noqa: PLR0917 -- the parts of one certificate
    authority: Authority,
    common_name: str,
    addresses: tuple[str, ...],
    uses: tuple[x509.ObjectIdentifier, ...],
    validity: _Validity,
    trust: str | None,
) -> Issued:
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = serialization.load_pem_private_key(authority.key.encode(), password=None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key must be an elliptic curve key: Covet makes no other")
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    ends = min(validity.now + validity.lifetimes.certificate, issuer.not_valid_after_utc)
    builder = (
        draft(_name(common_name), issuer.subject, public, validity.now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if addresses:
        entries = [general_name(address) for address in dict.fromkeys(addresses)]
        builder = builder.add_extension(x509.SubjectAlternativeName(entries), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    return Issued(certificate_text(certificate), _key_text(key), authority.certificate if trust is None else trust)


def draft(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    ends: dt.datetime,
) -> x509.CertificateBuilder:
    """Return the beginning of every certificate that Covet makes, valid from a little before `now`."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends)
    )


def usage(*, authority: bool) -> x509.KeyUsage:
    """Return what a key may be used for: an authority's to sign certificates, any other to shake hands."""
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def general_name(address: str) -> x509.GeneralName:
    """Return a DNS name or an IP address as certificates spell it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _spellings(name: str, namespace: str) -> tuple[str, ...]:
    return (f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local")


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, common_name)])


def certificate_text(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
