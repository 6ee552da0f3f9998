"""Another authority of certificates, through the API server and agents behind real mTLS: every step is told."""

import datetime as dt
from typing import Any

import pytest
from cryptography import x509

from covet.controllers import authorities as controllers
from covet.core import events, names
from covet.core.errors import CovetError
from covet.kube import resources
from covet.manifests import authorities, secrets
from covet.planner.authorities import ORDERED_NOTICE
from covet.planner.authorityactions import SwitchAuthority
from tests.unit.controllers.conftest import NAMESPACE, Bench
from tests.unit.manifests import scram

SUBJECTS = ("shop-operator-tls", *(f"shop-s0-{letter}-tls" for letter in "abc"))


def held(bench: Bench, name: str) -> dict[str, str]:
    """Return the values of a Secret."""
    found = bench.server.get(resources.SECRET, NAMESPACE, name)
    assert found is not None
    return secrets.values_of(found)


def bundles(bench: Bench) -> set[str]:
    """Return what stands as `ca.crt`, wherever it stands."""
    trust = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-trust")
    assert trust is not None
    return {trust["data"]["ca.crt"], *(held(bench, name)["ca.crt"] for name in ("shop-app", *SUBJECTS))}


def issuers(bench: Bench) -> set[str]:
    """Return the names of the authorities that issued what is shown."""
    found = (x509.load_pem_x509_certificate(held(bench, name)["tls.crt"].encode()) for name in SUBJECTS)
    return {certificate.issuer.rfc4514_string() for certificate in found}


def order(bench: Bench) -> None:
    """Order another authority, as a person does, some time after the first one was made."""
    bench.ahead = dt.timedelta(seconds=10)
    bench.annotate(**{"replace-authority": f"{dt.datetime.now(dt.UTC) + bench.ahead:%Y-%m-%dT%H:%M:%SZ}"})


async def born(bench: Bench) -> None:
    """Have a cluster of one shard settled."""
    bench.declare()
    await bench.settle()


async def rounds(bench: Bench, count: int, *, die: bool = False) -> None:
    """Do rounds, every two of them by a new process if wanted."""
    for index in range(count):
        if die and index % 2 == 0:
            await bench.reconciler.close()
            bench.restart()
        await bench.rounds(1)


def phase(bench: Bench) -> str:
    """Return how far the status says it is."""
    return str(bench.status()["authority"]["phase"])


async def test_an_authority_is_replaced_in_three_steps_that_are_told(bench: Bench) -> None:
    """Secrets, trust, status and Events agree at each; then the order is gone and nothing is written any more."""
    await born(bench)
    before, first = held(bench, "shop-ca"), issuers(bench)
    assert "Steady" == phase(bench)
    order(bench)
    bench.kubelet.slow_secrets.add("shop-s0-b")
    await rounds(bench, 4)
    announced = held(bench, "shop-ca")
    assert {before["tls.crt"] + announced["next.crt"]} == bundles(bench)
    assert first == issuers(bench)
    bench.ahead = ORDERED_NOTICE + dt.timedelta(seconds=20)
    await rounds(bench, 3)
    assert "Announced" == phase(bench)
    assert bench.status()["authority"]["message"].endswith("It waits for shop-s0-b.")
    bench.kubelet.slow_secrets.clear()
    await rounds(bench, 2)
    bench.kubelet.slow_secrets.add("shop-s0-c")
    await rounds(bench, 4)
    signing = held(bench, "shop-ca")
    assert (announced["next.crt"], announced["next.key"]) == (signing["tls.crt"], signing["tls.key"])
    assert {"tls.crt", "tls.key", "former.crt"} == {*signing}
    assert ("Signing", 1) == (phase(bench), len(issuers(bench)))
    assert first != issuers(bench)
    assert "True" == bench.condition("CertificatesValid")["status"]
    bench.kubelet.slow_secrets.clear()
    await rounds(bench, 6)
    assert ("Steady", {signing["tls.crt"]}) == (phase(bench), bundles(bench))
    assert {"tls.crt", "tls.key"} == {*held(bench, "shop-ca")}
    assert names.ANNOTATION_REPLACE_AUTHORITY not in bench.annotations()
    told = {events.AUTHORITY_ANNOUNCED, events.AUTHORITY_REPLACED, events.AUTHORITY_RETIRED, events.ORDER_DONE}
    assert told <= {*bench.events("Normal")}
    assert before["tls.key"] not in str([secrets.values_of(item) for item in stored(bench)])
    await bench.settle()
    await bench.reconciler.once()
    bench.server.writes.clear()
    await bench.reconciler.once()
    assert [] == bench.server.writes


def stored(bench: Bench) -> list[dict[str, Any]]:
    """Return every Secret."""
    return [item for (kind, _, _), item in bench.server.objects.items() if kind == resources.SECRET]


async def test_the_password_in_force_is_known_under_the_next_authority_too(bench: Bench) -> None:
    """The record's digest is keyed with the authority: the shards are given the same password once more."""
    await born(bench)
    password = held(bench, "shop-app")["password"]
    digest = bench.record()["shards"][0]["passwordDigest"]
    order(bench)
    await rounds(bench, 4)
    bench.ahead = ORDERED_NOTICE + dt.timedelta(seconds=20)
    await rounds(bench, 10)
    volume = bench.kubelet.agents["shop-s0-a"].volume
    assert volume is not None
    assert scram.verifies(password, volume.verifier or "")
    assert (password, "Steady") == (held(bench, "shop-app")["password"], phase(bench))
    assert digest != bench.record()["shards"][0]["passwordDigest"]
    assert "True" == bench.condition("Ready")["status"]


async def test_an_operator_that_dies_amid_it_is_followed_by_one_that_ends_it(bench: Bench) -> None:
    """No process does more than two rounds, and a certificate is deleted on the way: it ends all the same."""
    await born(bench)
    before = issuers(bench)
    order(bench)
    for count in (4, 10):
        await rounds(bench, count, die=True)
        bench.ahead = ORDERED_NOTICE + dt.timedelta(seconds=20)
        bench.server.delete(resources.SECRET, NAMESPACE, "shop-s0-b-tls")
    await rounds(bench, 6, die=True)
    assert ("Steady", 1, False) == (phase(bench), len(bundles(bench)), before == issuers(bench))


async def test_a_step_is_taken_over_the_version_that_was_observed(bench: Bench) -> None:
    """Somebody wrote the authority's Secret after the agents were asked: the step waits for the next look."""
    await born(bench)
    order(bench)
    await rounds(bench, 4)
    bench.ahead = ORDERED_NOTICE + dt.timedelta(seconds=20)
    found = bench.server.get(resources.SECRET, NAMESPACE, "shop-ca")
    assert found is not None
    body = bench.server.get(resources.CLUSTER, NAMESPACE, "shop")
    assert body is not None
    seen = await bench.reconciler._observer.look(body)
    bench.server.put({**found, "metadata": {**found["metadata"], "annotations": {"backup": "today"}}})
    with pytest.raises(CovetError):
        await controllers.switch(bench.reconciler._means, seen, SwitchAuthority())
    assert "next.crt" in held(bench, "shop-ca")


async def test_a_next_authority_that_cannot_sign_is_announced_anew(bench: Bench) -> None:
    """Half of it is lost: nobody is told to trust what cannot be used."""
    await born(bench)
    order(bench)
    await rounds(bench, 3)
    found = bench.server.get(resources.SECRET, NAMESPACE, "shop-ca")
    assert found is not None
    lost = held(bench, "shop-ca")["next.crt"]
    data = {key: value for key, value in found["data"].items() if key != "next.key"}
    bench.server.put({**found, "data": data})
    assert authorities.following(held(bench, "shop-ca")) is None
    await rounds(bench, 4)
    assert lost != held(bench, "shop-ca")["next.crt"]
    assert authorities.following(held(bench, "shop-ca")) is not None
