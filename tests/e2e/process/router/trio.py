"""Three plain servers as the shards of a cluster, with a map, and routers in front of them."""

import pathlib
from typing import Final

import covet_hasher

from tests.e2e.process.authority import Authority
from tests.e2e.process.router.front import DATABASE, USER, Front, Server

NAMES: Final = ("s0", "s1", "s2")
UID: Final = "uid"
"""Of the cluster, as `Front` says it."""


class Trio:
    """Three shards; user `app` has the same verifier on all of them.

    Args:
        program: the router.
        folder: for the files of servers and routers.
        authority: issues all certificates.
    """

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, authority: Authority) -> None:
        self.servers: dict[str, Server] = {}
        self.ring = covet_hasher.Map.initial(UID, shards=[(name, 1) for name in NAMES])
        self._program, self._folder, self._authority = program, folder, authority
        for name in NAMES:
            (folder / name).mkdir()
            (folder / name).chmod(0o755)
            self.servers[name] = Server(folder / name, authority)

    def start(self) -> None:
        """Start the servers."""
        for server in self.servers.values():
            server.start()
            server.psql(f"ALTER ROLE {USER} PASSWORD '{self.servers['s0'].verifier}'")

    def stop(self) -> None:
        """Stop the servers."""
        for server in self.servers.values():
            server.stop()

    def everywhere(self, sql: str) -> None:
        """Run a statement as the superuser in the application's database of every shard, past the routers."""
        for server in self.servers.values():
            server.psql(sql, DATABASE)

    def clear(self) -> None:
        """Drop whatever tests have made."""
        self.everywhere("DROP SCHEMA IF EXISTS sales CASCADE; DROP SCHEMA public CASCADE")
        self.everywhere(f"CREATE SCHEMA public AUTHORIZATION {USER}")

    def front(self, folder: pathlib.Path, **changes: object) -> Front:
        """Return a router before all shards, not started yet; `changes` are sections of its configuration."""
        (folder / "map.json").write_text(self.ring.to_json())
        shards = [
            {"name": name, "instances": [{"name": f"{name}-a", "address": "127.0.0.1", "port": server.port}]}
            for name, server in self.servers.items()
        ]
        settings = {"shards": shards, "map": str(folder / "map.json"), "sharding": {"key": "tenant_id"}}
        return Front(self._program, folder, self._authority, self.servers["s0"], **(settings | changes))
