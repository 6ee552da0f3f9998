"""A simulated database server: a log with timelines, a receiver, and commits that wait for followers.

A record is `(timeline, number)`: the number is unique in the schedule, so that a log which only
looks the same is told apart by the oracle, while the lineage check sees timelines and ends alone,
as the real one does.
"""

import dataclasses

from covet.core.agentapi import Rule

Record = tuple[int, int]


@dataclasses.dataclass
class Upstream:
    """Where a receiver streams from: that member's server, in that life of it, as the leader of a term."""

    node: str
    life: int
    term: int


class Server:
    """One server and its volume's log. `life` counts its starts."""

    def __init__(self) -> None:
        self.up = False
        self.primary = False
        self.timeline = 1
        self.life = 0
        self.log: list[Record] = []
        self.upstream: Upstream | None = None
        self.shipping: set[str] = set()
        self.flushed: dict[str, int] = {}
        self.setting: Rule | None = None
        self.pending: list[int] = []
        self.visible = 0
        self.writes_open = False
        self.reads_open = False
        self.term = 0

    def stop(self) -> None:
        """End the process: receivers and walsenders go with it, waiting commits stay in doubt."""
        self.up = self.primary = self.writes_open = self.reads_open = False
        self.upstream = None
        self.shipping = set()
        self.flushed = {}
        self.pending = []
        self.life += 1

    def start(self) -> None:
        """Start as a closed follower of nobody."""
        self.up = True
        self.life += 1

    def history(self) -> list[tuple[int, int]]:
        """Return (timeline, end) of each stretch of the log, in order."""
        stretches: list[tuple[int, int]] = []
        for index, (timeline, _) in enumerate(self.log):
            if stretches and stretches[-1][0] == timeline:
                stretches[-1] = (timeline, index + 1)
            else:
                stretches.append((timeline, index + 1))
        return stretches

    def diverged(self, leader: "Server") -> bool:
        """Tell whether this log's flushed end is off the leader's lineage, by timelines and ends."""
        if not self.log:
            return False
        timeline, end = self.log[-1][0], len(self.log)
        for other, other_end in leader.history():
            if other == timeline:
                # On the leader's own timeline it can only lag; on an older one the fork is the bound.
                return other != leader.timeline and end > other_end
        return True

    def common(self, leader: "Server") -> int:
        """Return how many records both logs begin with."""
        length = 0
        for mine, theirs in zip(self.log, leader.log, strict=False):
            if mine != theirs:
                break
            length += 1
        return length
