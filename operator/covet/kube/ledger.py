"""What was applied last, so that an unchanged object costs no write.

Server-side apply of an unchanged manifest changes nothing, but it is still a write in the
audit log and work for the API server. The ledger remembers the digest of what was sent and what
the API server made of exactly those fields (quantities come back normalised); an object is stale
when either differs now, or after ten minutes.
"""

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Container
from typing import Any, Final

from covet.kube import drift
from covet.kube.resources import Manifest
from covet.planner.facts import Drift

REPEAT_AFTER: Final = 600.0
"""Seconds after which an unchanged object is applied again."""

Key = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One object as it was after it was applied; `left` is what the API server made of our fields, packed."""

    wanted: str
    settled: str
    version: str
    applied_at: float
    left: bytes


class Ledger:
    """Remembers applied objects of one cluster; lost with the process, which costs one round of writes."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self._owner = ""

    def stale(self, wanted: Manifest, observed: Manifest | None) -> bool:
        """Return whether an object differs from what it should be, or was never applied by this process.

        Args:
            wanted: the manifest that would be applied.
            observed: the object as the API server holds it, None if it does not.
        """
        entry = self._entries.get(key_of(wanted))
        if observed is None or entry is None:
            return True
        if entry.wanted != digest(wanted):
            return True
        if entry.version == observed["metadata"].get("resourceVersion"):
            return False
        return entry.settled != digest(projection(observed, wanted))

    def differs(self, wanted: Manifest, observed: Manifest | None) -> bool:
        """Return whether an object differs from what it should be, also if this process never applied it."""
        if observed is not None and key_of(wanted) not in self._entries:
            return digest(projection(observed, wanted)) != digest(wanted)
        return self.stale(wanted, observed)

    def drift(self, wanted: Manifest, observed: Manifest | None) -> Drift | None:
        """Return what somebody else made of an object since this process applied it, None if nothing."""
        entry = self._entries.get(key_of(wanted))
        if entry is None:
            return None
        return drift.find(json.loads(zlib.decompress(entry.left)), wanted, observed)

    def keep(self, owner: str, wanted: Container[Key]) -> None:
        """Forget what is wanted no more: we delete it ourselves, and that is no drift should it be wanted again.

        Args:
            owner: uid of the cluster; what was applied for another one of the name is forgotten as well.
            wanted: the objects that it should have.
        """
        same = owner == self._owner
        self._owner = owner
        self._entries = {key: entry for key, entry in self._entries.items() if same and key in wanted}

    def forget(self) -> None:
        """Forget everything, as a new process would."""
        self._entries = {}

    def due(self, wanted: Manifest, now: float) -> bool:
        """Return whether an object that does not differ is to be applied again; `now` in monotonic seconds."""
        entry = self._entries.get(key_of(wanted))
        return entry is not None and now - entry.applied_at >= REPEAT_AFTER

    def remember(self, wanted: Manifest, answered: Manifest, now: float) -> None:
        """Note what the API server answered to an apply."""
        left = _text(projection(answered, wanted))
        self._entries[key_of(wanted)] = Entry(
            wanted=digest(wanted),
            settled=hashlib.sha256(left).hexdigest(),
            version=answered["metadata"].get("resourceVersion", ""),
            applied_at=now,
            left=zlib.compress(left),
        )


def key_of(manifest: Manifest) -> Key:
    """Return what identifies an object."""
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def digest(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    """Return a digest of a JSON value that does not depend on the order of keys."""
    return hashlib.sha256(_text(value)).hexdigest()


def _text(value: Any) -> bytes:  # noqa: ANN401 -- any JSON value
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def projection(observed: Any, wanted: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the part of `observed` that stands where `wanted` has something to say."""
    if isinstance(wanted, dict) and isinstance(observed, dict):
        return {key: projection(observed.get(key), value) for key, value in wanted.items()}
    if isinstance(wanted, list) and isinstance(observed, list):
        return _project_list(observed, wanted)
    return observed


def _project_list(observed: list[Any], wanted: list[Any]) -> list[Any]:
    key = drift.merge_key(wanted)
    if key is None:
        return observed
    by_key = {item.get(key): item for item in observed if isinstance(item, dict)}
    return [projection(by_key.get(item[key]), item) for item in wanted]
