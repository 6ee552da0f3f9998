"""What a request to the API server of tests asks for: its path, its selectors, and discovery."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from covet.kube import resources
from covet.kube.resources import Manifest, Resource

_BY_PATH: Final = {(resource.group, resource.version, resource.plural): resource for resource in resources.ALL}
_NAMESPACE: Final = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
"""Named in discovery, where kopf looks for it; nothing is stored under it."""


@dataclasses.dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818 -- it is an answer, not a fault
    """An error answer."""

    status: int
    reason: str
    message: str


def parse(path: str) -> tuple[Resource, str, str, str]:
    """Take a path apart: resource, namespace, name, subresource; empty where it has none."""
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    else:
        group, version, rest = parts[1], parts[2], parts[3:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = _BY_PATH.get((group, version, rest[0]))
    if resource is None:
        raise Refusal(404, "NotFound", f"the server could not find the requested resource {path}")
    return resource, namespace, rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else ""


def discovery(path: str) -> Manifest | None:
    """Answer which groups and resources there are, None for any other path."""
    parts = path.strip("/").split("/")
    groups = sorted({resource.group for resource in resources.ALL if resource.group})
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ["apis"]:
        return {"kind": "APIGroupList", "groups": [_group(name) for name in groups]}
    if parts[0] == "apis" and len(parts) == 2:
        return _group(parts[1])
    if (parts[0], len(parts)) in {("api", 2), ("apis", 3)}:
        group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
        return {
            "kind": "APIResourceList",
            "groupVersion": f"{group}/{version}".strip("/"),
            "resources": [
                {
                    "name": resource.plural,
                    "singularName": resource.kind.lower(),
                    "kind": resource.kind,
                    "namespaced": resource.namespaced,
                    "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
                }
                for resource in (*resources.ALL, _NAMESPACE)
                if (resource.group, resource.version) == (group, version)
            ],
        }
    return None


def _group(name: str) -> dict[str, Any]:
    version = next(resource.version for resource in resources.ALL if resource.group == name)
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"kind": "APIGroup", "name": name, "versions": [entry], "preferredVersion": entry}


def is_selected(item: Manifest, query: Mapping[str, str]) -> bool:
    """Return whether an object fits the selectors of a query: `key`, `key=value`, and paths for fields."""
    have = item["metadata"].get("labels") or {}
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, equal, value = term.partition("=")
        if key not in have or (equal and have[key] != value):
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, value = term.partition("=")
        found: Any = item
        for part in path.split("."):
            found = (found or {}).get(part)
        if found != value:
            return False
    return True
