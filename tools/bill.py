"""What Covet is made of: a bill of materials (CycloneDX) and the list of licences, from the two lock files.

A lock file says what is installed and not under which licence. That stands in `licences.toml`, one line per package; a
test compares it with what the installed packages and the unpacked crates say of themselves.
"""

import dataclasses
import json
import pathlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tools import bootstrap

BILL: Final = pathlib.Path("sbom/covet.cdx.json")
PAGE: Final = pathlib.Path("docs/reference/licences.md")
LICENCES: Final = pathlib.Path("tools/licences.toml")
EXTRAS: Final = ("operator", "cli")
"""Optional groups of the distribution that are shipped; groups of developers are not."""
OURS: Final = frozenset({"covet-operator", "covet-hasher", "covet-ring"})
COPYLEFT: Final = re.compile(r"\bA?GPL\b|\bSSPL\b|\bBUSL\b")
"""Licences that the product may not depend on; LGPL is another word."""


class BillError(Exception):
    """The bill cannot be written; the message says what is missing."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One package of a lock file.

    Args:
        kind: `pypi` or `cargo`, as in a package URL.
        digest: sha256 of its source archive as hexadecimal text, empty if the lock file gives none.
        needs: package URLs of what it needs.
    """

    kind: str
    name: str
    version: str
    digest: str
    licence: str
    needs: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Return the package URL."""
        return f"pkg:{self.kind}/{self.name}@{self.version}"


def python_parts(root: pathlib.Path) -> list[Part]:
    """Return what the agent, the operator and kubectl covet load, by the lock file, on any platform."""
    locked = {entry["name"]: entry for entry in _read(root / "uv.lock")["package"]}
    licences, edges = _read(root / LICENCES)["pypi"], dict[str, set[str]]()
    queue: list[tuple[str, tuple[str, ...]]] = [("covet-operator", EXTRAS)]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while queue:
        name, extras = queue.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        entry = locked[name]
        optional = entry.get("optional-dependencies", {})
        wanted = [*entry.get("dependencies", []), *(need for extra in extras for need in optional.get(extra, []))]
        edges.setdefault(name, set()).update(need["name"] for need in wanted)
        queue.extend((need["name"], tuple(need.get("extra", ()))) for need in wanted)
    return [
        Part("pypi", name, locked[name]["version"], _digest_of(locked[name]), _licence(licences, name, "pypi"),
             tuple(f"pkg:pypi/{need}@{locked[need]['version']}" for need in sorted(edges[name] - OURS)))
        for name in sorted(set(edges) - OURS)
    ]  # fmt: skip


def rust_parts(root: pathlib.Path) -> list[Part]:
    """Return the crates that the Python binding is compiled from, procedural macros and build scripts included."""
    crates = {(entry["name"], entry["version"]): entry for entry in _read(root / "rust-hasher/Cargo.lock")["package"]}
    licences = _read(root / LICENCES)["cargo"]
    tests_only = _names_of(root, "dev-dependencies") - _names_of(root, "dependencies")
    edges: dict[tuple[str, str], list[tuple[str, str]]] = {}
    queue = [key for key in crates if key[0] == "covet-hasher"]
    while queue:
        key = queue.pop()
        if key in edges:
            continue
        needs = [_crate(text, crates) for text in crates[key].get("dependencies", [])]
        edges[key] = [need for need in needs if not (key[0] in OURS and need[0] in tests_only)]
        queue.extend(edges[key])
    return [
        Part("cargo", name, version, crates[name, version].get("checksum", ""), _licence(licences, name, "cargo"),
             tuple(f"pkg:cargo/{need}@{number}" for need, number in sorted(edges[name, version])))
        for name, version in sorted(edges) if name not in OURS
    ]  # fmt: skip


def bill(parts: Iterable[Part], version: str) -> str:
    """Return the bill of materials as CycloneDX 1.6; the same parts give the same bytes."""
    listed = list(parts)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "covet", "name": "covet", "version": version,
                                   "licenses": [{"expression": "Apache-2.0"}]}},
        "components": [_component(part) for part in listed],
        "dependencies": [{"ref": part.purl, "dependsOn": list(part.needs)} for part in listed],
    }  # fmt: skip
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def page(parts: Iterable[Part]) -> str:
    """Return the list of licences as a page."""
    rows = [f"| {part.name} | {part.version} | {_REGISTRY[part.kind]} | {part.licence} |" for part in parts]
    return "\n".join((_HEAD, *rows, ""))


def write(root: pathlib.Path) -> None:
    """Write the bill and the page."""
    parts = [*python_parts(root), *rust_parts(root)]
    version = _read(root / "pyproject.toml")["project"]["version"]
    for path, text in ((BILL, bill(parts, version)), (PAGE, page(parts))):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)


_REGISTRY: Final[Mapping[str, str]] = {"pypi": "PyPI", "cargo": "crates.io"}
_HEAD: Final = """\
# Licences

Covet is under Apache-2.0. This is everything from PyPI and crates.io that it is made of, by the lock files: what the
agent, the operator and `kubectl covet` load, and the crates that the ring is compiled from. Tools for developers are
not listed. The same as a machine reads it (CycloneDX 1.6): `sbom/covet.cdx.json`. None of it is under the GPL or the
AGPL. The images also hold packages of Debian, PostgreSQL among them, each with its licence in
`/usr/share/doc/*/copyright`; they are not listed here.

<!-- Written by `make generate` from uv.lock, rust-hasher/Cargo.lock and tools/licences.toml. -->

| package | version | from | licence |
|---|---|---|---|"""


def _component(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": part.purl,
        "purl": part.purl,
        "name": part.name,
        "version": part.version,
        "licenses": [{"expression": part.licence}],
    }
    return {**found, "hashes": [{"alg": "SHA-256", "content": part.digest}]} if part.digest else found


def _read(path: pathlib.Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def _licence(known: Mapping[str, str], name: str, kind: str) -> str:
    if name not in known:
        raise BillError(f"{LICENCES} has no line for {name} under [{kind}]: write its licence there, as SPDX says it")
    return known[name]


def _digest_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("sdist", {}).get("hash", "")).removeprefix("sha256:")


def _names_of(root: pathlib.Path, table: str) -> set[str]:
    manifests = (root / "rust-hasher").glob("*/Cargo.toml")
    return {name for manifest in manifests for name in _read(manifest).get(table, {})}


def _crate(text: str, crates: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Return the crate that a dependency of Cargo.lock names: `name`, or `name version` where there are two."""
    name, _, version = text.partition(" ")
    return next(key for key in crates if key[0] == name and version in {"", key[1]})


if __name__ == "__main__":
    write(bootstrap.ROOT)
