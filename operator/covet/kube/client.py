"""The one door to the API server: plain JSON in and out, every call with a timeout.

`kubernetes.aio` is used for what is hard (configurations, credentials, TLS, connections); its
typed models are not, because manifests here are plain dicts and server-side apply sends exactly
the fields that we own. Library errors become `covet.core.errors` here and nowhere else.
"""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import aiohttp
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import api_client, configuration, exceptions

from covet.core import names
from covet.core.errors import ConflictError, CovetError, RefusedError, SpecError, UnreachableError
from covet.kube import resources, rights
from covet.kube.resources import Manifest, Resource

TIMEOUT: Final = 10.0
"""Seconds that one call may take."""
_PAGE: Final = 500
"""Objects per answer of a list."""

WriteCounter = Callable[[str, str], None]
"""Called with verb and resource for every write that is sent."""


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who calls: what the API server's logs and `managedFields` say, and which calls are refused unsent.

    Args:
        agent: the User-Agent.
        manager: field manager of what is written.
        require: raises PermissionError for a call outside the table of rights.
    """

    agent: str
    manager: str
    require: rights.Requirement


OPERATOR: Final = Caller("covet-operator", names.FIELD_MANAGER, rights.require)


async def load_configuration(kubeconfig: str | None) -> configuration.Configuration:
    """Return how to reach the API server: from a file, else from inside a pod.

    Raises:
        SpecError: neither is there, or the file cannot be read.
    """
    loaded = configuration.Configuration()
    loaded.client_session_kwargs = {"trust_env": False}
    try:
        if kubeconfig is None:
            kube_config.load_incluster_config(  # type: ignore[no-untyped-call]  # the library annotates nothing here
                client_configuration=loaded
            )
        else:
            await kube_config.load_kube_config(  # type: ignore[no-untyped-call]  # the library annotates nothing here
                config_file=kubeconfig, client_configuration=loaded, persist_config=False
            )
    except (kube_config.ConfigException, OSError) as error:
        where = kubeconfig or "the pod's service account"
        raise SpecError("KubeconfigInvalid", f"Cannot load the cluster's address from {where}: {error}") from error
    return loaded


class Kube:
    """Calls to the API server.

    Args:
        loaded: address and credentials.
        count: told of every write.
        timeout: seconds that one call may take.
        caller: in whose name.
    """

    def __init__(
        self,
        loaded: configuration.Configuration,
        count: WriteCounter = lambda _verb, _resource: None,
        timeout: float = TIMEOUT,
        caller: Caller = OPERATOR,
    ) -> None:
        self._api = api_client.ApiClient(loaded)
        self._api.user_agent = caller.agent
        self._require = caller.require
        self._fields = {"fieldManager": caller.manager}
        self._count = count
        self._timeout = timeout
        self._may_act: Callable[[], bool] = lambda: True

    def guard(self, may_act: Callable[[], bool]) -> None:
        """Ask before every write whether this process may still act; the Lease itself is exempt."""
        self._may_act = may_act

    def require_leave(self) -> None:
        """Check that this process may still act.

        Raises:
            UnreachableError: it no longer holds the Lease; another one may be at work.
        """
        if not self._may_act():
            raise UnreachableError(
                "LeaseLost", "This process no longer holds the Lease: nothing is written or ordered."
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]  # the library annotates nothing here

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Manifest | None:
        """Return an object as it is now, or None if there is none."""
        self._require(resource, "get")
        try:
            return await self._call("GET", resource.path(namespace, name))
        except _MissingError:
            return None

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: str | None = None,
    ) -> list[Manifest]:
        """Return all objects of a kind that carry these labels, page by page."""
        self._require(resource, "list")
        query: dict[str, str] = {"limit": str(_PAGE)}
        if labels:
            query["labelSelector"] = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        if fields:
            query["fieldSelector"] = fields
        found: list[Manifest] = []
        while True:
            page = await self._call("GET", resource.path(namespace), query=query)
            # Items of a list leave out what stands once above them.
            above = {"apiVersion": resource.api_version, "kind": resource.kind}
            found.extend({**item, **above} for item in page.get("items") or [])
            query["continue"] = page.get("metadata", {}).get("continue", "")
            if not query["continue"]:
                return found

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object that must not exist.

        Raises:
            ConflictError: it exists.
        """
        resource, namespace, _ = _address(manifest)
        self._require(resource, "create")
        return await self._write("create", "POST", resource, resource.path(namespace), manifest, self._fields)

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace an object, if nobody else did since `metadata.resourceVersion` was read.

        Raises:
            ConflictError: somebody did, or the object is gone.
            ValueError: the manifest carries no resourceVersion.
        """
        resource, namespace, name = _address(manifest)
        if not manifest["metadata"].get("resourceVersion"):
            raise ValueError("compare-and-set needs metadata.resourceVersion")
        self._require(resource, "update")
        try:
            return await self._write("update", "PUT", resource, resource.path(namespace, name), manifest, self._fields)
        except _MissingError as error:
            raise ConflictError("ObjectGone", f"{resource.kind} {name} is gone: looking again.") from error

    async def apply(self, manifest: Manifest) -> Manifest:
        """Apply the fields of a manifest (server-side apply, forced: they are ours).

        Raises:
            ConflictError: `metadata.resourceVersion` is given and is not the newest, or the object is gone.
        """
        resource, namespace, name = _address(manifest)
        self._require(resource, "patch")
        self._require(resource, "create")
        query = {**self._fields, "force": "true"}
        path = resource.path(namespace, name)
        try:
            return await self._write("patch", "PATCH", resource, path, manifest, query, _APPLY_PATCH)
        except _MissingError as error:
            raise ConflictError("ObjectGone", f"{resource.kind} {name} is gone: looking again.") from error

    async def merge(
        self, resource: Resource, namespace: str, name: str, patch: Manifest, subresource: str | None = None
    ) -> Manifest:
        """Merge a patch into an object.

        Args:
            resource: kind of the object.
            namespace: where it is.
            name: its name.
            patch: a JSON merge patch; null removes a field.
            subresource: `status` to change the status of an object.

        Raises:
            ConflictError: the object is gone, or the patch names a uid or version that is not its own.
        """
        self._require(resource, "patch", subresource)
        path = resource.path(namespace, name, subresource)
        try:
            return await self._write("patch", "PATCH", resource, path, patch, self._fields, _MERGE_PATCH)
        except _MissingError as error:
            raise ConflictError("ObjectGone", f"{resource.kind} {name} is gone: looking again.") from error

    async def delete(self, manifest: Manifest) -> None:
        """Delete an object as it was read, and no other one of its name; one that is gone is no error.

        Raises:
            ConflictError: another object has its name by now.
        """
        resource, namespace, name = _address(manifest)
        self._require(resource, "delete")
        body: Manifest = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
            "preconditions": {"uid": manifest["metadata"]["uid"]},
        }
        with contextlib.suppress(_MissingError):
            await self._write("delete", "DELETE", resource, resource.path(namespace, name), body, {})

    async def evict(self, pod: Manifest) -> None:
        """Delete a pod as a drain does: its disruption budget may say no. One that is gone is no error.

        Raises:
            ConflictError: the budget allows no disruption now, or another pod has its name.
        """
        resource, namespace, name = _address(pod)
        self._require(resource, "create", "eviction")
        body: Manifest = {
            "kind": "Eviction",
            "apiVersion": "policy/v1",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": pod["metadata"]["uid"]}},
        }
        with contextlib.suppress(_MissingError):
            await self._write("create", "POST", resource, resource.path(namespace, name, "eviction"), body, {})

    @contextlib.asynccontextmanager
    async def stream(
        self, resource: Resource, namespace: str, query: Mapping[str, str], silence: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a watch on a collection; its body is one JSON object a line, see `covet.kube.watch`.

        Args:
            resource: kind of the objects.
            namespace: where they are.
            query: selectors and the version to go on from.
            silence: seconds without a byte after which the stream counts as dead.
        """
        self._require(resource, "watch")
        path = resource.path(namespace)
        limit = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=silence)
        asked = {**query, "watch": "true"}
        answer = None
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._send("GET", path, asked, None, {"Accept": "application/json"}, limit)
                if answer.status != 200:
                    raise _refusal("GET", path, answer.status, await answer.read())
            yield answer
        except (TimeoutError, aiohttp.ClientError, OSError, exceptions.ApiException) as error:
            what = str(error) or type(error).__name__
            raise UnreachableError("ApiServerUnreachable", f"The watch of {path} ended: {what}.") from error
        finally:
            if answer is not None:
                answer.close()

    async def _write(  # noqa: PLR0917 -- the parts of one HTTP request, passed through
        self,
        verb: str,
        method: str,
        resource: Resource,
        path: str,
        body: Manifest,
        query: Mapping[str, str],
        content_type: str = "application/json",
    ) -> Manifest:
        if resource != resources.LEASE:
            self.require_leave()
        self._count(verb, resource.plural)
        return await self._call(method, path, query=query, body=body, content_type=content_type)

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str | None = None,
    ) -> Manifest:
        headers = {"Accept": "application/json"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        try:
            async with asyncio.timeout(self._timeout):
                limit = aiohttp.ClientTimeout(total=self._timeout)
                answer = await self._send(method, path, query or {}, body, headers, limit)
                text = await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError, exceptions.ApiException) as error:
            what = str(error) or type(error).__name__
            raise UnreachableError("ApiServerUnreachable", f"{method} {path} got no answer: {what}.") from error
        if 200 <= answer.status < 300:
            return _decoded(text)
        raise _refusal(method, path, answer.status, text)

    async def _send(  # noqa: PLR0917 -- the parts of one HTTP request, passed through
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Manifest | None,
        headers: dict[str, str],
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        _, url, headers, content, form = await self._api.param_serialize(
            method,
            path,
            query_params=[item for item in query.items() if item[1]],
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = await self._api.call_api(method, url, headers, content, form, _request_timeout=limit)
        response: aiohttp.ClientResponse = answer.response
        return response


class _MissingError(CovetError):
    """The object is not there."""


_APPLY_PATCH: Final = "application/apply-patch+yaml"
_MERGE_PATCH: Final = "application/merge-patch+json"


def _address(manifest: Manifest) -> tuple[Resource, str | None, str]:
    metadata = manifest["metadata"]
    return resources.of(manifest), metadata.get("namespace"), metadata["name"]


def _decoded(text: bytes) -> Manifest:
    decoded: Any = json.loads(text)
    if not isinstance(decoded, dict):
        raise UnreachableError("ApiServerUnreachable", "The API server answered something that is no object.")
    return decoded


def _refusal(method: str, path: str, status: int, text: bytes) -> CovetError:
    """Translate an error answer, most specific first."""
    try:
        answer = _decoded(text)
    except (ValueError, UnreachableError):
        answer = {}
    message = str(answer.get("message") or text[:200].decode(errors="replace"))
    reason = str(answer.get("reason") or "")
    sentence = f"{method} {path}: {message}"
    if status == 404:
        return _MissingError("NotFound", sentence)
    if status == 409:
        return ConflictError(reason or "Conflict", sentence)
    if status == 429 and "disruption budget" in message:
        return ConflictError("DisruptionRefused", sentence)
    if status == 429 or status >= 500:
        return UnreachableError("ApiServerUnreachable", f"{sentence} (HTTP {status})")
    if status in {401, 403}:
        return _forbidden(sentence, message)
    return RefusedError(reason or "Rejected", sentence)


def _forbidden(sentence: str, message: str) -> RefusedError:
    """Tell apart what Kubernetes answers with 403; only the words of the message differ."""
    if "exceeded quota" in message:
        return RefusedError("QuotaExceeded", f"{message}. Raise the quota of the namespace, or ask for less.")
    if "being terminated" in message:
        return RefusedError("NamespaceTerminating", sentence)
    return RefusedError("Forbidden", f"{sentence}. The operator's role lacks this right.")
