"""Secrets that people edit or delete: what follows reaches the databases, or a person is asked."""

import base64
import datetime as dt
from typing import Any

import pytest

from covet.controllers import fleet, pace
from covet.controllers.act import ActionError
from covet.controllers.setbacks import PATIENCE
from covet.core import events, names
from covet.core.errors import ConflictError
from covet.kube import resources
from covet.kube.resources import Resource
from covet.manifests import certificates, secrets
from covet.testing.requests import Refusal
from tests.unit.controllers.conftest import NAMESPACE, Bench
from tests.unit.manifests import scram


def secret(bench: Bench, name: str) -> dict[str, Any]:
    """Return a Secret."""
    found = bench.server.get(resources.SECRET, NAMESPACE, name)
    assert found is not None
    return found


def value(bench: Bench, key: str) -> str:
    """Return a value of the owner's Secret."""
    return base64.b64decode(secret(bench, "shop-app")["data"][key]).decode()


def set_password(bench: Bench, password: str) -> None:
    """Edit the owner's Secret as a person would."""
    found = secret(bench, "shop-app")
    coded = base64.b64encode(password.encode()).decode()
    bench.server.put({**found, "data": {**found["data"], "password": coded}})


def in_force(bench: Bench, password: str) -> bool:
    """Return whether every shard's primary takes a password."""
    volumes = [bench.kubelet.agents[f"shop-s{index}-a"].volume for index in range(2)]
    return all(scram.verifies(password, volume.verifier or "") for volume in volumes if volume is not None)


async def test_an_edited_password_reaches_every_shard(bench: Bench) -> None:
    """The databases take the new password, the addresses in the Secret carry it, and then nothing is written."""
    await bench.born(shards={"count": 2})
    set_password(bench, "new-one")
    await bench.settle()
    assert in_force(bench, "new-one")
    assert ":new-one@" in value(bench, "uri-s1")
    await bench.reconciler.once()
    bench.server.writes.clear()
    await bench.reconciler.once()
    assert [] == bench.server.writes


async def test_a_deleted_user_secret_gets_a_password_that_works(bench: Bench) -> None:
    """The new Secret's password is the databases' password."""
    await bench.born(shards={"count": 2})
    before = value(bench, "password")
    bench.server.delete(resources.SECRET, NAMESPACE, "shop-app")
    await bench.settle()
    assert before != value(bench, "password")
    assert in_force(bench, value(bench, "password"))


async def test_a_password_is_not_in_the_record(bench: Bench) -> None:
    """The record, which more people read than Secrets, holds a keyed digest and nothing to guess against."""
    await bench.born()
    set_password(bench, "guess")
    await bench.settle()
    digest = bench.record()["shards"][0]["passwordDigest"]
    assert 64 == len(digest)
    assert "guess" not in str(bench.record())


async def test_an_unusable_password_is_told(bench: Bench) -> None:
    """A password that no server takes becomes a sentence about the Secret; the old one stays in force."""
    await bench.born(shards={"count": 2})
    old = value(bench, "password")
    set_password(bench, "schlüssel")
    for _ in range(PATIENCE + 1):
        try:
            await bench.reconciler.once()
        except ActionError:
            continue
    assert "PasswordUnreadable" == bench.condition("Ready")["reason"]
    assert in_force(bench, old)


async def test_a_lost_authority_is_asked_for(bench: Bench) -> None:
    """No second authority is made while certificates of the first are in use; with a copy all is well again."""
    await bench.born()
    copy = secret(bench, "shop-ca")
    bench.server.delete(resources.SECRET, NAMESPACE, "shop-ca")
    bench.server.delete(resources.SECRET, NAMESPACE, "shop-s0-b-tls")
    for _ in range(3):
        await bench.reconciler.once()
    assert bench.server.get(resources.SECRET, NAMESPACE, "shop-ca") is None
    assert events.AUTHORITY_INVALID == bench.condition("Stalled")["reason"]
    assert "False" == bench.condition("CertificatesValid")["status"]
    assert "True" == bench.condition("Available")["status"]
    bench.server.put(copy)
    await bench.settle()
    assert secret(bench, "shop-s0-b-tls")


async def test_a_new_authority_reaches_the_applications(bench: Bench) -> None:
    """Whoever deletes all certificates gets a new authority, and the owner's Secret and the trust name it."""
    await bench.born()
    before = value(bench, "ca.crt")
    for name in ("shop-ca", "shop-operator-tls", *(f"shop-s0-{letter}-tls" for letter in "abc")):
        bench.server.delete(resources.SECRET, NAMESPACE, name)
    for _ in range(3):
        try:
            await bench.reconciler.once()
        except ActionError:
            continue
    assert before != value(bench, "ca.crt")
    trust = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-trust")
    assert trust is not None
    assert trust["data"]["ca.crt"] == value(bench, "ca.crt")


async def test_a_conflict_without_end_is_told(bench: Bench) -> None:
    """Something always gets in first: after a while that is a finding, and no longer a race."""

    def refuse(_verb: str, resource: Resource, manifest: dict[str, Any]) -> None:
        if resource == resources.SECRET and manifest["metadata"]["name"] == "shop-app":
            raise Refusal(409, "AlreadyExists", "secrets shop-app already exists")

    bench.server.refuse = refuse
    bench.declare()
    for _ in range(PATIENCE + 4):
        try:
            await bench.reconciler.once()
        except ActionError:
            continue
    assert "AlreadyExists" == bench.condition("Ready")["reason"]


def test_lost_races_are_run_ever_more_slowly() -> None:
    """The first looks follow at once; one that never ends costs a round in ten seconds."""
    steps = pace.Pace()
    error = ConflictError("AlreadyExists", "again")
    waits = [fleet._wait_after(error, error, steps) for _ in range(10)]
    assert waits[0] < 0.3
    assert 8.0 <= waits[-1] <= 12.0


def issued_by_another(subject: str) -> dict[str, str]:
    """Return the data of a certificate's Secret that an authority of the same name issued."""
    now = dt.datetime.now(dt.UTC)
    authority = certificates.make_authority("shop", now)
    addresses = certificates.instance_addresses("shop", "s0", subject, NAMESPACE)
    made = (
        certificates.issue_operator(authority, now)
        if subject == names.OPERATOR_COMMON_NAME
        else certificates.issue_instance(authority, subject, addresses, now)
    )
    return secrets.coded({"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": made.trust})


@pytest.mark.parametrize(
    ("name", "subject"), [("shop-s0-b-tls", "shop-s0-b"), ("shop-operator-tls", names.OPERATOR_COMMON_NAME)]
)
async def test_a_certificate_of_another_authority_is_issued_anew(bench: Bench, name: str, subject: str) -> None:
    """It is called invalid for as long as it is there, and replaced by one of the cluster's authority."""
    await bench.born()
    trust = secret(bench, name)["data"]["ca.crt"]
    bench.server.put({**secret(bench, name), "data": issued_by_another(subject)})
    await bench.reconciler.once()
    assert "False" == bench.condition("CertificatesValid")["status"]
    assert subject in bench.condition("CertificatesValid")["message"]
    await bench.settle()
    assert "True" == bench.condition("CertificatesValid")["status"]
    text = {key: base64.b64decode(coded).decode() for key, coded in secret(bench, name)["data"].items()}
    assert certificates.is_issued_by(text["tls.crt"], base64.b64decode(trust).decode())
    assert trust == secret(bench, name)["data"]["ca.crt"]


async def test_a_certificate_beside_another_authoritys_is_issued_anew(bench: Bench) -> None:
    """Who mounts the Secret trusts its `ca.crt`: an edited one is no better than a wrong certificate."""
    await bench.born()
    before = secret(bench, "shop-s0-b-tls")["data"]
    stranger = issued_by_another("shop-s0-b")["ca.crt"]
    bench.server.put({**secret(bench, "shop-s0-b-tls"), "data": {**before, "ca.crt": stranger}})
    await bench.settle()
    assert before["ca.crt"] == secret(bench, "shop-s0-b-tls")["data"]["ca.crt"]
