"""An authority of somebody else signs the cluster's own: what instances show, what is told, what is left alone."""

import datetime as dt
from typing import Any

from cryptography import x509

from covet.core import events
from covet.kube import resources
from covet.manifests import secrets
from covet.planner.authorities import ORDERED_NOTICE
from tests.unit.controllers.conftest import NAMESPACE, Bench
from tests.unit.manifests import outers
from tests.unit.manifests.outers import Company

DAY = dt.timedelta(days=1)
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
ROOT = outers.root(NOW - 100 * DAY)
ISSUING = ROOT.below("Example Databases", NOW - DAY)
ASKED = {"certificates": {"authoritySecret": "clients"}}
INSTANCES = [f"shop-s0-{letter}" for letter in "abc"]


def put(bench: Bench, company: Company, **replaced: str) -> None:
    """Write the Secret as cert-manager does."""
    values = company.values(**{key.replace("_", "."): value for key, value in replaced.items()})
    bench.server.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "clients",
                "namespace": NAMESPACE,
                "annotations": {"cert-manager.io/certificate-name": "clients", "cert-manager.io/issuer-kind": "Issuer"},
                "labels": {"controller.cert-manager.io/fao": "true"},
            },
            "type": "kubernetes.io/tls",
            "data": secrets.coded(values),
        }
    )


def held(bench: Bench, name: str) -> dict[str, str]:
    """Return the values of a Secret."""
    found = bench.server.get(resources.SECRET, NAMESPACE, name)
    assert found is not None
    return secrets.values_of(found)


def shown(bench: Bench) -> dict[str, str]:
    """Return what each instance's Secret lets it show."""
    return {instance: held(bench, f"{instance}-tls")["tls.crt"] for instance in INSTANCES}


def signers(bench: Bench) -> set[tuple[str, ...]]:
    """Return who signed what instances show, upwards from the cluster's own authority."""
    chains = [x509.load_pem_x509_certificates(text.encode())[1:] for text in shown(bench).values()]
    return {tuple(one.issuer.rfc4514_string() for one in chain) for chain in chains}


async def signed(bench: Bench) -> None:
    """Have a settled cluster whose authority a company signed."""
    await bench.born()
    put(bench, ISSUING)
    bench.declare(**ASKED)
    await bench.settle()


async def test_instances_show_how_the_clusters_authority_leads_to_the_companys(bench: Bench) -> None:
    """Certificates are made anew at once; whom members and `ca.crt` trust stays; then nothing is written any more."""
    await bench.born()
    before, pods = held(bench, "shop-app")["ca.crt"], bench.pods()
    put(bench, ISSUING)
    bench.declare(**ASKED)
    await bench.reconciler.once()
    assert "False" == bench.condition("Ready")["status"]
    await bench.settle()
    assert {("CN=Example Databases", "CN=Example Root")} == signers(bench)
    assert {before} == {held(bench, name)["ca.crt"] for name in ("shop-app", *(f"{one}-tls" for one in INSTANCES))}
    assert 1 == held(bench, "shop-operator-tls")["tls.crt"].count("BEGIN")
    assert pods == bench.pods()
    signed_by = {"secret": "clients", "subject": "CN=Example Databases"}
    assert signed_by.items() <= bench.status()["authority"]["signedBy"].items()
    await bench.reconciler.once()
    bench.server.writes.clear()
    await bench.reconciler.once()
    assert [] == bench.server.writes


async def test_a_cluster_is_born_before_its_secret_is_there(bench: Bench) -> None:
    """cert-manager may be later: it says what it waits for, serves, and is whole once the Secret is there."""
    bench.declare(**ASKED)
    await bench.rounds(12)
    ready = bench.condition("Ready")
    assert ("False", events.AUTHORITY_SECRET_MISSING) == (ready["status"], ready["reason"])
    assert "spec.certificates.authoritySecret: clients: there is no such Secret" in ready["message"]
    assert ({}, "True") == (bench.condition("Stalled"), bench.condition("Available")["status"])
    put(bench, ISSUING)
    await bench.settle()
    assert ("True", 1) == (bench.condition("Ready")["status"], len(signers(bench)))


async def test_what_is_wrong_with_the_secret_is_told_and_nothing_is_taken_back(bench: Bench) -> None:
    """Servers go on with what they show, and the cluster's other work goes on."""
    await signed(bench)
    before = shown(bench)
    put(bench, ISSUING, tls_key=outers.key_pem(ROOT.key))
    bench.server.delete(resources.SERVICE, NAMESPACE, "shop-s0-ro")
    await bench.rounds(3)
    stalled = bench.condition("Stalled")
    assert events.AUTHORITY_SECRET_UNUSABLE == stalled["reason"]
    assert "spec.certificates.authoritySecret: clients: tls.key does not belong to tls.crt" in stalled["message"]
    assert "Servers go on with what they show" in stalled["message"]
    assert events.AUTHORITY_SECRET_UNUSABLE in bench.events()
    assert (before, "True") == (shown(bench), bench.condition("Available")["status"])
    assert bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0-ro") is not None
    bench.server.delete(resources.SECRET, NAMESPACE, "clients")
    await bench.rounds(2)
    assert (before, events.AUTHORITY_SECRET_MISSING) == (shown(bench), bench.condition("Ready")["reason"])
    put(bench, ISSUING)
    await bench.settle()
    assert (before, "True") == (shown(bench), bench.condition("Ready")["status"])


async def test_a_certificate_that_is_lost_meanwhile_is_made_without_the_company(bench: Bench) -> None:
    """Members go before clients: one that lacks a certificate gets one; what others show stays."""
    await signed(bench)
    before = shown(bench)
    bench.server.delete(resources.SECRET, NAMESPACE, "clients")
    bench.server.delete(resources.SECRET, NAMESPACE, "shop-s0-b-tls")
    await bench.rounds(2)
    assert 1 == shown(bench)["shop-s0-b"].count("BEGIN")
    assert [before[one] for one in INSTANCES if one != "shop-s0-b"] == [
        shown(bench)[one] for one in INSTANCES if one != "shop-s0-b"
    ]
    put(bench, ISSUING)
    await bench.settle()
    assert {("CN=Example Databases", "CN=Example Root")} == signers(bench)


async def test_another_authority_below_the_same_root_is_taken_up_at_once(bench: Bench) -> None:
    """cert-manager renewed it with another key: clients know the root, which did not change."""
    await signed(bench)
    put(bench, ROOT.below("Example Databases 2", NOW))
    await bench.settle()
    assert {("CN=Example Databases 2", "CN=Example Root")} == signers(bench)


async def test_another_root_is_taken_up_when_clients_had_time_to_read_it(bench: Bench) -> None:
    """A month after it was made; meanwhile the former one is shown, and nothing is wrong."""
    await bench.born()
    put(bench, ROOT)
    bench.declare(**ASKED)
    await bench.settle()
    put(bench, outers.root(NOW, "Next Root"))
    await bench.rounds(2)
    assert ({("CN=Example Root",)}, "True") == (signers(bench), bench.condition("Ready")["status"])
    bench.ahead = 30 * DAY + dt.timedelta(minutes=1)
    await bench.settle()
    assert {("CN=Next Root",)} == signers(bench)


async def test_without_the_field_nothing_is_shown_beside_the_certificate(bench: Bench) -> None:
    """Back to the cluster's own authority alone, at once, as it was asked for."""
    await signed(bench)
    bench.declare()
    await bench.settle()
    assert ({()}, None) == (signers(bench), bench.status()["authority"].get("signedBy"))


def order(bench: Bench) -> None:
    """Order another authority of the cluster."""
    bench.ahead = dt.timedelta(seconds=10)
    bench.annotate(**{"replace-authority": f"{dt.datetime.now(dt.UTC) + bench.ahead:%Y-%m-%dT%H:%M:%SZ}"})


async def test_another_authority_of_the_cluster_is_signed_before_anybody_shows_it(bench: Bench) -> None:
    """The company's clients find the way up from the former one and from the present one alike."""
    await signed(bench)
    order(bench)
    await bench.rounds(4)
    bench.server.delete(resources.SECRET, NAMESPACE, "clients")
    bench.ahead = ORDERED_NOTICE + dt.timedelta(seconds=20)
    await bench.rounds(4)
    authority = bench.status()["authority"]
    assert "Announced" == authority["phase"]
    assert authority["message"].endswith("It waits for Secret clients (spec.certificates.authoritySecret).")
    put(bench, ISSUING)
    for _ in range(12):
        if "former.crt" in held(bench, "shop-ca"):
            break
        await bench.rounds(1)
    before = shown(bench)
    bench.server.delete(resources.SECRET, NAMESPACE, "clients")
    await bench.rounds(3)
    assert (before, "Signing") == (shown(bench), bench.status()["authority"]["phase"])
    put(bench, ISSUING)
    await bench.rounds(8)
    assert "Steady" == bench.status()["authority"]["phase"]
    assert {("CN=Example Databases", "CN=Example Root")} == signers(bench)
    own = x509.load_pem_x509_certificate(held(bench, "shop-ca")["tls.crt"].encode())
    crosses = [x509.load_pem_x509_certificates(text.encode())[1] for text in shown(bench).values()]
    assert [own.public_key()] * 3 == [cross.public_key() for cross in crosses]


async def test_an_authority_that_nobody_renews_is_told(bench: Bench) -> None:
    """With a sixth of its life left somebody should have; nothing stalls."""
    await bench.born()
    put(bench, ROOT.below("Example Databases", NOW - 10 * DAY, life=11 * DAY))
    bench.declare(**ASKED)
    await bench.rounds(4)
    ready = bench.condition("Ready")
    assert events.AUTHORITY_SECRET_EXPIRING == ready["reason"]
    assert f"CN=Example Databases ends on {NOW + DAY:%Y-%m-%d %H:%M} UTC" in ready["message"]
    assert {} == bench.condition("Stalled")


async def test_the_companys_key_goes_nowhere(bench: Bench) -> None:
    """It stands in its own Secret and nowhere else."""
    await signed(bench)
    key = ISSUING.values()["tls.key"].splitlines()[1]
    others = [item for (_, _, name), item in bench.server.objects.items() if name != "clients"]
    assert not any(key in text for item in others for text in texts(item))


def texts(item: dict[str, Any]) -> list[str]:
    """Return what an object says, with the values of a Secret as they are read."""
    return [str(item), *(secrets.values_of(item).values() if item["kind"] == "Secret" else ())]


async def test_the_clusters_own_authority_is_no_company(bench: Bench) -> None:
    """Named by mistake: refused by the name of the field."""
    await bench.born()
    bench.declare(certificates={"authoritySecret": "shop-ca"})
    await bench.rounds(1)
    stalled = bench.condition("Stalled")
    assert "SpecInvalid" == stalled["reason"]
    assert "spec.certificates.authoritySecret: shop-ca: is the cluster's own authority" in stalled["message"]


async def test_a_secret_that_may_not_be_read_is_told(bench: Bench) -> None:
    """Somebody took the right away: the sentence says so, and the cluster goes on."""
    await signed(bench)
    bench.server.denied.add(("get", "secrets"))
    await bench.rounds(2)
    ready = bench.condition("Ready")
    assert events.AUTHORITY_SECRET_UNUSABLE == ready["reason"]
    assert "the operator may not read it" in ready["message"]
