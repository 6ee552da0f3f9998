"""What a search tries: how far it goes, and which safeguards are on."""

import dataclasses

from covet.planner.election.guards import Guards
from covet.planner.election.rules import Sworn
from covet.testing.election.untimed.state import Bounds, Who


@dataclasses.dataclass(frozen=True)
class Trial:
    """The bounds of a search and the safeguards that it is made with.

    Args:
        bounds: how far.
        guards: safeguards of the core that are on.
        lapses: of the executor that are off: `position_of_last_byte`, `new_volume_is_new_member`,
            `timeline_is_term`.
    """

    bounds: Bounds
    guards: Guards
    lapses: frozenset[str]

    def sworn(self, me: Who) -> Sworn:
        """Return what a member is bound by, as the core takes it."""
        return Sworn(me.promise, me.rule, me.led, me.rewinding and self.guards.rewinding_mark)

    def promise(self, me: Who, term: int) -> Who:
        """Return the member with this term promised."""
        promise = max(me.promise, term)
        return me._replace(promise=promise, disk=promise if self.guards.durable_promise else me.disk)

    def position(self, me: Who) -> tuple[int, int]:
        """Return how far the member's log reaches, as it says: (term, end)."""
        last = me.log[-1][0] if me.log else 0
        if "position_of_last_byte" in self.lapses:
            last = me.rule.term if me.rule is not None else 0
        return last, len(me.log)
