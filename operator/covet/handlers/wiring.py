"""kopf, reduced to what it is here for: watches that ring bells.

Only `on.event` is used. It keeps no state in annotations, adds no finalizer, and its events
carry no decision: a handler that dies half-way or sees an old body has at worst rung a bell.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import kopf

from covet.core import names
from covet.handlers.watching import WatchMeter
from covet.kube import resources
from covet.kube.resources import Resource

CHILDREN: Final = (resources.STATEFUL_SET, resources.POD, resources.ENDPOINT_SLICE)
"""Labelled objects whose changes ring the bell of their cluster; a new primary writes the slice of `-rw`."""
WATCHED: Final = (resources.CLUSTER, *CHILDREN)
RETRY_AFTER: Final = (1, 1, 2, 3, *(5,) * 60)
"""Seconds between attempts of a watch that the API server refuses; never long, so that its end is noticed soon."""
LOGIN_EVERY: Final = dt.timedelta(minutes=10)
"""Tokens of a pod are renewed on disk; a login that is this old is made again."""


class Ring(Protocol):
    """Asks for a round of one cluster."""

    def __call__(self, namespace: str, name: str, *, found: bool = False) -> None:
        """Ring the bell of a cluster; `found` starts its task."""


def settings() -> kopf.OperatorSettings:
    """Return how kopf should run: no Events of its own, no peering, no scanning."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    chosen.scanning.disabled = True
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 330
    chosen.watching.connect_timeout = 10
    chosen.networking.request_timeout = 30
    chosen.networking.error_backoffs = RETRY_AFTER
    for child in CHILDREN:
        chosen.watching.label_selectors[child.group, child.version, child.plural] = names.LABEL_CLUSTER
    return chosen


def register(ring: Ring, meter: WatchMeter, login: Callable[[], kopf.ConnectionInfo]) -> kopf.OperatorRegistry:
    """Return the handlers: a login, and a bell for every event."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in(**_: object) -> kopf.ConnectionInfo:
        return login()

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def cluster_changed(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002 -- kopf's name
        metadata = body["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        meter.delivered(resources.CLUSTER, (namespace, name), _version(metadata), cluster=name, gone=type == "DELETED")
        ring(namespace, name, found=type != "DELETED")

    for child in CHILDREN:
        _register_child(registry, child, ring, meter)
    return registry


def _register_child(registry: kopf.OperatorRegistry, child: Resource, ring: Ring, meter: WatchMeter) -> None:
    @kopf.on.event(child.group, child.version, child.plural, id=f"{child.plural}_changed", registry=registry)
    async def child_changed(type: str | None, body: kopf.Body, **_: object) -> None:  # noqa: A002 -- kopf's name
        metadata = body["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        cluster = str((metadata.get("labels") or {}).get(names.LABEL_CLUSTER) or "")
        meter.delivered(child, (namespace, name), _version(metadata), cluster=cluster, gone=type == "DELETED")
        if cluster:
            ring(namespace, cluster)


def _version(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("resourceVersion", ""))


def connection(host: str, loaded: Any, token_file: Path | None) -> kopf.ConnectionInfo:  # noqa: ANN401 -- untyped library
    """Return how kopf reaches the API server: the same way as our own adapter.

    Args:
        host: URL of the API server.
        loaded: the configuration of `kubernetes.aio`.
        token_file: where a pod finds its token, None outside of one.
    """
    token = token_file.read_text().strip() if token_file is not None else _token(loaded)
    return kopf.ConnectionInfo(
        server=host,
        ca_path=loaded.ssl_ca_cert,
        insecure=not loaded.verify_ssl,
        certificate_path=loaded.cert_file,
        private_key_path=loaded.key_file,
        scheme="Bearer" if token else None,
        token=token,
        expiration=dt.datetime.now(dt.UTC) + LOGIN_EVERY,
    )


def _token(loaded: Any) -> str | None:  # noqa: ANN401 -- untyped library
    value = loaded.api_key.get("BearerToken")
    return value.split(" ", 1)[-1] if value else None
