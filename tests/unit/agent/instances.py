"""An agent's state without its processes: real files, real certificates, nothing running."""

from pathlib import Path
from typing import TypeVar, overload

from covet.agent.children import Children
from covet.agent.instance import Instance
from covet.agent.settings import Settings
from covet.core.agentapi import Durability, Peer, ShardSpec
from covet.core.clock import Clock
from tests.e2e.process.authority import Authority

SPEC = ShardSpec(
    generation=3,
    cluster="shop",
    cluster_uid="c",
    namespace="ns",
    shard="s0",
    shard_uid="s",
    engine_version="15",
    bootstrapped_by="shop-s0-a",
    opened=False,
    durability=Durability.QUORUM,
    peers=(Peer("shop-s0-a", "127.0.1.1", 7443, 7444, 5432), Peer("shop-s0-b", "127.0.1.2", 7443, 7444, 5432)),
)


Kind = TypeVar("Kind", bound=Instance)


@overload
def make(folder: Path) -> Instance: ...
@overload
def make(folder: Path, kind: type[Kind]) -> Kind: ...
def make(folder: Path, kind: type[Instance] = Instance) -> Instance:
    """Return instance shop-s0-a over an empty volume below a folder; to be called in a running loop."""
    Authority().issue(folder / "tls", "shop-s0-a")
    (folder / "data").mkdir()
    settings = Settings(
        instance="shop-s0-a",
        spec=folder / "spec.json",
        tls=folder / "tls",
        data=folder / "data",
        sockets=folder,
        listen="127.0.1.1",
        programs=Path("/usr/lib/postgresql/15/bin"),
        log="text",
    )
    return kind(settings, SPEC, Clock(), Children())
