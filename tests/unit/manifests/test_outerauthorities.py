"""What can be used of a Secret with an authority of somebody else, and in which words the rest is refused."""

import datetime as dt
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509 import oid

from covet.manifests import outerauthorities
from tests.unit.manifests import outers, samples

NOW = samples.NOW
DAY = dt.timedelta(days=1)
ROOT = outers.root(NOW - DAY)
ISSUING = ROOT.below("Example Databases", NOW - DAY)


def test_a_root_and_what_a_root_signed_are_read_as_cert_manager_writes_them() -> None:
    """Servers show what leads to the root, and never the root itself."""
    read = outerauthorities.read(ISSUING.values(), NOW)
    assert ((ISSUING.certificate,), False) == (read.chain, read.is_root)
    assert (NOW - DAY, NOW - DAY + outers.YEAR) == (read.made, read.ends)
    alone = outerauthorities.read(ROOT.values(), NOW)
    assert ((), True) == (alone.chain, alone.is_root)


def test_a_chain_may_be_long_and_end_with_its_root() -> None:
    """By hand people put the root in as well; it is not shown. The first to end ends the chain."""
    short = ROOT.below("Example Region", NOW - DAY, life=30 * DAY)
    lowest = short.below("Example Databases", NOW - DAY)
    read = outerauthorities.read(lowest.values(**{"tls.crt": lowest.pem + short.pem + ROOT.pem}), NOW)
    assert (lowest.certificate, short.certificate) == read.chain
    assert NOW + 29 * DAY == read.ends


KEYS: dict[str, Callable[[], object]] = {
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_that_clients_verify_are_taken(kind: str) -> None:
    """Every algorithm that cert-manager offers."""
    company = outers.root(NOW, key=KEYS[kind]())
    assert company.certificate == outerauthorities.read(company.values(), NOW).certificate


def leaf() -> dict[str, str]:
    """Return the Secret of a server, which is what people name by mistake."""
    return ROOT.below("shop-s0-rw", NOW - DAY, ca=False, signs=False, names=("shop-s0-rw.store.svc",)).values()


WRONG: dict[str, tuple[Callable[[], dict[str, str]], str]] = {
    "no certificate": (lambda: ISSUING.values(**{"tls.crt": ""}), "it has no tls.crt"),
    "no key": (lambda: ISSUING.values(**{"tls.key": "\n"}), "it has no tls.key"),
    "nonsense": (lambda: ISSUING.values(**{"tls.crt": "nonsense"}), "tls.crt holds no certificate that can be read"),
    "a server's": (leaf, "may sign nothing: name an authority, in cert-manager a Certificate with isCA: true"),
    "no name": (lambda: ROOT.below("", NOW - DAY).values(), "has no subject: give it a name"),
    "signs nothing": (lambda: ROOT.below("a", NOW - DAY, signs=False).values(), "add `cert sign`"),
    "for clients": (
        lambda: ROOT.below("a", NOW - DAY, uses=(oid.ExtendedKeyUsageOID.CLIENT_AUTH,)).values(),
        "add `server auth`",
    ),
    "lowest": (lambda: ROOT.below("a", NOW - DAY, path_length=0).values(), "CN=a allows no further authority below"),
    "below the lowest": (
        lambda: ROOT.below("b", NOW - DAY, path_length=1).below("a", NOW - DAY).values(),
        r"CN=b allows no further authority below it \(path length 1, and 2 would be needed\)",
    ),
    "no chain": (
        lambda: ISSUING.values(**{"tls.crt": ISSUING.pem + outers.root(NOW - DAY, "Other").pem}),
        "is no chain: CN=Example Databases was not issued by CN=Other",
    ),
    "ended": (lambda: outers.root(NOW - 2 * DAY, life=DAY).values(), "ended on 2026-02-28 12:00 UTC: renew it"),
    "not begun": (lambda: outers.root(NOW + DAY).values(), "not valid before 2026-03-02 12:00 UTC"),
    "no key that can be read": (lambda: ISSUING.values(**{"tls.key": "nonsense"}), "no private key that can be read"),
    "encrypted": (
        lambda: ISSUING.values(**{"tls.key": outers.key_pem(ISSUING.key, b"password")}),
        "tls.key is encrypted",
    ),
    "another's key": (
        lambda: ISSUING.values(**{"tls.key": outers.key_pem(ROOT.key)}),
        "tls.key does not belong to tls.crt",
    ),
    "a short key": (
        lambda: outers.root(NOW, key=rsa.generate_private_key(65537, 1024)).values(),  # noqa: S505 -- refused here
        "use ECDSA on P-256, P-384 or P-521, RSA of at least 2048 bits, or Ed25519",
    ),
    "another kind of key": (
        lambda: ISSUING.values(**{"tls.key": outers.key_pem(ed448.Ed448PrivateKey.generate())}),
        "of a kind that not every client verifies",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_told_with_what_to_do(case: str) -> None:
    """A person reads it in the condition; no part of a key stands in it."""
    values, message = WRONG[case]
    with pytest.raises(ValueError, match=message) as refused:
        outerauthorities.read(values(), NOW)
    assert "PRIVATE" not in str(refused.value)


def test_the_key_is_not_shown_where_an_authority_is() -> None:
    """Whoever logs one logs no key."""
    assert "key" not in repr(outerauthorities.read(ISSUING.values(), NOW)).lower()


@pytest.mark.parametrize(
    ("permitted", "excluded", "refused"),
    [
        ((), (), []),
        (("store.svc",), (), ["shop-s0-rw"]),
        ((".svc", "shop-s0-rw"), (), []),
        ((), ("store.svc",), ["shop-s0-rw.store.svc"]),
        (("example.com",), (), ["shop-s0-rw", "shop-s0-rw.store.svc"]),
    ],
)
def test_names_that_an_authority_may_not_sign_for_are_found(
    permitted: tuple[str, ...], excluded: tuple[str, ...], refused: list[str]
) -> None:
    """By the constraints of any authority of the chain: clients would refuse the servers for them."""
    limited = ROOT.below("Limited", NOW - DAY, permitted=permitted, excluded=excluded)
    for company in (limited, limited.below("Databases", NOW - DAY)):
        read = outerauthorities.read(company.values(), NOW)
        assert refused == outerauthorities.refused_names(read, ("shop-s0-rw", "shop-s0-rw.store.svc"))
