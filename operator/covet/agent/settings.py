"""What the agent is told by its environment, read once."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from covet.core import names
from covet.core.errors import SpecError

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclasses.dataclass(frozen=True)
class Settings:
    """The environment of an agent.

    Args:
        instance: name of this instance, the subject of its certificate.
        spec: the mounted ShardSpec, JSON.
        tls: folder with ca.crt, tls.crt and tls.key.
        data: the volume.
        sockets: folder of the unix socket.
        listen: address that server, agent API and voter bind.
        programs: folder of PostgreSQL's programs.
        log: `json` or `text`.
        address: IP address of the pod, empty outside of Kubernetes.
        node: node of the pod, empty where it is not told.
        api_server: URL of the Kubernetes API server, empty outside of a pod.
        metrics_port: port of the plain metrics, 0 for none.
        account: folder with the token and the `ca.crt` of the pod's ServiceAccount.
    """

    instance: str
    spec: Path
    tls: Path
    data: Path
    sockets: Path
    listen: str
    programs: Path
    log: str
    address: str = ""
    node: str = ""
    api_server: str = ""
    metrics_port: int = names.METRICS_PORT
    account: Path = ACCOUNT

    @property
    def pgdata(self) -> Path:
        """PGDATA."""
        return self.data / "pgdata"

    @property
    def conf(self) -> Path:
        """Folder of the server's configuration."""
        return self.data / "conf"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of an environment.

    Raises:
        SpecError: COVET_INSTANCE is missing, or COVET_METRICS_PORT is no port.
    """
    instance = environment.get("COVET_INSTANCE", "")
    if not instance:
        raise SpecError("InstanceMissing", "COVET_INSTANCE has to name this instance, as its certificate does.")
    return Settings(
        instance=instance,
        spec=Path(environment.get("COVET_SPEC", "/etc/covet/spec/spec.json")),
        tls=Path(environment.get("COVET_TLS", "/etc/covet/tls")),
        data=Path(environment.get("COVET_DATA", "/var/lib/covet")),
        sockets=Path(environment.get("COVET_RUN", "/run/covet")),
        listen=environment.get("COVET_LISTEN", "") or _everywhere(environment.get("COVET_POD_ADDRESS", "")),
        programs=Path(environment.get("COVET_PG_BIN", "/usr/lib/postgresql/15/bin")),
        log=environment.get("COVET_LOG", "json"),
        address=environment.get("COVET_POD_ADDRESS", ""),
        node=environment.get("COVET_NODE", ""),
        api_server=_api_server(environment),
        metrics_port=_port(environment.get("COVET_METRICS_PORT", "")),
        account=Path(environment.get("COVET_ACCOUNT", ACCOUNT)),
    )


def _everywhere(own: str) -> str:
    """Return the address that stands for all of a pod's own, by the family of the one that Kubernetes gave it."""
    return "::" if ":" in own else "0.0.0.0"  # noqa: S104  a pod's own network namespace


def _port(text: str) -> int:
    """Return the port of the metrics, 0 for none."""
    if not text:
        return names.METRICS_PORT
    if not text.isdecimal() or int(text) > 65535:
        raise SpecError("SettingInvalid", f"COVET_METRICS_PORT holds {text!r}: write a port, or 0 for none.")
    return int(text)


def _api_server(environment: Mapping[str, str]) -> str:
    """Return the URL of the API server as Kubernetes tells it to every container, empty without one."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return ""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
