"""The adapter says what happened in Covet's own words, and counts what it writes."""

import collections
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from covet.core.errors import ConflictError, RefusedError, SpecError, UnreachableError
from covet.kube import client, resources, rights
from covet.kube.client import Kube
from covet.testing import reach
from covet.testing.apiserver import ApiServer
from covet.testing.requests import Refusal


def config_map(name: str = "one", **data: str) -> dict[str, Any]:
    """Return a ConfigMap with a label."""
    metadata = {"name": name, "namespace": "ns", "labels": {"covet.dev/cluster": "shop"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_what_is_not_there_is_none(kube: Kube) -> None:
    """A missing object is a value, not an error."""
    assert None is await kube.get(resources.CONFIG_MAP, "ns", "none")


async def test_created_once(kube: Kube) -> None:
    """A second creation is a conflict, so that nobody replaces what somebody made first."""
    await kube.create(config_map(a="1"))
    with pytest.raises(ConflictError) as caught:
        await kube.create(config_map(a="2"))
    assert "AlreadyExists" == caught.value.reason
    found = await kube.get(resources.CONFIG_MAP, "ns", "one")
    assert found is not None
    assert {"a": "1"} == found["data"]


async def test_compare_and_set(kube: Kube) -> None:
    """An object that changed since it was read is not replaced."""
    first = await kube.create(config_map(a="1"))
    await kube.replace({**first, "data": {"a": "2"}})
    with pytest.raises(ConflictError):
        await kube.replace({**first, "data": {"a": "3"}})


async def test_compare_and_set_needs_a_version(kube: Kube) -> None:
    """Without a version there is nothing to compare: that is a mistake of the caller."""
    with pytest.raises(ValueError, match="resourceVersion"):
        await kube.replace(config_map())


async def test_replacing_what_is_gone_is_a_conflict(kube: Kube, server: ApiServer) -> None:
    """Somebody deleted the object first: look again."""
    first = await kube.create(config_map())
    server.delete(resources.CONFIG_MAP, "ns", "one")
    with pytest.raises(ConflictError):
        await kube.replace(first)


async def test_apply_creates_changes_and_drops(kube: Kube) -> None:
    """Server-side apply owns exactly the fields it sent last, and leaves those of others."""
    await kube.apply(config_map(a="1", b="1"))
    await kube.merge(resources.CONFIG_MAP, "ns", "one", {"data": {"theirs": "x"}})
    found = await kube.apply(config_map(a="2"))
    assert {"a": "2", "theirs": "x"} == found["data"]


async def test_lists_by_label_and_page(kube: Kube, server: ApiServer) -> None:
    """A list finds what carries the label, with kind and version filled in."""
    server.put(config_map("one"))
    other = config_map("two")
    other["metadata"]["labels"] = {"covet.dev/cluster": "other"}
    server.put(other)
    found = await kube.list(resources.CONFIG_MAP, "ns", {"covet.dev/cluster": "shop"})
    assert [("ConfigMap", "one")] == [(item["kind"], item["metadata"]["name"]) for item in found]


async def test_pages_are_followed() -> None:
    """A list that comes in pages is read to its end."""
    app = web.Application()

    async def page(request: web.Request) -> web.Response:
        last = "continue" in request.query
        metadata = {} if last else {"continue": "more"}
        return web.json_response({"metadata": metadata, "items": [{"metadata": {"name": "b" if last else "a"}}]})

    app.router.add_get("/api/v1/namespaces/ns/pods", page)
    async with serving(app) as kube:
        found = await kube.list(resources.POD, "ns")
    assert ["a", "b"] == [item["metadata"]["name"] for item in found]


async def test_every_write_is_counted(kube: Kube, counted: collections.Counter[tuple[str, str]]) -> None:
    """Reads are not counted, writes are, by verb and resource."""
    first = await kube.create(config_map())
    await kube.replace({**first, "data": {"a": "2"}})
    await kube.apply(config_map(a="3"))
    await kube.merge(resources.CONFIG_MAP, "ns", "one", {"data": {"b": "1"}})
    await kube.get(resources.CONFIG_MAP, "ns", "one")
    await kube.list(resources.CONFIG_MAP, "ns")
    expected = {("create", "configmaps"): 1, ("update", "configmaps"): 1, ("patch", "configmaps"): 2}
    assert expected == counted


async def test_a_full_quota_has_its_own_reason(kube: Kube, server: ApiServer) -> None:
    """What Kubernetes answers with 403 is told apart: a quota is not a missing right."""

    def refuse(_verb: str, _resource: resources.Resource, _manifest: dict[str, Any]) -> None:
        raise Refusal(403, "Forbidden", 'configmaps "one" is forbidden: exceeded quota: small')

    server.refuse = refuse
    with pytest.raises(RefusedError) as caught:
        await kube.apply(config_map())
    assert "QuotaExceeded" == caught.value.reason


@pytest.mark.parametrize(
    ("status", "message", "kind", "reason"),
    [
        (403, "pods is forbidden: User cannot list", RefusedError, "Forbidden"),
        (403, "unable to create: namespace is being terminated", RefusedError, "NamespaceTerminating"),
        (401, "Unauthorized", RefusedError, "Forbidden"),
        (422, "spec.replicas: Invalid value", RefusedError, "Invalid"),
        (409, "object was modified", ConflictError, "Conflict"),
        (429, "too many requests", UnreachableError, "ApiServerUnreachable"),
        (503, "etcd is away", UnreachableError, "ApiServerUnreachable"),
    ],
)
async def test_answers_are_translated(status: int, message: str, kind: type[Exception], reason: str) -> None:
    """Each error answer becomes one of Covet's errors, with a reason for programs."""
    app = web.Application()
    answer = {"reason": "Invalid" if status == 422 else "", "message": message}
    app.router.add_get("/api/v1/namespaces/ns/secrets/p", answering(json.dumps(answer), status))
    async with serving(app) as kube:
        with pytest.raises(kind) as caught:
            await kube.get(resources.SECRET, "ns", "p")
    assert reason == getattr(caught.value, "reason", None)
    assert message in str(caught.value)


async def test_an_answer_that_is_no_json_is_unreachable() -> None:
    """A proxy's error page is no word of the API server."""
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/ns/secrets/p", answering("<html>", 502))
    async with serving(app) as kube:
        with pytest.raises(UnreachableError):
            await kube.get(resources.SECRET, "ns", "p")


async def test_silence_ends_with_unreachable(server: ApiServer) -> None:
    """A server that is not there costs one timeout and is unreachable."""
    await server.stop()
    kube = Kube(reach.configured(server.url), timeout=0.5)
    with pytest.raises(UnreachableError):
        await kube.get(resources.SECRET, "ns", "p")
    await kube.close()


async def test_a_call_outside_the_table_is_not_sent(kube: Kube, server: ApiServer) -> None:
    """A right that is not in the table fails here, not in production."""
    with pytest.raises(PermissionError, match="patch storageclasses"):
        await kube.merge(resources.STORAGE_CLASS, "", "fast", {})
    assert [] == server.writes


def test_the_status_has_rights_of_its_own() -> None:
    """Status is patched through its subresource; of the object itself an order may be removed, and no more."""
    rights.require(resources.CLUSTER, "patch", "status")
    with pytest.raises(PermissionError):
        rights.require(resources.CLUSTER, "update")
    with pytest.raises(PermissionError):
        rights.require(resources.CLUSTER, "delete")


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says which file was looked for."""
    missing = str(tmp_path / "none")
    with pytest.raises(SpecError, match="none"):
        await client.load_configuration(missing)


async def test_a_kubeconfig_is_loaded(tmp_path: Path) -> None:
    """Address and token come from the file."""
    path = tmp_path / "config"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
                "users": [{"name": "c", "user": {"token": "secret"}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            }
        )
    )
    assert "http://127.0.0.1:1" == (await client.load_configuration(str(path))).host


async def test_outside_of_a_pod_there_is_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kubeconfig and outside of a pod the error says so."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(SpecError, match="service account"):
        await client.load_configuration(None)


def answering(text: str, status: int) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler that always answers the same."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=text, status=status)

    return answer


class serving:  # noqa: N801 -- used as a function, in `async with`
    """An adapter on an application of the test's own."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> Kube:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._kube = Kube(reach.configured(host), timeout=2.0)
        return self._kube

    async def __aexit__(self, *_: object) -> None:
        await self._kube.close()
        await self._runner.cleanup()
