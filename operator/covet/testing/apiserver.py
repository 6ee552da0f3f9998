"""An API server in this process: enough of Kubernetes for the operator, over real HTTP.

It keeps resource versions, generations, uids, server-side apply with ownership of fields, merge
patches, compare-and-set, the status subresource, label and field selectors, watches, and deletion
through owner references. It is strict where the real one is: what it does not know is a 404 or a
400, never a silent success, and `strictness` says what else is refused or dropped.
"""

import asyncio
import contextlib
import dataclasses
import json
import uuid
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from covet.core import clock, names
from covet.kube import resources
from covet.kube.resources import Manifest, Resource
from covet.testing import merging, requests, strictness
from covet.testing.requests import Refusal
from covet.testing.trouble import Trouble

Key = tuple[Resource, str, str]
"""Resource, namespace, name."""

_SUBRESOURCES: Final = {resources.CLUSTER: ("status",)}
NO_TROUBLE: Final = Trouble()


@dataclasses.dataclass(frozen=True)
class Write:
    """One write that arrived, in the order of arrival."""

    verb: str
    resource: str
    name: str
    subresource: str = ""


class ApiServer:
    """The server and what it stores.

    `denied` holds pairs of verb and plural that the caller's role lacks: they are answered with 403. `missing`
    holds plurals whose definition is not installed.
    `refuse` may be set to a function of (verb, resource, manifest) that raises `Refusal`, to play a
    quota or an admission plugin.
    """

    def __init__(self) -> None:
        self.objects: dict[Key, Manifest] = {}
        self.writes: list[Write] = []
        self.refuse: Callable[[str, Resource, Manifest], None] = lambda _verb, _resource, _manifest: None
        self.denied: set[tuple[str, str]] = set()
        self.missing: set[str] = set()
        self.silent = False
        """True: watches say nothing any more, without ending."""
        self.trouble = NO_TROUBLE
        """What happens to calls."""
        self._applied: dict[tuple[Key, str], Manifest] = {}
        self._version = 100
        self._watchers: list[tuple[Resource, asyncio.Queue[Manifest]]] = []
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, port: int = 0) -> str:
        """Listen on loopback, on any port or on one that is given; return the URL."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        """Stop listening; what is stored stays."""
        if self._runner is not None:
            await self._runner.cleanup()

    # What tests do beside the API

    def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return a stored object itself, None if there is none."""
        return self.objects.get((resource, namespace, name))

    def put(self, manifest: Manifest) -> Manifest:
        """Store an object as if a user or another controller had written it."""
        resource = resources.of(manifest)
        metadata = manifest["metadata"]
        key = (resource, metadata.get("namespace", ""), metadata["name"])
        old = self.objects.get(key)
        return self._store(key, old, merging.copied(manifest))

    def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object and, as the garbage collector does, what it owns."""
        gone = self.objects.pop((resource, namespace, name), None)
        if gone is None:
            return
        self._tell("DELETED", resource, gone)
        uid = gone["metadata"]["uid"]
        for key, item in list(self.objects.items()):
            if any(owner["uid"] == uid for owner in item["metadata"].get("ownerReferences") or []):
                self.delete(*key)

    def drop_watches(self) -> None:
        """End every watch, as a restart of the API server does."""
        for _, queue in self._watchers:
            queue.put_nowait({})

    # HTTP

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            discovered = requests.discovery(request.path)
            if discovered is not None:
                return web.json_response(discovered)
            resource, namespace, name, subresource = requests.parse(request.path)
            trouble = self.trouble
            await trouble.before(request.method)
            self._permit(request, resource, namespace, name)
            if request.method == "GET" and "watch" in request.query:
                return await self._watch(request, resource, namespace)
            body: Manifest = json.loads(await request.read()) if request.can_read_body else {}
            answer = self._dispatch(request, resource, (namespace, name, subresource), body)
            trouble.after(request.method)
            return web.json_response(answer, status=201 if request.method == "POST" else 200)
        except Refusal as refusal:
            status = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "code": refusal.status,
                "reason": refusal.reason,
                "message": refusal.message,
            }
            return web.json_response(status, status=refusal.status)

    def _permit(self, request: web.Request, resource: Resource, namespace: str, name: str) -> None:
        if resource.plural in self.missing:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        reading = "watch" if "watch" in request.query else "get" if name else "list"
        verb = {"GET": reading, "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(
            request.method, ""
        )
        if (verb, resource.plural) not in self.denied:
            return
        subject = f"{resource.plural}.{resource.group} {name!r}".replace("'", '"') if name else resource.plural
        message = (
            f'{subject} is forbidden: User "jane" cannot {verb} resource "{resource.plural}" in API group'
            f' "{resource.group}" in the namespace "{namespace}"'
        )
        raise Refusal(403, "Forbidden", message)

    def _dispatch(
        self, request: web.Request, resource: Resource, address: tuple[str, str, str], body: Manifest
    ) -> Manifest:
        namespace, name, subresource = address
        key = (resource, namespace, name)
        if request.method == "GET":
            return self._read(key) if name else self._list(request, resource, namespace)
        if request.method == "POST" and subresource == "eviction":
            return self._evict(key, body)
        if request.method == "POST":
            return self._create(resource, namespace, body)
        if request.method == "PUT":
            return self._replace(key, body)
        if request.method == "PATCH":
            return self._patch(request, key, subresource, body)
        if request.method == "DELETE":
            return self._delete(key, body)
        raise Refusal(405, "MethodNotAllowed", request.method)

    def _read(self, key: Key) -> Manifest:
        found = self.objects.get(key)
        if found is None:
            raise Refusal(404, "NotFound", f"{key[0].plural} {key[2]!r} not found")
        return found

    def _list(self, request: web.Request, resource: Resource, namespace: str) -> Manifest:
        items = [
            item
            for (kind, place, _), item in self.objects.items()
            # Of thousands of objects few are in the namespace: what is cheap to tell comes first.
            if (not namespace or place == namespace) and kind == resource and requests.is_selected(item, request.query)
        ]
        # The real server leaves kind and version out of the items.
        bare = [{key: value for key, value in item.items() if key not in {"kind", "apiVersion"}} for item in items]
        return {
            "apiVersion": resource.api_version,
            "kind": f"{resource.kind}List",
            "metadata": {"resourceVersion": str(self._version)},
            "items": bare,
        }

    def _create(self, resource: Resource, namespace: str, body: Manifest) -> Manifest:
        name = body["metadata"]["name"]
        key = (resource, namespace, name)
        self.writes.append(Write("create", resource.plural, name))
        self.refuse("create", resource, body)
        if key in self.objects:
            raise Refusal(409, "AlreadyExists", f"{resource.plural} {name!r} already exists")
        return self._store(key, None, body)

    def _replace(self, key: Key, body: Manifest) -> Manifest:
        self.writes.append(Write("update", key[0].plural, key[2]))
        found = self._read(key)
        if body["metadata"].get("resourceVersion") not in {None, found["metadata"]["resourceVersion"]}:
            raise Refusal(409, "Conflict", f"{key[0].plural} {key[2]!r}: the object has been modified")
        return self._store(key, found, body)

    def _patch(self, request: web.Request, key: Key, subresource: str, body: Manifest) -> Manifest:
        resource, _, name = key
        self.writes.append(Write("patch", resource.plural, name, subresource))
        found = self.objects.get(key)
        if request.content_type == "application/merge-patch+json":
            return self._merge(key, subresource, body)
        if request.content_type != "application/apply-patch+yaml" or subresource:
            raise Refusal(415, "UnsupportedMediaType", request.content_type)
        if found is None:
            self.refuse("create", resource, body)
        return self._apply(key, found, body, request.query["fieldManager"])

    def _delete(self, key: Key, body: Manifest) -> Manifest:
        self.writes.append(Write("delete", key[0].plural, key[2]))
        found = self._read(key)
        if (body.get("preconditions") or {}).get("uid") not in {None, found["metadata"]["uid"]}:
            raise Refusal(409, "Conflict", f"{key[0].plural} {key[2]!r} has another uid")
        self.delete(*key)
        return {"kind": "Status", "status": "Success"}

    def _evict(self, key: Key, body: Manifest) -> Manifest:
        """Delete a pod through its budget, which allows one of those that it selects to be away or not ready."""
        self.writes.append(Write("create", key[0].plural, key[2], "eviction"))
        found = self._read(key)
        self.refuse("evict", key[0], found)
        if body["deleteOptions"]["preconditions"]["uid"] != found["metadata"]["uid"]:
            raise Refusal(409, "Conflict", f"{key[0].plural} {key[2]!r} has another uid")
        shard = {name: found["metadata"]["labels"].get(name) for name in (names.LABEL_CLUSTER, names.LABEL_SHARD)}
        if self._away(key[1], shard) and _is_ready(found):
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            raise Refusal(429, "TooManyRequests", message)
        self.delete(*key)
        return {"kind": "Status", "status": "Success"}

    def _away(self, namespace: str, shard: dict[str, Any]) -> int:
        """Return how many of a shard's pods are missing or not ready."""
        kinds: dict[Resource, list[Manifest]] = {resources.STATEFUL_SET: [], resources.POD: []}
        for (resource, place, _), item in self.objects.items():
            labels = item["metadata"].get("labels") or {}
            if resource in kinds and place == namespace and shard.items() <= labels.items():
                kinds[resource].append(item)
        return len(kinds[resources.STATEFUL_SET]) - sum(_is_ready(pod) for pod in kinds[resources.POD])

    def _merge(self, key: Key, subresource: str, body: Manifest) -> Manifest:
        found = self._read(key)
        if subresource and subresource not in _SUBRESOURCES.get(key[0], ()):
            raise Refusal(404, "NotFound", f"{key[0].plural} has no {subresource}")
        named = body.get("metadata") or {}
        for field in ("uid", "resourceVersion"):
            if named.get(field) not in {None, found["metadata"][field]}:
                raise Refusal(409, "Conflict", f"{key[0].plural} {key[2]!r} has another {field}")
        patch = {subresource: body.get(subresource)} if subresource else body
        return self._store(key, found, merging.merge(merging.copied(found), patch))

    def _apply(self, key: Key, found: Manifest | None, body: Manifest, manager: str) -> Manifest:
        """Take the fields of a manifest over, and drop those that the manager applied before and does not now."""
        named = body["metadata"].pop("resourceVersion", None)
        if named is not None and (found is None or named != found["metadata"]["resourceVersion"]):
            raise Refusal(409, "Conflict", f"{key[0].plural} {key[2]!r} has another resourceVersion")
        applied = merging.copied(body)
        current = merging.copied(found) if found is not None else {}
        before = self._applied.get((key, manager), {})
        current = merging.drop(current, before, body)
        stored = self._store(key, found, merging.overlay(current, body))
        self._applied[key, manager] = applied
        return stored

    def _store(self, key: Key, old: Manifest | None, new: Manifest) -> Manifest:
        resource, namespace, _ = key
        metadata = new.setdefault("metadata", {})
        new["apiVersion"], new["kind"] = resource.api_version, resource.kind
        kept: Manifest = old["metadata"] if old is not None else {}
        if namespace:
            metadata["namespace"] = namespace
        metadata["uid"] = kept.get("uid") or str(uuid.uuid4())
        metadata["creationTimestamp"] = kept.get("creationTimestamp") or clock.rfc3339(clock.Clock().wall())
        metadata["generation"] = kept.get("generation", 1)
        metadata["resourceVersion"] = kept.get("resourceVersion", "")
        strictness.complete(resource, new)
        complaint = strictness.complaint(resource, old, new)
        if complaint is not None:
            raise Refusal(422, "Invalid", f"{resource.kind} {key[2]!r} is invalid: {complaint}")
        if old is not None and old.get("spec") != new.get("spec"):
            metadata["generation"] += 1
        if old == new:
            return old
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        self.objects[key] = new
        self._tell("ADDED" if old is None else "MODIFIED", resource, new)
        return new

    # Watches

    def _tell(self, kind: str, resource: Resource, item: Manifest) -> None:
        if self.silent:
            return
        for watched, queue in self._watchers:
            if watched == resource:
                queue.put_nowait({"type": kind, "object": merging.copied(item)})

    async def _watch(self, request: web.Request, resource: Resource, namespace: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue: asyncio.Queue[Manifest] = asyncio.Queue()
        entry = (resource, queue)
        self._watchers.append(entry)
        # Between the list and this watch something may have happened: what is newer is told again.
        since = int(request.query.get("resourceVersion") or 0)
        for (kind, _, _), item in list(self.objects.items()):
            if kind == resource and int(item["metadata"]["resourceVersion"]) > since:
                queue.put_nowait({"type": "MODIFIED", "object": merging.copied(item)})
        try:
            # Whoever watches may hang up at any moment.
            with contextlib.suppress(ConnectionResetError):
                while event := await queue.get():
                    item = event["object"]
                    place = item["metadata"].get("namespace", "")
                    chosen = requests.is_selected(item, request.query)
                    if chosen and (not namespace or place == namespace):
                        await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._watchers.remove(entry)
        return response


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
