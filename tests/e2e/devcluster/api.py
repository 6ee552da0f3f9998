"""The few requests the devcluster itself sends to its API server.

The standard library is enough for them, so ``up`` needs neither kubectl nor a
client library, and the tests of the devcluster do not depend on what they test.
"""

import dataclasses
import functools
import http.client
import json
import pathlib
import ssl
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from tests.e2e.devcluster.certs import KeyPair
from tests.e2e.devcluster.errors import DevclusterError

Manifest = Mapping[str, Any]
_PLURALS = {"StorageClass": "storageclasses", "NetworkPolicy": "networkpolicies", "Endpoints": "endpoints"}
_CLUSTER_WIDE = {"Namespace", "Node", "PersistentVolume", "StorageClass", "ClusterRole", "ClusterRoleBinding"}


class ApiError(DevclusterError):
    """An answer of the API server that is not a success; ``status`` is the HTTP code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"API server answered {status}: {message}")
        self.status = status


@dataclasses.dataclass(frozen=True)
class Api:
    """Speaks to one API server as one user; every request has its own connection."""

    server: str
    authority: pathlib.Path
    client: KeyPair

    @functools.cached_property
    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(self.client.certificate, self.client.key)
        return context

    def request(
        self, method: str, path: str, body: object = None, *, kind: str = "application/json", timeout: float = 10
    ) -> Any:
        """Send one request; returns the decoded JSON, or the text if it is not JSON.

        Raises ApiError for an answer above 399, OSError if there is no answer in ``timeout`` seconds.
        """
        address = urllib.parse.urlsplit(self.server)
        connection = http.client.HTTPSConnection(address.netloc, context=self._context, timeout=timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": kind, "Accept": "application/json, */*"})
            response = connection.getresponse()
            content = response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if response.status > 399:
            raise ApiError(response.status, content.decode(errors="replace")[:2000])
        is_json = response.headers.get_content_type() == "application/json"
        return json.loads(content) if is_json else content.decode(errors="replace")

    def get(self, path: str) -> Any:
        """GET; see ``request``."""
        return self.request("GET", path)

    def apply(self, manifest: Manifest) -> Any:
        """Apply one object on the server's side, taking over every field it names."""
        path = f"{object_path(manifest)}?fieldManager=devcluster&force=true"
        return self.request("PATCH", path, manifest, kind="application/apply-patch+yaml")

    def delete(self, path: str, *, grace_seconds: int | None = None) -> None:
        """Delete one object or collection; one that is not there is no error."""
        query = "" if grace_seconds is None else f"?gracePeriodSeconds={grace_seconds}"
        try:
            self.request("DELETE", path + query)
        except ApiError as error:
            if error.status != 404:
                raise


def object_path(manifest: Manifest) -> str:
    """The path of the object the manifest describes."""
    version, kind, metadata = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if kind not in _CLUSTER_WIDE:
        base += f"/namespaces/{metadata.get('namespace', 'default')}"
    return f"{base}/{_PLURALS.get(kind, kind.lower() + 's')}/{metadata['name']}"


def wait_until(what: str, check: Callable[[], bool], *, seconds: float, pause: float = 0.1) -> float:
    """Call ``check`` until it is true; returns the seconds it took.

    An unreachable server or an error answer counts as "not yet". Raises
    DevclusterError that names ``what`` and the last reason when time is up.
    """
    began = time.monotonic()
    reason = "not so yet"
    while True:
        try:
            if check():
                return time.monotonic() - began
        except (OSError, ApiError) as error:
            reason = str(error)
        if time.monotonic() - began > seconds:
            raise DevclusterError(f"{what}: not within {seconds:.0f} s ({reason})")
        time.sleep(pause)
