"""Evidence that what lies on this volume is damaged: gathered over time, for one look may deceive.

Nothing is concluded from time-outs, refused connections or a file system that takes no writes: those pass. What
counts is a log that ends before a point which the data need, and a server that ends with words of damage. Evidence
makes the agent ask its leader for leave to start over as a new member; it never wipes anything by itself.
"""

import collections
import dataclasses
import enum
from typing import Final

SIGHTINGS: Final = 3
"""How often damage has to be seen."""
SPREAD_SECONDS: Final = 10.0
"""How long the first sighting has to be ago."""
WINDOW_SECONDS: Final = 900.0
"""A sighting counts for so long: a server that died is started again after half a minute at the latest."""


class Kind(enum.StrEnum):
    """What was seen."""

    LOG = "LogDamaged"
    """The log here ends before a point that the data were known to have reached."""
    SERVER = "ServerDamaged"
    """The server ended and named damage."""
    REWOUND = "RewoundServerFailed"
    """A server that was rewound does not get to where it is whole."""


@dataclasses.dataclass(frozen=True)
class Leave:
    """What a leader gave: the instance that may wipe its member, and the monotonic second until which no other may."""

    instance: str
    until: float


class Damage:
    """What was seen of each kind lately.

    Attributes:
        words: the last that was said of it, for people.
    """

    def __init__(self) -> None:
        self._seen: dict[Kind, collections.deque[float]] = {kind: collections.deque(maxlen=64) for kind in Kind}
        self.words = ""

    def see(self, kind: Kind, words: str, now: float) -> None:
        """Note damage, at monotonic seconds."""
        self._seen[kind].append(now)
        self.words = words

    def suspected(self, kind: Kind) -> bool:
        """Tell whether damage of a kind was seen and not disproved since."""
        return bool(self._seen[kind])

    def disprove(self, kind: Kind) -> None:
        """Forget what was seen of a kind: it was read, or it works."""
        self._seen[kind].clear()

    def forget(self) -> None:
        """Forget everything: the volume holds another member now."""
        for seen in self._seen.values():
            seen.clear()

    def certain(self, now: float) -> Kind | None:
        """Return a kind that was seen often enough and for long enough, None if there is none."""
        for kind, seen in self._seen.items():
            recent = [at for at in seen if now - at <= WINDOW_SECONDS]
            if len(recent) >= SIGHTINGS and now - recent[0] >= SPREAD_SECONDS:
                return kind
        return None
