"""Followers of a shard without clocks: following, rewinds, records received, rules confirmed."""

import functools
from collections.abc import Iterator

from covet.core.agentapi import Rule
from covet.planner.election import rules
from covet.planner.election.rules import Sworn
from covet.testing.election.checker import BrokenError
from covet.testing.election.untimed.state import HOLE, NAMES, Log, Seat, State, Step, Who, diverged, put, raised
from covet.testing.election.untimed.trial import Trial


class Following:
    """The steps of a member under a leader."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.bounds, self.guards = trial, trial.bounds, trial.guards

    def steps(self, state: State, mine: tuple[int, Who], theirs: tuple[int, Who], seat: Seat) -> Iterator[Step]:
        """Yield what a member may do under a leader, both given as (number, member)."""
        (member, me), (_, other) = mine, theirs
        term, name = seat.rule.term, NAMES[member]
        if me.follows != term:
            if term >= me.promise and me.candidate <= term:
                yield from self._follow(state, mine, theirs, seat)
            return
        if len(me.log) < len(other.log):
            yield (
                f"{name} receives record {len(me.log)}",
                functools.partial(self._copy, state, member, me, other.log, term),
            )
        row = seat.step.rule if seat.step is not None and seat.written else seat.rule
        index = next((i for i, record in enumerate(other.log) if record[1] == row.seq and i >= seat.row_end - 1), None)
        key = (term, row.seq, member)
        sworn = Sworn(me.promise, me.rule, me.led)
        allowed = rules.confirmable(sworn, me.follows, row) or not self.guards.fence_answers
        if index is not None and len(me.log) > index and key not in state.said and allowed:
            yield (
                f"{name} confirms rule {term}.{row.seq}",
                functools.partial(self._confirm, state, member, me, row, (other.log, index)),
            )

    def _follow(self, state: State, mine: tuple[int, Who], theirs: tuple[int, Who], seat: Seat) -> Iterator[Step]:
        (member, me), (leader, other) = mine, theirs
        term, names = seat.rule.term, (NAMES[member], NAMES[leader])
        if me.rewinding:
            yield (
                f"{names[0]} finishes its rewind from {names[1]}",
                functools.partial(self._rewound, state, member, me, other, term),
            )
            return
        if not self.guards.lineage or not diverged(me.log, other.log):
            yield (
                f"{names[0]} follows {names[1]} in term {term}",
                functools.partial(self._followed, state, member, me, term),
            )
            return
        undiverged = sum(who.follows == term for who in state.who)
        leave = self.bounds.permits and undiverged < seat.rule.acks
        if seat.seated or leave or not self.guards.rewind_late:
            yield (
                f"{names[0]} rewinds to {names[1]} in term {term}",
                functools.partial(self._rewind, state, member, me, other, term),
            )

    def _followed(self, state: State, member: int, me: Who, term: int) -> State:
        me = self.trial.promise(me, term)._replace(follows=term, candidate=0)
        return put(state, member, me)._replace(acks=raised(state.acks, term, member, len(me.log)))

    def _rewind(self, state: State, member: int, me: Who, other: Who, term: int) -> State:
        fork = next((i for i, pair in enumerate(zip(me.log, other.log, strict=False)) if pair[0] != pair[1]), 0)
        # Until it is finished the log has the leader's end, and a hole before it.
        holed = (*other.log[:fork], *((0, HOLE) for _ in other.log[fork:-1]), other.log[-1])
        promised = self.trial.promise(me, term)._replace(log=holed, candidate=0, rewinding=True)
        state = put(state, member, promised)
        if not self.bounds.permits and other.rule is not None:
            self._count_copies(state, other.rule.acks + 1 - (self.bounds.losses - state.left[2]))
        return state

    def _count_copies(self, state: State, enough: int) -> None:
        """Refuse a state with too few whole copies of an acknowledged record: one more loss would be its end."""
        whole = [who.log for who in state.who if not who.rewinding]
        for index, record, term in state.owed:
            copies = sum(len(log) > index and log[index] == record for log in whole)
            if copies < enough:
                raise BrokenError(f"I2 {copies} of {enough} copies are left of {record}, acknowledged in term {term}")

    def _rewound(self, state: State, member: int, me: Who, other: Who, term: int) -> State:
        return self._followed(state, member, me._replace(log=other.log, rewinding=False), term)

    def _copy(self, state: State, member: int, me: Who, log: Log, term: int) -> State:
        me = me._replace(log=(*me.log, log[len(me.log)]))
        return put(state, member, me)._replace(acks=raised(state.acks, term, member, len(me.log)))

    def _confirm(self, state: State, member: int, me: Who, row: Rule, place: tuple[Log, int]) -> State:
        log, index = place
        if me.log[: index + 1] != log[: index + 1]:
            raise BrokenError(f"I8 {NAMES[member]} confirms rule {row.term}.{row.seq} off the leader's lineage")
        said = state.said | {(row.term, row.seq, member)}
        return put(state, member, me._replace(rule=rules.newest([me.rule, row])))._replace(said=said)
