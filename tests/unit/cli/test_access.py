"""The real way to the API server: what is missing is named, and a race is never lost silently."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from covet.cli import access, failures, orders, reaching
from covet.core import names
from covet.core.errors import ConflictError
from covet.kube import person, resources
from covet.kube.inquiry import Inquiry
from covet.testing import reach
from covet.testing.apiserver import ApiServer
from tests.unit.cli import samples


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """An API server that holds the clusters `shop` and `cart`."""
    server = ApiServer()
    await server.start()
    server.put(samples.cluster())
    server.put(samples.cluster("cart"))
    yield server
    await server.stop()


@pytest.fixture
async def opened(server: ApiServer) -> AsyncIterator[reaching.KubeAccess]:
    """The real adapter."""
    kube = Inquiry(reach.configured(server.url), timeout=2.0, caller=person.CALLER)
    yield reaching.KubeAccess(person.Reach(kube, "default"), None)
    await kube.close()


async def test_a_cluster_that_is_not_there(opened: reaching.KubeAccess) -> None:
    """The message names those that are."""
    with pytest.raises(failures.Failure) as caught:
        await opened.read("shpo")
    assert failures.Exit.NOT_FOUND == caught.value.code
    assert caught.value.message.startswith("There is no CovetCluster shpo in namespace default; there are: cart, shop.")


async def test_a_cluster_that_is_not_there_and_no_right_to_list(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """The missing name is the answer; that others may not be listed is beside the point."""
    server.denied.add(("list", "covetclusters"))
    with pytest.raises(failures.Failure) as caught:
        await opened.read("shpo")
    assert failures.Exit.NOT_FOUND == caught.value.code
    assert "there are" not in caught.value.message


async def test_a_missing_right_to_read(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """The rule to grant is written out."""
    server.denied.add(("get", "covetclusters"))
    with pytest.raises(failures.Failure) as caught:
        await opened.read("shop")
    assert failures.Exit.FORBIDDEN == caught.value.code
    assert (
        "You may not get covetclusters in namespace default: ask whoever administers the cluster for a Role there with"
        " this rule, bound to you.\n"
        '  - apiGroups: ["covet.dev"]\n'
        '    resources: ["covetclusters"]\n'
        '    verbs: ["get"]'
    ) == caught.value.message


async def test_a_missing_right_to_order(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """Reading is allowed, patching is what is named."""
    server.denied.add(("patch", "covetclusters"))
    with pytest.raises(failures.Failure, match=r"(?s)may not patch covetclusters.*verbs: \[\"patch\"\]"):
        await access.order(opened, "shop", orders.fence("shop-s0-c"))


async def test_a_missing_right_to_events(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """Events are of the core group."""
    server.denied.add(("list", "events"))
    seen = await opened.read("shop")
    with pytest.raises(failures.Failure, match=r'(?s)may not list events.*apiGroups: \[""\]'):
        await opened.words(seen)


@pytest.mark.parametrize("verb", ["get", "watch"])
async def test_a_missing_right_to_follow(server: ApiServer, opened: reaching.KubeAccess, verb: str) -> None:
    """Following gets and watches: the one that is missing is named."""
    server.denied.add((verb, "covetclusters"))
    async with asyncio.timeout(10):
        with pytest.raises(failures.Failure, match=f"may not {verb} covetclusters"):
            async for _ in opened.follow("shop"):
                pass


async def test_an_order_is_kept_by_the_api_server(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """Annotations of others stay."""
    body = samples.cluster(team="shop")
    server.put(body)
    await access.order(opened, "shop", orders.switchover("s0", "shop-s0-c"))
    stored = server.get(resources.CLUSTER, "default", "shop")
    assert stored is not None
    assert {"team": "shop", names.switchover_annotation("s0"): "shop-s0-c"} == stored["metadata"]["annotations"]


async def test_an_order_by_an_old_look_is_a_conflict(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """Whoever changed the object in between is not overwritten."""
    seen = await opened.read("shop")
    server.put(samples.cluster(**{"covet__dev/fenced": "shop-s1-c"}))
    with pytest.raises(ConflictError):
        await opened.annotate(seen, {names.ANNOTATION_FENCED: "shop-s0-c"})


async def test_two_fences_at_once_are_both_kept(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """Reading the list and writing it back loses nobody's fence."""
    instances = [f"shop-{shard}-{letter}" for shard in ("s0", "s1") for letter in "abc"]
    async with asyncio.timeout(20):
        await asyncio.gather(*(access.order(opened, "shop", orders.fence(name)) for name in instances))
    stored = server.get(resources.CLUSTER, "default", "shop")
    assert stored is not None
    assert ",".join(instances) == stored["metadata"]["annotations"][names.ANNOTATION_FENCED]


async def test_an_api_server_that_does_not_answer(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """One sentence, and what to try."""
    await server.stop()
    with pytest.raises(failures.Failure) as caught:
        await opened.read("shop")
    assert failures.Exit.UNREACHABLE == caught.value.code
    assert "kubectl version" in caught.value.message


async def test_a_kubernetes_without_covet(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """No kind of that name: another sentence than for a cluster that is missing."""
    server.missing.add("covetclusters")
    with pytest.raises(failures.Failure) as caught:
        await opened.read("shop")
    assert failures.Exit.NOT_FOUND == caught.value.code
    assert "has no CovetCluster: Covet is not installed on it" in caught.value.message


async def test_a_spec_that_this_version_cannot_read(server: ApiServer, opened: reaching.KubeAccess) -> None:
    """The field at fault is named."""
    body = samples.cluster()
    body["spec"]["engine"]["name"] = "MariaDB"
    server.put(body)
    with pytest.raises(failures.Failure, match=r"cannot be read by this version of kubectl-covet: .*engine\.name"):
        await opened.read("shop")
