"""A leader's word to Kubernetes: written in the background, and never over a newer leader's."""

import asyncio
import dataclasses
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covet.agent import publishing
from covet.agent.account import Account
from covet.agent.publishing import Claim, Publisher
from covet.core import names
from covet.core.errors import CovetError, UnreachableError
from covet.kube import resources
from covet.manifests import services
from covet.manifests.metadata import ClusterRef
from covet.testing.apiserver import ApiServer
from tests.unit.agent import instances

CLUSTER = ClusterRef("shop", "store", "9b7f1f2e-0000-4000-8000-000000000001")


def claim(letter: str, term: int) -> Claim:
    """Return what the instance with this letter says once it leads a term."""
    address = f"10.0.0.{ord(letter)}"
    return Claim("shop", CLUSTER.uid, "store", "s0", f"shop-s0-{letter}", term, address, f"node-{letter}", "uid")


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """Run an API server that holds the empty slice which the operator made."""
    found = ApiServer()
    await found.start()
    found.put(services.read_write_slice(CLUSTER, "s0", None, None))
    yield found
    await found.stop()


@pytest.fixture
async def account(server: ApiServer, tmp_path: Path) -> AsyncIterator[Account]:
    """Return the account of a pod."""
    (tmp_path / "token").write_text("secret")
    found = Account(server.url, tmp_path, timeout=2.0)
    yield found
    await found.close()


def named(server: ApiServer) -> tuple[str, list[str]]:
    """Return the term of the slice and where it leads."""
    found = server.get(resources.ENDPOINT_SLICE, "store", "shop-s0-rw")
    assert found is not None
    endpoints = [address for entry in found["endpoints"] for address in entry["addresses"]]
    return (found["metadata"].get("annotations") or {}).get(names.ANNOTATION_TERM, ""), endpoints


async def test_a_leader_of_the_other_family_says_so(server: ApiServer, account: Account) -> None:
    """An IPv6 pod names itself in a slice for IPv6, and leaves one for IPv4 as it is: it could not be changed."""
    sixth = dataclasses.replace(claim("b", 7), address="fd00::7")
    with pytest.raises(CovetError, match="takes no IPv6 addresses"):
        await publishing.publish_slice(account, sixth)
    assert ("", []) == named(server)
    server.delete(resources.ENDPOINT_SLICE, "store", "shop-s0-rw")
    server.put(services.read_write_slice(CLUSTER, "s0", None, None, family="IPv6"))
    await publishing.publish_slice(account, sixth)
    assert ("7", ["fd00::7"]) == named(server)


async def test_a_leader_names_itself(server: ApiServer, account: Account) -> None:
    """Slice and Lease say who leads, and in which term."""
    await publishing.publish_slice(account, claim("b", 7))
    await publishing.publish_lease(account, claim("b", 7))
    assert ("7", ["10.0.0.98"]) == named(server)
    lease = server.get(resources.LEASE, "store", "shop-s0")
    assert lease is not None
    assert ("shop-s0-b", 7) == (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"])
    assert [CLUSTER.uid] == [owner["uid"] for owner in lease["metadata"]["ownerReferences"]]


async def test_a_lease_of_an_earlier_shard_of_this_name_is_taken_over(account: Account) -> None:
    """The terms of a shard that was removed say nothing about the one that was made again."""
    await publishing.publish_lease(account, claim("b", 7))
    assert "left alone" in await publishing.publish_lease(account, claim("a", 2))
    again = dataclasses.replace(claim("h", 2), shard_uid="another")
    assert "taken for term 2" == await publishing.publish_lease(account, again)


async def test_the_slice_is_what_the_operator_would_make(server: ApiServer, account: Account) -> None:
    """Two writers of one object agree on every field, so neither writes after the other."""
    await publishing.publish_slice(account, claim("b", 7))
    found = server.get(resources.ENDPOINT_SLICE, "store", "shop-s0-rw")
    wanted = services.read_write_slice(CLUSTER, "s0", "shop-s0-b", "10.0.0.98", "node-b", 7)
    assert found is not None
    assert (wanted["endpoints"], wanted["metadata"]["annotations"]) == (
        found["endpoints"],
        found["metadata"]["annotations"],
    )


async def test_what_is_published_already_is_not_written_again(server: ApiServer, account: Account) -> None:
    """A leader that looks every ten seconds costs the API server a read."""
    await publishing.publish_slice(account, claim("b", 7))
    before = len(server.writes)
    assert "" == await publishing.publish_slice(account, claim("b", 7))
    assert before == len(server.writes)


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(1, 6)), st.lists(st.booleans(), min_size=5, max_size=5))
def test_i9_an_older_leader_never_writes_over_a_newer_one(order: list[int], leases: list[bool]) -> None:
    """In whatever order leaders come to it, slice and Lease name the newest of those that came."""

    async def scenario() -> tuple[tuple[str, list[str]], int, list[int]]:
        found = ApiServer()
        await found.start()
        found.put(services.read_write_slice(CLUSTER, "s0", None, None))
        account = Account(found.url, Path(folder), timeout=2.0)
        came: list[int] = []
        try:
            for term, lease in zip(order, leases, strict=True):
                who = claim("abcde"[term - 1], term)
                await publishing.publish_slice(account, who)
                if lease:
                    came.append(term)
                    await publishing.publish_lease(account, who)
                assert str(max(order[: order.index(term) + 1])) == named(found)[0]
            held = found.get(resources.LEASE, "store", "shop-s0")
            return named(found), held["spec"]["leaseTransitions"] if held is not None else 0, came
        finally:
            await account.close()
            await found.stop()

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "token").write_text("secret")
        published, transitions, came = asyncio.run(scenario())
    assert ("5", ["10.0.0.101"]) == published
    assert max(came, default=0) == transitions


async def test_a_write_into_another_version_is_a_conflict(server: ApiServer, account: Account) -> None:
    """Between the look and the write a newer leader may have come: the write then fails and is looked at again."""
    real = account.get

    async def late(path: str) -> object:
        found = await real(path)
        account.get = real  # type: ignore[method-assign]  # once
        await publishing.publish_slice(account, claim("c", 8))
        return found

    account.get = late  # type: ignore[method-assign,assignment]  # plays the race
    with pytest.raises(CovetError, match="somebody else"):
        await publishing.publish_slice(account, claim("b", 7))
    assert ("8", ["10.0.0.99"]) == named(server)


async def test_a_refused_right_is_an_error_and_nothing_else(server: ApiServer, account: Account) -> None:
    """A Role that is not there yet is waited for."""
    server.denied.add(("get", "endpointslices"))
    with pytest.raises(CovetError, match="HTTP 403"):
        await publishing.publish_slice(account, claim("b", 7))


async def test_a_renewed_token_is_taken_up(account: Account, tmp_path: Path) -> None:
    """The kubelet renews it within the hour; whoever keeps the old one is shut out."""
    assert "secret" == (await account._ready())[0]
    (tmp_path / "token").write_text("renewed")
    assert "renewed" == (await account._ready())[0]


async def test_an_api_server_that_is_away_is_an_error_in_time(tmp_path: Path) -> None:
    """Nobody listens there."""
    (tmp_path / "token").write_text("secret")
    account = Account("http://127.0.0.1:9", tmp_path, timeout=1.0)
    with pytest.raises(UnreachableError):
        await publishing.publish_slice(account, claim("b", 7))
    await account.close()


def made(root: Path) -> Path:
    """Make the folder of an agent."""
    found = root / "agent"
    found.mkdir()
    return found


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(10.0):
        while not holds():  # noqa: ASYNC110  looks at what another task does
            await asyncio.sleep(0.02)


async def test_i9_what_failed_is_repeated_in_the_background(
    server: ApiServer, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights that come late, an API server that comes back: nobody has to do anything, and failures are counted."""
    inst = instances.make(made(tmp_path))
    monkeypatch.setattr(publishing, "claim_of", lambda _: claim("b", 7))
    server.denied |= {("get", "endpointslices"), ("create", "leases")}
    task = asyncio.create_task(Publisher(inst, account).run())
    failed = inst.metrics.publication_failures
    try:
        await until(lambda: min(failed.labels(kind)._value.get() for kind in ("EndpointSlice", "Lease")) >= 2)
        server.denied.clear()
        await until(lambda: bool(named(server)[1]) and server.get(resources.LEASE, "store", "shop-s0") is not None)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert ("7", ["10.0.0.98"]) == named(server)


async def test_nothing_is_published_by_who_does_not_lead(tmp_path: Path) -> None:
    """Without a reign, without clients let in, or outside of a pod there is no claim."""
    inst = instances.make(made(tmp_path))
    assert publishing.claim_of(inst) is None
    inst.admitting = inst.gate = True
    assert publishing.claim_of(inst) is None
