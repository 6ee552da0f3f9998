"""Authorities of a company as cert-manager keeps them in Secrets: made by the tests, never by the product."""

import dataclasses
import datetime as dt
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509 import oid

YEAR = dt.timedelta(days=365)


@dataclasses.dataclass(frozen=True)
class Company:
    """One authority with everything above it.

    Args:
        certificate: its own.
        key: its private key.
        above: the authorities above it, the next one first; empty for a root.
    """

    certificate: x509.Certificate
    key: Any
    above: tuple["Company", ...] = ()

    @property
    def pem(self) -> str:
        """Return its certificate."""
        return pem(self.certificate)

    @property
    def root(self) -> str:
        """Return the certificate that clients trust."""
        return self.above[-1].pem if self.above else self.pem

    def values(self, **replaced: str) -> dict[str, str]:
        """Return what cert-manager writes: in tls.crt the chain without its root, unless it is the root itself."""
        chain = [one for one in (self, *self.above) if one.above] or [self]
        found = {"tls.crt": "".join(one.pem for one in chain), "tls.key": key_pem(self.key), "ca.crt": self.root}
        return {**found, **replaced}

    def below(self, name: str, now: dt.datetime, **options: Any) -> "Company":
        """Return an authority that this one signed."""
        key = options.pop("key", None) or ec.generate_private_key(ec.SECP256R1())
        made = make(name, now, key=key, issuer=self, **options)
        return Company(made, key, (self, *self.above))


def root(now: dt.datetime, name: str = "Example Root", **options: Any) -> Company:
    """Return an authority that signed itself."""
    key = options.pop("key", None) or ec.generate_private_key(ec.SECP256R1())
    return Company(make(name, now, key=key, issuer=None, **options), key)


def make(
    name: str,
    now: dt.datetime,
    *,
    key: Any,
    issuer: Company | None,
    life: dt.timedelta = YEAR,
    signs: bool = True,
    ca: bool = True,
    path_length: int | None = None,
    uses: tuple[x509.ObjectIdentifier, ...] = (),
    permitted: tuple[str, ...] = (),
    excluded: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
) -> x509.Certificate:
    """Return a certificate; what is not given is as cert-manager makes it for `isCA: true`."""
    subject = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, name)] if name else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .add_extension(usage(signs=signs), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(above, critical=False)
    if uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if permitted or excluded:
        trees = [[x509.DNSName(one) for one in some] or None for some in (permitted, excluded)]
        builder = builder.add_extension(x509.NameConstraints(*trees), critical=True)
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(alternatives, critical=False)
    signer = issuer.key if issuer is not None else key
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def usage(*, signs: bool) -> x509.KeyUsage:
    """Return the key usage of an authority, or of a server."""
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def pem(certificate: x509.Certificate) -> str:
    """Return a certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: Any, password: bytes | None = None) -> str:
    """Return a private key as text, encrypted with a password if there is one."""
    secrecy = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    text: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secrecy)
    return text.decode()
