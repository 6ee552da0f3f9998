"""A shard without clocks: every order of events, with the real decision functions of the core.

Timers are left out on purpose: a member may become a candidate at any moment, a message may come
at any later moment, twice, or never. What is safe here is safe whatever the timers do; the read
lease, the one promise that rests on time, has a model of its own.

A message, once sent, may be received again for ever. A crash forgets everything but the disk; being
down for long is the same as not acting. The log is a tuple of records `(term, kind)`.
"""

import functools
from collections.abc import Iterator

from covet.core.agentapi import Rule
from covet.planner.election import changing, rules
from covet.planner.election.guards import ALL, Guards
from covet.testing.election.checker import Model
from covet.testing.election.untimed import mirror
from covet.testing.election.untimed.electing import Electing
from covet.testing.election.untimed.failing import Failing
from covet.testing.election.untimed.following import Following
from covet.testing.election.untimed.leading import Leading
from covet.testing.election.untimed.state import NAMES, Bounds, Log, Seat, State, Step, Who, put
from covet.testing.election.untimed.trial import Trial


class Shard(Model[State]):
    """The steps of a shard within bounds.

    Args:
        bounds: how far.
        guards: safeguards of the core that are on.
        lapses: of the executor that are off: `position_of_last_byte`, `new_volume_is_new_member`,
            `timeline_is_term`.
    """

    plan = staticmethod(changing.plan)

    def __init__(self, bounds: Bounds, guards: Guards = ALL, lapses: frozenset[str] = frozenset()) -> None:
        self._guards = guards
        trial = Trial(bounds, guards, lapses)
        self._electing = Electing(trial)
        self._leading = Leading(trial, self.plan)
        self._following = Following(trial)
        self._failing = Failing(trial)
        names = NAMES[: bounds.cohort]
        rule = Rule(1, 1, names[0], names, bounds.acks)
        log: Log = ((1, 1),)
        seat = Seat(rule, rule, None, True, 1, True, True)  # noqa: FBT003  written, seated, open
        who = [Who(1, 1, 1, rule, log, seat=seat)]
        who.extend(
            Who(1, 1, 0, rule if member < bounds.cohort else None, log, follows=1)
            for member in range(1, bounds.members)
        )
        acks = frozenset((1, member, 1) for member in range(1, bounds.members))
        left = (bounds.crashes, bounds.writes, bounds.losses, len(bounds.orders))
        none: frozenset[tuple[int, int]] = frozenset()
        self.first = State(
            tuple(who), none, frozenset(), frozenset(), frozenset(), acks, frozenset(), ((1, 0, log),), left
        )
        self._durable = guards.durable_promise and not lapses
        self.mirror = bounds.members == 3 and not bounds.orders

    def canonical(self, state: State) -> State:
        """Drop what nobody can act on any more, and name two states alike that differ by names only."""
        state = self._tidy(state)
        if not self.mirror:
            return state
        other = mirror.swap(state)
        return min(state, other, key=hash)

    def _tidy(self, state: State) -> State:
        """Forget answers to candidates that moved on, and what was said to leaders that are gone."""
        who = state.who
        seated = {me.seat.rule.term for me in who if me.seat is not None}
        lowest = min(me.promise for me in who) + self._guards.own_term
        handed = state.handed
        if handed and self._guards.handed_term and self._guards.led_mark and self._guards.durable_promise:
            handed = frozenset(h for h in handed if who[h[1]].promise <= h[0] and who[h[1]].led < h[0])
        return state._replace(
            asked=frozenset(ask for ask in state.asked if ask[0] >= lowest) if self._durable else state.asked,
            answers=frozenset(answer for answer in state.answers if who[answer[1]].candidate == answer[0]),
            handed=handed,
            said=frozenset(word for word in state.said if word[0] in seated),
            acks=frozenset(ack for ack in state.acks if ack[0] in seated),
        )

    def steps(self, state: State) -> Iterator[Step]:
        """Yield every step that may be next."""
        for member, me in enumerate(state.who):
            yield from self._member_steps(state, member, me)
        for term, candidate in state.asked:
            for member, me in enumerate(state.who):
                if member != candidate:
                    yield from self._electing.recruit(state, member, me, term, candidate)
        # The order of what bears names would change with every run, and with it which violation is found first.
        for term, to, base in sorted(state.handed, key=lambda order: (order[:2], rules.age(order[2]), order[2].cohort)):
            yield from self._electing.take_over(state, term, to, base)

    def _member_steps(self, state: State, member: int, me: Who) -> Iterator[Step]:
        yield from self._failing.steps(state, member, me)
        if me.seat is not None:
            yield from self._leading.steps(state, member, me, me.seat)
            term = me.seat.rule.term
            if any(other.seat is not None and other.seat.rule.term > term for other in state.who):
                yield (
                    f"{NAMES[member]} hears a higher leader and stops",
                    functools.partial(put, state, member, me._replace(seat=None)),
                )
            return
        yield from self._electing.steps(state, member, me)
        for leader, other in enumerate(state.who):
            if other.seat is not None and leader != member:
                yield from self._following.steps(state, (member, me), (leader, other), other.seat)
