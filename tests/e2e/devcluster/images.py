"""Container images: our own tiny one, and archives loaded into every node.

An image is loaded into all nodes at the same time, and into none that already
has it under that name with that digest. Layers a node knows are neither copied
nor unpacked again, so a rebuild on the same base loads in a second or two.
"""

import concurrent.futures
import dataclasses
import hashlib
import io
import json
import pathlib
import subprocess
import tarfile
import time
from collections.abc import Sequence
from typing import Any

from tests.e2e.devcluster import nodes
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import NodeLayout

_TYPE = "application/vnd.oci.image"
_REFERENCE = "org.opencontainers.image.ref.name"


@dataclasses.dataclass(frozen=True)
class Archive:
    """An oci-archive: its path and (name, manifest digest) of each image in it."""

    path: pathlib.Path
    images: tuple[tuple[str, str], ...]


def read_archive(path: pathlib.Path) -> Archive:
    """Read the names and digests of an oci-archive. Raises DevclusterError if it is none."""
    try:
        with tarfile.open(path, "r:") as archive:
            member = archive.extractfile("index.json")
            index = json.load(member) if member else {}
    except (OSError, KeyError, tarfile.TarError, json.JSONDecodeError) as error:
        raise DevclusterError(f"{path} is no oci-archive: {error}") from error
    names = tuple((m.get("annotations", {}).get(_REFERENCE, ""), m["digest"]) for m in index.get("manifests", []))
    if not names or not all("/" in name for name, _ in names):
        raise DevclusterError(f"{path}: push it with a full name, such as oci-archive:FILE:localhost/NAME:TAG")
    return Archive(path, names)


def load(archives: Sequence[pathlib.Path], targets: Sequence[NodeLayout]) -> list[str]:
    """Load every archive into every node; returns a line per archive and node: loaded or already there.

    Raises DevclusterError with containerd's own words if one import fails.
    """
    read = [read_archive(path) for path in archives]
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(targets))) as pool:
        return [line for lines in pool.map(lambda node: _load_into(node, read), targets) for line in lines]


def wait_ready(targets: Sequence[NodeLayout], *, seconds: float = 30) -> None:
    """Wait until every node's containerd answers. Raises DevclusterError with its last words if one does not."""
    deadline = time.monotonic() + seconds
    for node in targets:
        while True:
            try:
                present(node)
                break
            except DevclusterError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def present(node: NodeLayout) -> dict[str, str]:
    """Name to manifest digest of the images the node has."""
    found = {}
    for line in _ctr(node, "images", "list").splitlines()[1:]:
        fields = line.split()
        found[fields[0]] = fields[2]
    return found


def write_static_image(binary: pathlib.Path, name: str, output: pathlib.Path) -> None:
    """Write an oci-archive whose only file is ``binary``, as ``/probe``, which it runs with ``pause``."""
    layer = _tar({"probe": binary.read_bytes()}, mode=0o755)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/probe"], "Cmd": ["pause"], "User": "65534:65534", "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    blobs: dict[str, bytes] = {}

    def add(kind: str, content: bytes) -> dict[str, Any]:
        digest = _digest(content)
        blobs[f"blobs/sha256/{digest.removeprefix('sha256:')}"] = content
        return {"mediaType": f"{_TYPE}.{kind}", "digest": digest, "size": len(content)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPE}.manifest.v1+json",
        "config": add("config.v1+json", json.dumps(config).encode()),
        "layers": [add("layer.v1.tar", layer)],
    }
    entry = add("manifest.v1+json", json.dumps(manifest).encode())
    index = {"schemaVersion": 2, "manifests": [{**entry, "annotations": {_REFERENCE: name}}]}
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps(index).encode(),
        **blobs,
    }
    partial = output.with_suffix(".partial")
    partial.write_bytes(_tar(files, mode=0o644))
    partial.rename(output)


def _load_into(node: NodeLayout, archives: Sequence[Archive]) -> list[str]:
    lines = []
    for archive in archives:
        there = present(node)
        names = ", ".join(name for name, _ in archive.images)
        if all(there.get(name) == digest for name, digest in archive.images):
            lines.append(f"{node.name}: {names} already there")
            continue
        with archive.path.open("rb") as source:
            _ctr(node, "images", "import", "-", stdin=source)
        lines.append(f"{node.name}: {names} loaded")
    return lines


def _ctr(node: NodeLayout, *arguments: str, stdin: io.BufferedReader | None = None) -> str:
    """Speak to the node's containerd from inside the node: unpacking mounts file systems there."""
    argv = ["/usr/bin/ctr", "--address", str(node.containerd_socket), "--namespace", "k8s.io", *arguments]
    try:
        command = nodes.command_inside(node, *argv)
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DevclusterError(f"{node.name}: ctr {' '.join(arguments)}: {error}") from error
    if done.returncode:
        raise DevclusterError(f"{node.name}: ctr {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    """A tar of the files, the same bytes for the same content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
