"""What volumes there are, where, and how full.

The work is done by an agent on each node (``kube/volumes``): here we only look.
"""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from tests.e2e.devcluster import nodes
from tests.e2e.devcluster.addons import PROVISIONER
from tests.e2e.devcluster.api import Api
from tests.e2e.devcluster.layout import NodeLayout


@dataclasses.dataclass(frozen=True)
class Volume:
    """One provisioned volume; ``capacity`` as Kubernetes writes it, bytes as the file system counts them."""

    name: str
    claim: str
    node: str
    capacity: str
    path: pathlib.Path
    used_bytes: int | None


def listing(api: Api, layouts: Sequence[NodeLayout]) -> list[Volume]:
    """The volumes of our storage class, sorted by claim."""
    by_name = {layout.name: layout for layout in layouts}
    found = []
    for item in api.get("/api/v1/persistentvolumes")["items"]:
        metadata, spec = item["metadata"], item["spec"]
        if metadata.get("annotations", {}).get("pv.kubernetes.io/provisioned-by") != PROVISIONER:
            continue
        node = metadata["labels"]["devcluster.covet.dev/node"]
        path = pathlib.Path(spec["local"]["path"])
        used = _used(by_name[node], path) if node in by_name else None
        claim = f"{spec['claimRef']['namespace']}/{spec['claimRef']['name']}"
        found.append(Volume(metadata["name"], claim, node, spec["capacity"]["storage"], path, used))
    return sorted(found, key=lambda volume: volume.claim)


def _used(node: NodeLayout, path: pathlib.Path) -> int | None:
    """Used bytes, looked up through the node's own mounts."""
    pid = nodes.first_process(node)
    if pid is None:
        return None
    try:
        numbers = os.statvfs(f"/proc/{pid}/root{path}")
    except FileNotFoundError:
        return None
    return (numbers.f_blocks - numbers.f_bfree) * numbers.f_frsize
