"""The cluster's certificate authorities and the certificates they sign.

Everything is made anew with each cluster and thrown away with it. The keys are
P-256: a hundred of them cost less than one RSA key, and ``up`` waits for them.
"""

import base64
import dataclasses
import datetime as dt
import ipaddress
import pathlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import oid

_LIFE = dt.timedelta(days=3650)


@dataclasses.dataclass(frozen=True)
class KeyPair:
    """A certificate and its key, both PEM, as they lie on the disk."""

    folder: pathlib.Path
    stem: str

    @property
    def certificate(self) -> pathlib.Path:
        """The PEM file of the certificate."""
        return self.folder / f"{self.stem}.crt"

    @property
    def key(self) -> pathlib.Path:
        """The PEM file of the key, readable by root alone."""
        return self.folder / f"{self.stem}.key"


@dataclasses.dataclass(frozen=True)
class Authority:
    """A certificate authority that signs with a key held in memory."""

    pair: KeyPair
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, folder: pathlib.Path, stem: str) -> "Authority":
        """Make an authority named after its file and write it into ``folder``."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, stem)])
        certificate = (
            _template(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        pair = KeyPair(folder, stem)
        _write(pair, certificate, key)
        return cls(pair, certificate, key)

    @classmethod
    def read(cls, folder: pathlib.Path, stem: str) -> "Authority":
        """Read an authority that ``create`` wrote."""
        pair = KeyPair(folder, stem)
        key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{pair.key} holds no elliptic curve key")
        return cls(pair, x509.load_pem_x509_certificate(pair.certificate.read_bytes()), key)

    def issue(
        self,
        stem: str,
        user: str,
        *,
        groups: Sequence[str] = (),
        addresses: Sequence[str] = (),
        names: Sequence[str] = (),
    ) -> KeyPair:
        """Sign a certificate for ``user`` in ``groups``; with addresses or names it can serve too."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(oid.NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*attributes, x509.NameAttribute(oid.NameOID.COMMON_NAME, user)])
        purposes = [oid.ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _template(subject, self.certificate.subject, key)
        if addresses or names:
            purposes.append(oid.ExtendedKeyUsageOID.SERVER_AUTH)
            alternatives: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
            alternatives += [x509.DNSName(name) for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        pair = KeyPair(self.pair.folder, stem)
        _write(pair, certificate, key)
        return pair


def create_signing_key(folder: pathlib.Path, stem: str) -> KeyPair:
    """Make the key that signs service account tokens, and its public half as ``<stem>.crt``."""
    key = ec.generate_private_key(ec.SECP256R1())
    pair = KeyPair(folder, stem)
    _write_key(pair, key)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    pair.certificate.write_bytes(public)
    return pair


def kubeconfig(server: str, authority: KeyPair, client: KeyPair, context: str, user: str) -> dict[str, object]:
    """A kubeconfig that carries its certificates inside, so that the file can be copied away."""

    def encode(path: pathlib.Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    credentials = {"client-certificate-data": encode(client.certificate), "client-key-data": encode(client.key)}
    cluster = {"server": server, "certificate-authority-data": encode(authority.certificate)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }


def _template(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + _LIFE)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _write_key(pair, key)
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_key(pair: KeyPair, key: ec.EllipticCurvePrivateKey) -> None:
    pair.folder.mkdir(parents=True, exist_ok=True)
    pair.key.touch(mode=0o600)
    pair.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
