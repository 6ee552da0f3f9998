"""Dates of certificates, against the library that the operator makes them with."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from covet.agent import validity
from covet.core.errors import SpecError

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" * 60), x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")])
EC = ec.generate_private_key(ec.SECP256R1())


def certificate(ends: dt.datetime, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = EC) -> bytes:
    """Return a certificate as PEM."""
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(dt.datetime(1999, 12, 31, tzinfo=dt.UTC)).not_valid_after(ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    "ends",
    [
        dt.datetime(2000, 1, 1, 0, 0, 1, tzinfo=dt.UTC),
        dt.datetime(2026, 2, 28, 23, 59, 59, tzinfo=dt.UTC),
        dt.datetime(2049, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
        dt.datetime(2050, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
    ],
)
def test_the_end_is_read(ends: dt.datetime) -> None:
    """Both forms of a date, on either side of the year that divides them."""
    assert [ends.timestamp()] == validity.ends(certificate(ends))


def test_a_file_may_hold_several() -> None:
    """Authorities overlap while they are changed; what stands between them does not matter."""
    first, second = (dt.datetime(year, 6, 1, tzinfo=dt.UTC) for year in (2030, 2031))
    rsa_key = rsa.generate_private_key(65537, 2048)
    text = b"old:\n" + certificate(first, rsa_key) + b"\nnew:\n" + certificate(second)
    assert [first.timestamp(), second.timestamp()] == validity.ends(text)
    assert [] == validity.ends(b"")


def test_what_is_no_certificate_is_refused() -> None:
    """Neither cut bytes nor other content come out as a date, or as an error that nobody expects."""
    whole = certificate(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    lines = whole.splitlines()
    for kept in range(2, len(lines) - 1):
        body = b"\n".join([lines[0], b"".join(lines[1:kept])[: 4 * ((kept * 61) // 4)], lines[-1]])
        with pytest.raises(SpecError, match="cannot be read"):
            validity.ends(body)
