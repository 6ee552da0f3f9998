"""The durations that elections stand on, and the order they must keep."""

import dataclasses
from typing import Final

from covet.core.errors import SpecError

DRIFT: Final = 1.1
"""Two clocks of a shard may run apart by this factor, and no more (I11)."""
NEVER: Final = -(10**12)
"""A moment before every other: nothing of this kind was seen yet."""
FOREVER: Final = 10**15
"""A moment after every other."""


@dataclasses.dataclass(frozen=True, slots=True)
class Timers:
    """Durations in whole milliseconds of a monotonic clock.

    Args:
        beat: between two heartbeats of a leader.
        read_fence: a leader serves reads so long after sending a heartbeat that W followers echoed.
        open_wait: a new leader opens no earlier than so long after the last echo of its recruits.
        suspect: a follower that heard no heartbeat for so long asks for an election.
        grace: the same with drift, for a member that started or stopped: it forgot what it heard.
        stop: a read-fenced leader stops after so long without replies from W walsenders.
        progress: a promotion that moved within this time holds off others.
        recent: a leader sends heartbeats only while its server answered so lately.
        ask: how long the answers to one question before an election may take.
        recruit: how long a candidate waits for promises; doubled twice by failures before.
        refused: how long a candidate that was refused still waits for others.
        resend: pause before an unanswered request is sent again.
        offset: longest pause before a candidacy, shortest for the most advanced member.
        retry: longest pause after a failed candidacy before asking again.
        successor: how long others leave the field to a named successor, unless it is gone.
        rest: how long the server of a leader that handed over stays down without word of a seated successor.
        stray: how long a lone higher promise is watched before the leader hands over to cure it.
        permit: age of a promotion at which diverged followers may rewind before the rule row.
        limit: pause between two failovers that are due to silence, doubled with each that it held back.

    Raises:
        SpecError: the order that safety needs is broken.
    """

    beat: int = 200
    read_fence: int = 900
    open_wait: int = 1000
    suspect: int = 1200
    grace: int = 1320
    stop: int = 3000
    progress: int = 3000
    recent: int = 1000
    ask: int = 250
    recruit: int = 1500
    refused: int = 200
    resend: int = 50
    offset: int = 150
    retry: int = 300
    successor: int = 1000
    rest: int = 500
    stray: int = 1000
    permit: int = 1000
    limit: int = 10000

    def __post_init__(self) -> None:
        ordered = (
            ("0", 0, "beat", self.beat),
            ("two heartbeats", 2 * self.beat, "read_fence", self.read_fence),
            ("read_fence with drift", self.read_fence * DRIFT, "open_wait + 1", self.open_wait + 1),
            ("open_wait", self.open_wait, "suspect", self.suspect),
            ("suspect with drift", self.suspect * DRIFT, "grace + 1", self.grace + 1),
            ("open_wait with drift", self.open_wait * DRIFT, "grace", self.grace),
            ("grace", self.grace, "stop", self.stop),
        )
        for low_name, low, high_name, high in ordered:
            if not low < high:
                raise SpecError(
                    "TimersRefused",
                    f"The timers must keep the order {low_name} < {high_name}, not {low:g} and {high:g} ms.",
                )
