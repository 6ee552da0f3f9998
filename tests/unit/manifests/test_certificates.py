"""Certificates: one authority per cluster, names that clients check, renewal before it is late."""

import datetime as dt
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import oid, verification

from covet.core import names
from covet.manifests import certificates
from tests.unit.manifests import samples

NOW = samples.NOW
ADDRESSES = certificates.instance_addresses("shop", "s0", "shop-s0-a", "store")


def parsed(text: str) -> x509.Certificate:
    """Return a certificate from PEM."""
    return x509.load_pem_x509_certificate(text.encode())


@pytest.fixture(scope="module")
def instance() -> certificates.Issued:
    """Return the certificate of shop-s0-a."""
    return certificates.issue_instance(samples.authority(), "shop-s0-a", ADDRESSES, NOW)


def store(*authorities: certificates.Authority) -> verification.Store:
    """Return a store of trusted authorities."""
    return verification.Store([parsed(authority.certificate) for authority in authorities])


def test_a_client_verifies_an_instance_by_every_name_it_is_reached_by(instance: certificates.Issued) -> None:
    """`sslmode=verify-full` holds for the pod's name and for both Services."""
    builder = verification.PolicyBuilder().store(store(samples.authority())).time(NOW)
    for address in (
        "shop-s0-a-0.shop-s0.store.svc",
        "shop-s0-a-0.shop-s0.store.svc.cluster.local",
        "shop-s0-rw",
        "shop-s0-rw.store",
        "shop-s0-rw.store.svc",
        "shop-s0-rw.store.svc.cluster.local",
        "shop-s0-ro.store.svc",
    ):
        verifier = builder.build_server_verifier(x509.DNSName(address))
        assert 2 == len(verifier.verify(parsed(instance.certificate), []))


def test_another_clusters_authority_vouches_for_nobody_here(instance: certificates.Issued) -> None:
    """A certificate of one cluster opens nothing in another."""
    other = certificates.make_authority("other", NOW)
    builder = verification.PolicyBuilder().store(store(other)).time(NOW)
    verifier = builder.build_server_verifier(x509.DNSName("shop-s0-rw.store.svc"))
    with pytest.raises(verification.VerificationError):
        verifier.verify(parsed(instance.certificate), [])


def test_the_peers_name_is_its_common_name(instance: certificates.Issued) -> None:
    """The subject decides what a caller of the agent API may do."""
    operator = certificates.issue_operator(samples.authority(), NOW)
    for issued, name in ((instance, "shop-s0-a"), (operator, names.OPERATOR_COMMON_NAME)):
        (common_name,) = parsed(issued.certificate).subject.get_attributes_for_oid(oid.NameOID.COMMON_NAME)
        assert name == common_name.value


def test_an_instance_serves_and_calls_and_the_operator_only_calls(instance: certificates.Issued) -> None:
    """The operator's certificate is no use to somebody who wants to pose as a server."""
    operator = certificates.issue_operator(samples.authority(), NOW)
    both = {oid.ExtendedKeyUsageOID.SERVER_AUTH, oid.ExtendedKeyUsageOID.CLIENT_AUTH}
    for issued, uses in ((instance, both), (operator, {oid.ExtendedKeyUsageOID.CLIENT_AUTH})):
        found = parsed(issued.certificate).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        assert uses == set(found.value)
    assert set() == certificates.alternative_names(parsed(operator.certificate))


def test_addresses_may_be_names_or_numbers() -> None:
    """Where there is no DNS, instances are reached by address."""
    issued = certificates.issue_instance(samples.authority(), "shop-s0-a", ("127.0.1.1", "localhost", "::1"), NOW)
    names_found = parsed(issued.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [ipaddress.ip_address("127.0.1.1"), ipaddress.ip_address("::1")] == names_found.get_values_for_type(
        x509.IPAddress
    )
    assert ["localhost"] == names_found.get_values_for_type(x509.DNSName)


def test_keys_are_elliptic_and_belong_to_their_certificate(instance: certificates.Issued) -> None:
    """P-256, with the certificate's own public half."""
    key = serialization.load_pem_private_key(instance.key.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert "secp256r1" == key.curve.name
    assert key.public_key() == parsed(instance.certificate).public_key()


def test_an_authority_of_another_kind_is_refused() -> None:
    """Somebody put an RSA key into the Secret: that is said, not guessed around."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with pytest.raises(TypeError, match="elliptic curve"):
        certificates.issue_operator(certificates.Authority(samples.authority().certificate, pem), NOW)


def test_the_authority_signs_and_is_signed_for_ten_years() -> None:
    """It may issue end certificates and no further authorities."""
    found = parsed(samples.authority().certificate)
    constraints = found.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (True, 0) == (constraints.ca, constraints.path_length)
    assert NOW + dt.timedelta(days=3650) == found.not_valid_after_utc


@pytest.mark.parametrize(
    ("age", "renew"),
    [
        (dt.timedelta(0), False),
        (dt.timedelta(days=59, hours=23), False),
        (dt.timedelta(days=60), True),
        (dt.timedelta(days=89), True),
        (dt.timedelta(days=91), True),
    ],
)
def test_a_certificate_is_renewed_a_month_before_it_ends(
    instance: certificates.Issued, age: dt.timedelta, renew: bool
) -> None:
    """Thirty days are left for somebody to notice that renewal fails."""
    assert renew is certificates.needs_renewal(instance.certificate, NOW + age)
    assert NOW + dt.timedelta(days=90) == certificates.expiry(instance.certificate)


@pytest.mark.parametrize(("minutes", "renew"), [(0, False), (39, False), (40, True), (60, True)])
def test_a_short_life_is_renewed_in_time_as_well(minutes: int, renew: bool) -> None:
    """A third of it is left, however short it is, of the authority too."""
    lives = certificates.Lifetimes(dt.timedelta(minutes=60), dt.timedelta(minutes=60))
    authority = certificates.make_authority("shop", NOW, lives)
    issued = certificates.issue_instance(authority, "shop-s0-a", ADDRESSES, NOW, lives)
    for text in (issued.certificate, authority.certificate):
        assert renew is certificates.needs_renewal(text, NOW + dt.timedelta(minutes=minutes))
        assert (NOW, NOW + dt.timedelta(minutes=60)) == certificates.life(text)


def test_nothing_outlives_its_authority() -> None:
    """What it issues late ends with it."""
    lives = certificates.Lifetimes(dt.timedelta(days=90), dt.timedelta(days=270))
    authority = certificates.make_authority("shop", NOW, lives)
    issued = certificates.issue_operator(authority, NOW + dt.timedelta(days=200), lives)
    assert certificates.expiry(authority.certificate) == certificates.expiry(issued.certificate)


def test_authorities_that_follow_have_names_of_their_own() -> None:
    """Whoever chooses the issuer by its name finds the right one; the first keeps the plain name."""
    made = [certificates.make_authority("c" * names.MAX_CLUSTER_NAME, NOW, following=True) for _ in range(2)]
    subjects = [parsed(authority.certificate).subject.rfc4514_string() for authority in made]
    assert 2 == len(set(subjects))
    assert all(text.startswith(f"CN=covet authority {'c' * names.MAX_CLUSTER_NAME} ") for text in subjects)
    assert "CN=covet authority shop" == parsed(samples.authority().certificate).subject.rfc4514_string()


def test_a_certificate_stands_beside_all_that_are_trusted() -> None:
    """While one authority follows another both are trusted, whoever issued."""
    other = certificates.make_authority("shop", NOW, following=True)
    trust = samples.authority().certificate + other.certificate
    for issued in (
        certificates.issue_operator(samples.authority(), NOW, trust=trust),
        certificates.issue_instance(samples.authority(), "shop-s0-a", ADDRESSES, NOW, trust=trust),
    ):
        assert trust == issued.trust


def test_clocks_may_differ_by_minutes(instance: certificates.Issued) -> None:
    """A node whose clock is behind accepts a certificate made this moment."""
    assert NOW - dt.timedelta(minutes=5) == parsed(instance.certificate).not_valid_before_utc


def test_a_certificate_of_another_authority_is_issued_anew(instance: certificates.Issued) -> None:
    """After the authority was replaced, so is everything it issued."""
    other = certificates.make_authority("shop", NOW)
    assert certificates.is_issued_by(instance.certificate, other.certificate) is False
    assert certificates.is_issued_by(instance.certificate, samples.authority().certificate) is True
    assert certificates.is_issued_by(instance.certificate, "no certificate") is False
    assert certificates.is_issued_by("no certificate", other.certificate) is False


def test_a_certificate_that_lacks_a_name_is_issued_anew(instance: certificates.Issued) -> None:
    """A new name of an instance reaches its certificate at the next round."""
    assert certificates.needs_renewal(instance.certificate, NOW, addresses=ADDRESSES) is False
    assert certificates.needs_renewal(instance.certificate, NOW, addresses=(*ADDRESSES, "new.example")) is True


def test_what_cannot_be_read_is_issued_anew() -> None:
    """A damaged Secret heals."""
    assert certificates.needs_renewal("rubbish", NOW) is True


def test_two_certificates_never_share_a_serial_number() -> None:
    """Serial numbers are random, not counted."""
    made = [certificates.issue_operator(samples.authority(), NOW) for _ in range(3)]
    assert 3 == len({parsed(issued.certificate).serial_number for issued in made})
