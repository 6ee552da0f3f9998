"""Cross-certificates as real OpenSSL sees them: two roots lead to one server, and neither opens anything more."""

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509 import oid

from covet.manifests import certificates, crosscertificates, outerauthorities
from covet.manifests.certificates import Authority, Lifetimes
from tests.unit.manifests import outers
from tests.unit.manifests.outers import Company

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
"""The clock of OpenSSL cannot be set."""
DAY = dt.timedelta(days=1)
LIVES = Lifetimes()
NOTICE = LIVES.certificate / 3
ADDRESSES = certificates.instance_addresses("shop", "s0", "shop-s0-a", "store")
OWN = certificates.make_authority("shop", NOW)
ROOT = outers.root(NOW - DAY)
ISSUING = ROOT.below("Example Databases", NOW - DAY)
SERVICE = "shop-s0-rw.store.svc"


def above(company: Company, authority: Authority = OWN, now: dt.datetime = NOW) -> str:
    """Return what servers show after their certificates."""
    outer = outerauthorities.read(company.values(), now)
    return crosscertificates.sign(outer, authority.certificate, ADDRESSES, now, LIVES)


def server(folder: Path, company: Company, addresses: tuple[str, ...] = ADDRESSES) -> ssl.SSLContext:
    """Return a server that shows a certificate of the cluster's authority and the way up to a company's root."""
    issued = certificates.issue_instance(OWN, "shop-s0-a", addresses, NOW)
    return serving(folder, issued.certificate + above(company), issued.key)


def serving(folder: Path, shown: str, key: str) -> ssl.SSLContext:
    """Return a server that shows something."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (folder / "tls.crt").write_text(shown)
    (folder / "tls.key").write_text(key)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


def shake(answering: ssl.SSLContext, dialling: ssl.SSLContext, name: str) -> None:
    """Let two contexts shake hands in memory, the dialling one with the name that it wants."""
    one, two = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [dialling.wrap_bio(one, two, server_hostname=name), answering.wrap_bio(two, one, server_side=True)]
    for _ in range(6):
        for side in list(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert [] == sides


def client(trust: str) -> ssl.SSLContext:
    """Return a client that verifies names and trusts one root; without the partial chains of newer Pythons."""
    context = ssl.create_default_context(cadata=trust)
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context


@pytest.mark.parametrize("name", ADDRESSES)
def test_clients_of_either_authority_verify_a_server_by_every_name(tmp_path: Path, name: str) -> None:
    """`ca.crt` of the cluster, or the company's root alone: `sslmode=verify-full` holds for both."""
    answering = server(tmp_path, ISSUING)
    for trust in (OWN.certificate, ROOT.pem, OWN.certificate + ROOT.pem):
        shake(answering, client(trust), name)


@pytest.mark.parametrize(
    "company",
    [
        ROOT,
        ROOT.below("Region", NOW - DAY).below("Databases", NOW - DAY),
        outers.root(NOW - DAY, key=rsa.generate_private_key(65537, 2048)),
        outers.root(NOW - DAY, key=ed25519.Ed25519PrivateKey.generate()).below("Databases", NOW - DAY),
        ROOT.below("Limited", NOW - DAY, path_length=1, permitted=("shop-s0-rw", "shop-s0-ro", "shop-s0", "svc",
                   "store", "local"), uses=(oid.ExtendedKeyUsageOID.SERVER_AUTH,)),
    ],
    ids=["a root", "three levels", "RSA", "Ed25519", "limited"],
)  # fmt: skip
def test_companies_of_every_shape_lead_to_the_server(tmp_path: Path, company: Company) -> None:
    """Whatever signs, the client's library follows."""
    shake(server(tmp_path, company), client(company.root), SERVICE)


def test_a_stranger_is_not_led_to_the_server(tmp_path: Path) -> None:
    """Who trusts neither authority is not let down by one that calls itself the same."""
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server(tmp_path, ISSUING), client(outers.root(NOW - DAY).pem), SERVICE)


def test_the_clusters_authority_signs_for_no_other_name_in_the_companys(tmp_path: Path) -> None:
    """Whoever steals its key poses as no other server towards those who trust the company."""
    issued = certificates.issue_instance(OWN, "shop-s0-a", ("bank.example.com",), NOW)
    thief = serving(tmp_path, issued.certificate + above(ISSUING), issued.key)
    shake(thief, client(OWN.certificate), "bank.example.com")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shake(thief, client(ROOT.pem), "bank.example.com")


def test_what_the_company_signs_opens_nothing_inside(tmp_path: Path) -> None:
    """A server, and a client that calls itself the operator, with the company's certificates: members refuse them."""
    for name, addresses in (("shop-s0-a", ADDRESSES), ("covet-operator", ())):
        stranger = ISSUING.below(name, NOW - DAY, ca=False, signs=False, names=addresses)
        shown = stranger.values()["tls.crt"]
        posing = serving(tmp_path, shown, outers.key_pem(stranger.key))
        if addresses:
            with pytest.raises(ssl.SSLCertVerificationError):
                shake(posing, client(OWN.certificate), SERVICE)
        member = server(tmp_path, ISSUING)
        member.load_verify_locations(cadata=OWN.certificate)
        member.verify_mode = ssl.CERT_REQUIRED
        caller = client(OWN.certificate)
        (tmp_path / "caller").write_text(shown + outers.key_pem(stranger.key))
        caller.load_cert_chain(tmp_path / "caller")
        with pytest.raises(ssl.SSLError):
            shake(member, caller, SERVICE)


def test_a_member_that_shows_the_way_up_is_let_in_by_members(tmp_path: Path) -> None:
    """Its certificate is for clients, too: what stands after it disturbs nobody who trusts the cluster's authority."""
    issued = certificates.issue_instance(OWN, "shop-s0-b", ADDRESSES, NOW)
    member = server(tmp_path, ISSUING)
    member.load_verify_locations(cadata=OWN.certificate)
    member.verify_mode = ssl.CERT_REQUIRED
    caller = client(OWN.certificate)
    (tmp_path / "caller").write_text(issued.certificate + above(ISSUING) + issued.key)
    caller.load_cert_chain(tmp_path / "caller")
    shake(member, caller, SERVICE)


def test_it_lives_as_long_as_a_server_and_no_longer_than_who_signed_it() -> None:
    """Ninety days, or to the end of the company's authority."""
    for life, ends in ((outers.YEAR, NOW + 90 * DAY), (11 * DAY, NOW + 10 * DAY)):
        company = ROOT.below("Databases", NOW - DAY, life=life)
        cross = x509.load_pem_x509_certificate(above(company).encode())
        assert ends == cross.not_valid_after_utc


def due(shown: str, company: Company, now: dt.datetime, authority: Authority = OWN) -> bool:
    """Return whether a server that shows something has to show something else."""
    outer = outerauthorities.read(company.values(), now)
    return crosscertificates.is_due(shown, authority.certificate, outer, ADDRESSES, now, NOTICE)


LEAF = certificates.issue_instance(OWN, "shop-s0-a", ADDRESSES, NOW).certificate


def test_what_is_shown_is_made_anew_when_it_leads_nowhere_any_more() -> None:
    """Nothing shown, another authority, another company, another way up, a name that is missing: at once."""
    shown = LEAF + above(ISSUING)
    assert not due(shown, ISSUING, NOW)
    assert due(LEAF, ISSUING, NOW)
    assert due(shown, ISSUING, NOW, certificates.make_authority("shop", NOW, following=True))
    assert due(shown, ROOT.below("Example Databases", NOW), NOW)
    again = Company(ROOT.below("Example Databases", NOW, key=ISSUING.key).certificate, ISSUING.key, ISSUING.above)
    assert due(shown, again, NOW)
    outer = outerauthorities.read(ISSUING.values(), NOW)
    few = LEAF + crosscertificates.sign(outer, OWN.certificate, ADDRESSES[:2], NOW, LIVES)
    assert due(few, ISSUING, NOW)


def test_it_is_renewed_when_a_third_is_left_if_that_lengthens_it() -> None:
    """What ends with the company's authority is not made ever more often towards that end."""
    assert [False, True] == [due(LEAF + above(ISSUING), ISSUING, NOW + age * DAY) for age in (59, 60)]
    ending = ROOT.below("Databases", NOW - DAY, life=10 * DAY)
    assert not due(LEAF + above(ending), ending, NOW + 8 * DAY)


def test_another_root_is_taken_up_when_clients_had_time_to_read_it() -> None:
    """A third of a certificate's life, or when what is shown has a third of its life left."""
    shown = LEAF + above(ROOT)
    young, old = outers.root(NOW + DAY, "Next Root"), outers.root(NOW - 31 * DAY, "Old Root")
    assert [False, False, True] == [due(shown, young, NOW + age * DAY) for age in (1, 30, 31)]
    assert due(shown, old, NOW)
    late = outers.root(NOW + 59 * DAY, "Late Root")
    assert [False, True] == [due(shown, late, NOW + age * DAY) for age in (59, 60)]
    assert due(LEAF, young, NOW + DAY)


def test_a_root_that_was_renewed_with_its_key_is_the_same_to_clients() -> None:
    """cert-manager's `rotationPolicy: Never`: nothing has to be shown anew."""
    again = outers.root(NOW, key=ROOT.key)
    assert not due(LEAF + above(ROOT), again, NOW)


def test_what_leads_up_stays_while_the_authority_below_it_does() -> None:
    """Another certificate of the server goes on with it; one of another authority has no use for it."""
    shown = LEAF + above(ISSUING)
    assert above(ISSUING).count("BEGIN") == crosscertificates.carried(shown, OWN.certificate).count("BEGIN") == 2
    assert shown == LEAF + crosscertificates.carried(shown, OWN.certificate)
    assert not crosscertificates.carried(shown, certificates.make_authority("shop", NOW).certificate)
    assert not crosscertificates.carried("nonsense", OWN.certificate)
