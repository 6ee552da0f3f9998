"""What fails in a shard without clocks: processes that die, volumes that are lost."""

import functools
from collections.abc import Iterator

from covet.testing.election.untimed.state import NAMES, State, Step, Who, put
from covet.testing.election.untimed.trial import Trial


class Failing:
    """The faults that may befall a member."""

    def __init__(self, trial: Trial) -> None:
        self.lapses = trial.lapses

    def steps(self, state: State, member: int, me: Who) -> Iterator[Step]:
        """Yield every fault that is left."""
        crashes, _, losses, _ = state.left
        if crashes and (me.seat or me.candidate or me.follows):
            yield f"{NAMES[member]} crashes", functools.partial(self._crash, state, member, me)
        if losses:
            yield from self._lose(state, member)

    def _crash(self, state: State, member: int, me: Who) -> State:
        crashes, writes, losses, orders = state.left
        me = me._replace(promise=me.disk, follows=0, candidate=0, seat=None)
        return put(state, member, me)._replace(left=(crashes - 1, writes, losses, orders))

    def _lose(self, state: State, member: int) -> Iterator[Step]:
        crashes, writes, losses, orders = state.left
        left = (crashes, writes, losses - 1, orders)
        if "new_volume_is_new_member" not in self.lapses:
            gone = Who(10**6, 10**6, 10**6, None, ())
            yield f"{NAMES[member]} loses its volume for good", lambda: put(state, member, gone)._replace(left=left)
            return
        for source, other in enumerate(state.who):
            if source != member:
                fresh = Who(other.promise, other.promise, 0, other.rule, other.log)
                yield (
                    f"{NAMES[member]} loses its volume and is cloned from {NAMES[source]} under its old name",
                    functools.partial(self._cloned, state, member, fresh, left),
                )

    def _cloned(self, state: State, member: int, fresh: Who, left: tuple[int, int, int, int]) -> State:
        return put(state, member, fresh)._replace(left=left)
