"""What the agent is told by its environment, read once."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from covet.core.errors import SpecError


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
    """

    instance: str
    spec: Path
    tls: Path
    data: Path
    sockets: Path
    listen: str
    programs: Path
    log: str

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
        SpecError: COVET_INSTANCE is missing.
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
        listen=environment.get("COVET_LISTEN", "0.0.0.0"),  # noqa: S104  a pod's own network namespace
        programs=Path(environment.get("COVET_PG_BIN", "/usr/lib/postgresql/15/bin")),
        log=environment.get("COVET_LOG", "json"),
    )
