"""Cross-certificates: by them clients that know an outer authority verify the servers of a cluster.

The cluster's own authority stays the only one that its members, its operator and its clients' `ca.crt` trust. An outer
authority signs the public key of it under the same name, and servers show that certificate after their own: whoever
trusts the cluster's authority finds it at once, and whoever trusts the outer one finds the way up. So nothing that the
outer authority issues opens anything inside, and a cross-certificate allows the cluster's authority no more names than
those of the one server that shows it, and no clients.
"""

import datetime as dt
import ipaddress
from collections.abc import Collection, Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509 import oid

from covet.manifests import certificates
from covet.manifests.certificates import BACKDATED, Lifetimes
from covet.manifests.outerauthorities import OuterAuthority


def sign(
    outer: OuterAuthority, authority: str, addresses: Iterable[str], now: dt.datetime, lifetimes: Lifetimes
) -> str:
    """Return what a server shows after its certificate: the cross-certificate and what is above it, as PEM.

    Args:
        outer: who signs.
        authority: certificate of the cluster's authority, PEM.
        addresses: DNS names and IP addresses of the server; its authority gets no others by this certificate.
        now: the moment of issue, UTC.
        lifetimes: it lives as long as a server's certificate, and ends with either authority at the latest.
    """
    found = x509.load_pem_x509_certificate(authority.encode())
    public = found.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise TypeError("the authority's key must be an elliptic curve key: Covet makes no other")
    ends = min(now + lifetimes.certificate, found.not_valid_after_utc, outer.ends)
    permitted = [_subtree(address) for address in dict.fromkeys(addresses)]
    made = (
        certificates.draft(found.subject, outer.certificate.subject, public, now, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(certificates.usage(authority=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(_identifier(outer), critical=False)
        .sign(outer.key, _hash(outer))
    )
    return "".join(certificates.certificate_text(one) for one in (made, *outer.chain))


def above(  # noqa: PLR0917 -- what is shown, and the facts that it depends on
    text: str,
    authority: str,
    outer: OuterAuthority | None,
    addresses: Collection[str],
    now: dt.datetime,
    lifetimes: Lifetimes,
) -> str:
    """Return what a server shows after its next certificate, as PEM: what it showed, as long as that serves.

    Args:
        text: its `tls.crt` so far, empty if it has none.
        authority: certificate of the authority that issues its next one, PEM.
        outer: the authority that is to sign that one for clients, None while it cannot.
        addresses: that the server is reached by.
        now: wall-clock time.
        lifetimes: of what is issued.
    """
    if outer is None or not is_due(text, authority, outer, addresses, now, notice(lifetimes)):
        return carried(text, authority)
    return sign(outer, authority, addresses, now, lifetimes)


def notice(lifetimes: Lifetimes) -> dt.timedelta:
    """Return for how long clients may take to read another root, or another authority of the cluster."""
    return lifetimes.certificate / 3


def shown(text: str) -> tuple[x509.Certificate, ...]:
    """Return what stands after the certificate of a server in its `tls.crt`, empty if that cannot be read."""
    try:
        return tuple(x509.load_pem_x509_certificates(text.encode())[1:])
    except ValueError:
        return ()


def carried(text: str, authority: str) -> str:
    """Return what a server goes on to show after another certificate of its own, as PEM.

    Args:
        text: its `tls.crt`.
        authority: certificate of the authority that issues the other one; a way up from another is of no use.
    """
    chain = shown(text)
    if not chain or not _is_of(chain[0], authority):
        return ""
    return "".join(certificates.certificate_text(one) for one in chain)


def is_due(  # noqa: PLR0917 -- what is shown, and the facts that it depends on
    text: str,
    authority: str,
    outer: OuterAuthority,
    addresses: Collection[str],
    now: dt.datetime,
    patience: dt.timedelta,
) -> bool:
    """Return whether a server has to show another way up than it does.

    An outer authority that is a root, and another one than before, is taken up once it is as old as `patience`: clients
    have to know it first. By then, or when a third of the old cross-certificate's life is left, it has to be.

    Args:
        text: `tls.crt` of the server.
        authority: certificate of the cluster's present authority, PEM.
        outer: the outer authority as it is now.
        addresses: that the server is reached by.
        now: wall-clock time.
        patience: for how long clients may take to read another root.
    """
    chain = shown(text)
    if not chain or not _is_of(chain[0], authority):
        return True
    cross, above = chain[0], chain[1:]
    begins, ends = cross.not_valid_before_utc + BACKDATED, cross.not_valid_after_utc
    late = now >= begins + (ends - begins) * 2 / 3
    if not _is_signed_by(cross, outer):
        return late or is_ripe(outer, now, patience)
    if above != outer.chain or not set(addresses) <= _permitted(cross):
        return True
    # One that would end no later is not made: it would be made ever more often until the outer authority ends.
    limit = min(outer.ends, x509.load_pem_x509_certificate(authority.encode()).not_valid_after_utc)
    return late and limit > ends


def is_ripe(outer: OuterAuthority, now: dt.datetime, patience: dt.timedelta) -> bool:
    """Return whether clients know an outer authority: by the root above it, or because they had the time to read it."""
    return not outer.is_root or now >= outer.made + patience


def _is_of(cross: x509.Certificate, authority: str) -> bool:
    try:
        found = x509.load_pem_x509_certificate(authority.encode())
    except ValueError:
        return False
    return (cross.subject, cross.public_key()) == (found.subject, found.public_key())


def _is_signed_by(cross: x509.Certificate, outer: OuterAuthority) -> bool:
    try:
        cross.verify_directly_issued_by(outer.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _permitted(cross: x509.Certificate) -> set[str]:
    """Return the names and addresses that a cross-certificate allows, as they were given to `sign`."""
    try:
        found = cross.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    except x509.ExtensionNotFound:
        return set()
    return {str(entry.value).removesuffix("/32").removesuffix("/128") for entry in found or ()}


def _subtree(address: str) -> x509.GeneralName:
    """Return a name with everything below it, or a network of one IP address."""
    name = certificates.general_name(address)
    return x509.IPAddress(ipaddress.ip_network(address)) if isinstance(name, x509.IPAddress) else name


def _identifier(outer: OuterAuthority) -> x509.AuthorityKeyIdentifier:
    """Return the identifier that the outer authority has in its own certificate, else the usual one of its key."""
    try:
        own = outer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(outer.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


def _hash(outer: OuterAuthority) -> Hash | None:
    """Return the hash that a signature is made with, as long as the key is strong; Ed25519 has one of its own."""
    if isinstance(outer.key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(outer.key, ec.EllipticCurvePrivateKey):
        strong: dict[str, Hash] = {"secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
        return strong.get(outer.key.curve.name, hashes.SHA256())
    return hashes.SHA256()
