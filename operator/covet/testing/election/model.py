"""A shard without clocks: every order of events, with the real decision functions of the core.

Timers are left out on purpose: a member may become a candidate at any moment, a message may come
at any later moment, twice, or never. What is safe here is safe whatever the timers do; the read
lease, the one promise that rests on time, has a model of its own.

A message, once sent, may be received again for ever. A crash forgets everything but the disk; being
down for long is the same as not acting. The log is a tuple of records `(term, kind)`.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from covet.core.agentapi import Position, Rule
from covet.planner.election import candidacy, changing, recruiting, rules
from covet.planner.election.guards import ALL, Guards
from covet.planner.election.messages import Recruited
from covet.planner.election.rules import Sworn
from covet.planner.quorum import Order, Step
from covet.testing.election.checker import BrokenError, Model

NAMES: Final = ("a", "b", "c", "d", "e")

Record = tuple[int, int]
Log = tuple[Record, ...]
WRITE: Final = 0
"""Kind of a record that a client wrote; the others are rule rows and bear their `seq`."""
HOLE: Final = -2
"""Kind of a record that an unfinished rewind has not copied yet."""


class Seat(NamedTuple):
    """A leader's memory: gone with a crash."""

    rule: Rule
    setting: Rule
    step: Step | None
    written: bool
    row_end: int
    seated: bool
    open: bool


class Who(NamedTuple):
    """One member: disk first, memory behind."""

    promise: int
    disk: int
    led: int
    rule: Rule | None
    log: Log
    follows: int = 0
    candidate: int = 0
    seat: Seat | None = None
    rewinding: bool = False


class State(NamedTuple):
    """A shard.

    Args:
        who: the members.
        asked: (term, candidate) of every request for promises ever sent.
        answers: (term, candidate, member, promise's position, rule) of every answer.
        handed: (term, to, base) of every hand-over.
        said: (term, seq, member) of every confirmation of a rule row.
        acks: (term, member, end): how far a member said that it flushed under a term.
        owed: (index, record, term): what clients were told, or saw.
        reigns: (term, member, log at promotion).
        left: crashes, writes, lost volumes and orders that may still come.
    """

    who: tuple[Who, ...]
    asked: frozenset[tuple[int, int]]
    answers: frozenset[tuple[int, int, int, tuple[int, int], Rule | None]]
    handed: frozenset[tuple[int, int, Rule]]
    said: frozenset[tuple[int, int, int]]
    acks: frozenset[tuple[int, int, int]]
    owed: frozenset[tuple[int, Record, int]]
    reigns: tuple[tuple[int, int, Log], ...]
    left: tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How far a search goes.

    Args:
        members: of the shard; `cohort` of them vote at first.
        term: highest term.
        crashes, writes, losses: how many there may be in all.
        orders: (size, W) of cohorts that the operator asks for, one after the other.
        switchovers: a leader may hand off.
        permits: a leader that fewer than W members follow may let diverged ones rewind before its row.
            Time decides that, so without clocks it may always happen. It is the one case in which a copy of an
            acknowledged record is given up before there is another; without it every rewind leaves W+1.
    """

    members: int = 3
    cohort: int = 3
    acks: int = 1
    term: int = 3
    crashes: int = 1
    writes: int = 1
    losses: int = 0
    orders: tuple[tuple[int, int], ...] = ()
    switchovers: bool = False
    permits: bool = True


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
        self.bounds = bounds
        self.guards = guards
        self.lapses = lapses
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
        self._choose = functools.cache(self._choose_uncached)

    def canonical(self, state: State) -> State:
        """Drop what nobody can act on any more, and name two states alike that differ by names only."""
        state = self._tidy(state)
        if not self.mirror:
            return state
        other = _swap(state)
        return min(state, other, key=hash)

    def _tidy(self, state: State) -> State:
        """Forget answers to candidates that moved on, and what was said to leaders that are gone."""
        who = state.who
        seated = {me.seat.rule.term for me in who if me.seat is not None}
        lowest = min(me.promise for me in who) + self.guards.own_term
        handed = state.handed
        if handed and self.guards.handed_term and self.guards.led_mark and self.guards.durable_promise:
            handed = frozenset(h for h in handed if who[h[1]].promise <= h[0] and who[h[1]].led < h[0])
        return state._replace(
            asked=frozenset(ask for ask in state.asked if ask[0] >= lowest) if self._durable else state.asked,
            answers=frozenset(answer for answer in state.answers if who[answer[1]].candidate == answer[0]),
            handed=handed,
            said=frozenset(word for word in state.said if word[0] in seated),
            acks=frozenset(ack for ack in state.acks if ack[0] in seated),
        )

    def steps(self, state: State) -> Iterator[tuple[str, Callable[[], State]]]:
        """Yield every step that may be next."""
        for member, me in enumerate(state.who):
            yield from self._member_steps(state, member, me)
        for term, candidate in state.asked:
            for member, me in enumerate(state.who):
                if member != candidate:
                    yield from self._recruit(state, member, me, term, candidate)
        # The order of what bears names would change with every run, and with it which violation is found first.
        for term, to, base in sorted(state.handed, key=lambda order: (order[:2], rules.age(order[2]), order[2].cohort)):
            yield from self._take_over(state, term, to, base)

    def _member_steps(self, state: State, member: int, me: Who) -> Iterator[tuple[str, Callable[[], State]]]:
        name = NAMES[member]
        crashes, _, losses, _ = state.left
        if crashes and (me.seat or me.candidate or me.follows):
            yield f"{name} crashes", functools.partial(self._crash, state, member, me)
        if losses:
            yield from self._lose(state, member)
        if me.seat is not None:
            yield from self._lead(state, member, me, me.seat)
            term = me.seat.rule.term
            if any(other.seat is not None and other.seat.rule.term > term for other in state.who):
                yield (
                    f"{name} hears a higher leader and stops",
                    functools.partial(_put, state, member, me._replace(seat=None)),
                )
            return
        if me.rule is not None and me.candidate == 0:
            yield from self._stand(state, member, me)
        if me.candidate:
            yield from self._decide(state, member, me)
        for leader, other in enumerate(state.who):
            if other.seat is not None and leader != member:
                yield from self._receive(state, (member, me), (leader, other), other.seat)

    # Elections -------------------------------------------------------------------------------

    def _stand(self, state: State, member: int, me: Who) -> Iterator[tuple[str, Callable[[], State]]]:
        if me.rule is None or NAMES[member] not in me.rule.cohort or (me.rewinding and self.guards.rewinding_mark):
            return
        step = 1 if self.guards.own_term else 0
        seen = {me.promise, max(other.promise for other in state.who)}
        for term in {promise + 1 for promise in seen} | ({max(seen)} if not step else set()):
            if me.promise < term <= self.bounds.term or (not step and term == max(seen) and term > 1):
                yield (
                    f"{NAMES[member]} becomes a candidate for term {term}",
                    functools.partial(self._candidate, state, member, me, term),
                )

    def _candidate(self, state: State, member: int, me: Who, term: int) -> State:
        me = self._promise(me, term)._replace(candidate=term, follows=0)
        answer = (term, member, member, self._position(me), me.rule)
        return _put(state, member, me)._replace(asked=state.asked | {(term, member)}, answers=state.answers | {answer})

    def _recruit(
        self, state: State, member: int, me: Who, term: int, candidate: int
    ) -> Iterator[tuple[str, Callable[[], State]]]:
        sworn = Sworn(me.promise, me.rule, me.led, me.rewinding and self.guards.rewinding_mark)
        again = not self.guards.own_term and term == me.promise and me.seat is None
        if not again and recruiting.refusal(sworn, term, leased=False, just_started=False):
            return
        if again and any((term, candidate, member) == answer[:3] for answer in state.answers):
            return
        yield (
            f"{NAMES[member]} promises term {term} to {NAMES[candidate]}",
            functools.partial(self._recruited, state, member, me, term, candidate),
        )

    def _recruited(self, state: State, member: int, me: Who, term: int, candidate: int) -> State:
        me = self._promise(me, term)._replace(candidate=0)
        if self.guards.fence_answers:
            me = me._replace(follows=0)
        if self.guards.stop_answers:
            me = me._replace(seat=None)
        answer = (term, candidate, member, self._position(me), me.rule)
        return _put(state, member, me)._replace(answers=state.answers | {answer})

    def _decide(self, state: State, member: int, me: Who) -> Iterator[tuple[str, Callable[[], State]]]:
        term = me.candidate
        mine = sorted((answer for answer in state.answers if answer[:2] == (term, member)), key=_rank)
        own = next((answer for answer in mine if answer[2] == member), None)
        if own is None:
            return
        others = [answer for answer in mine if answer[2] != member]
        for size in range(len(others) + 1):
            for chosen in itertools.combinations(others, size):
                choice = self._choose(member, (own, *chosen))
                if choice is None:
                    continue
                # The candidate decides with the first set that is enough.
                smaller = (self._choose(member, (own, *chosen[:skip], *chosen[skip + 1 :])) for skip in range(size))
                if size and all(less is not None for less in smaller):
                    continue
                names = "".join(NAMES[answer[2]] for answer in (own, *chosen))
                if choice.leader == NAMES[member]:
                    yield (
                        f"{NAMES[member]} leads term {term}, recruits {names}",
                        functools.partial(self._promote, state, member, me, term, choice.base),
                    )
                else:
                    yield (
                        f"{NAMES[member]} hands term {term} to {choice.leader}, recruits {names}",
                        functools.partial(self._hand, state, member, me, term, choice),
                    )

    def _choose_uncached(
        self, member: int, answers: tuple[tuple[int, int, int, tuple[int, int], Rule | None], ...]
    ) -> candidacy.Choice | None:
        given = {
            NAMES[source]: Recruited(NAMES[source], term, True, term, rule, Position(*position))  # noqa: FBT003  yes
            for term, _, source, position, rule in answers
        }
        return candidacy.choose(NAMES[member], given, self.guards)

    def _hand(self, state: State, member: int, me: Who, term: int, choice: candidacy.Choice) -> State:
        state = _put(state, member, me._replace(candidate=0))
        return state._replace(handed=state.handed | {(term, NAMES.index(choice.leader), choice.base)})

    def _take_over(self, state: State, term: int, to: int, base: Rule) -> Iterator[tuple[str, Callable[[], State]]]:
        me = state.who[to]
        sworn = Sworn(me.promise, me.rule, me.led, me.rewinding and self.guards.rewinding_mark)
        if me.seat is not None or not candidacy.inherits(sworn, term, fenced=me.follows == 0, guards=self.guards):
            return
        yield f"{NAMES[to]} takes over term {term}", functools.partial(self._promote, state, to, me, term, base)

    def _promote(self, state: State, member: int, me: Who, term: int, base: Rule) -> State:
        name = NAMES[member]
        for reign_term, leader, _ in state.reigns:
            if reign_term == term:
                raise BrokenError(f"I1 {NAMES[leader]} and {name} both lead term {term}")
        for index, record, owed_term in state.owed:
            if owed_term < term and (len(me.log) <= index or me.log[index] != record):
                raise BrokenError(f"I2 {name} leads term {term} without {record}, acknowledged in term {owed_term}")
        rule = rules.first(term, name, base)
        timeline = term if "timeline_is_term" not in self.lapses else me.log[-1][0] + 1
        log = (*me.log, (timeline, 1))
        seat = Seat(rule, rule, None, True, len(log), False, False)  # noqa: FBT003  written, not seated, not open
        led = term if self.guards.led_mark else me.led
        me = me._replace(led=led, rule=rule, log=log, candidate=0, follows=0, seat=seat)
        return _put(state, member, me)._replace(reigns=(*state.reigns, (term, member, log[:-1])))

    # Leading ---------------------------------------------------------------------------------

    def _lead(self, state: State, member: int, me: Who, seat: Seat) -> Iterator[tuple[str, Callable[[], State]]]:
        name, term = NAMES[member], seat.rule.term
        row = seat.step.rule if seat.step is not None else seat.rule
        said = frozenset(NAMES[who] for said_term, seq, who in state.said if (said_term, seq) == (term, row.seq))
        waiting = seat.written and (not seat.seated or seat.step is not None)
        if waiting and changing.confirmed(row, seat.step, said):
            yield (
                f"{name} counts rule {term}.{row.seq} as confirmed",
                functools.partial(self._confirmed, state, member, me, seat),
            )
        if not self.guards.row_opens and not seat.open:
            yield f"{name} opens term {term}", functools.partial(self._open, state, member, me, seat)
        if seat.open and state.left[1]:
            yield f"{name} writes", functools.partial(self._write, state, member, me)
        yield from self._acknowledge(state, member, me, seat)
        if self.bounds.switchovers and seat.seated:
            ends = {who: end for ack_term, who, end in state.acks if ack_term == term}
            if any(ends.get(who, 0) >= len(me.log) for who in range(len(state.who)) if who != member):
                yield f"{name} hands off and stops", functools.partial(_put, state, member, me._replace(seat=None))
        yield from self._change(state, member, me, seat)

    def _confirmed(self, state: State, member: int, me: Who, seat: Seat) -> State:
        if seat.step is None:
            # Opening at once is the hardest case: waiting lets in a part of what may happen here.
            return self._open(state, member, me, seat._replace(seated=True))
        rule = seat.step.rule
        return _put(state, member, me._replace(seat=seat._replace(rule=rule, setting=rule, step=None)))

    def _open(self, state: State, member: int, me: Who, seat: Seat) -> State:
        said = {who for said_term, seq, who in state.said if (said_term, seq) == (seat.rule.term, 1)}
        if len(said) < seat.rule.acks and self.guards.row_opens:
            raise BrokenError(f"I4 {NAMES[member]} opens term {seat.rule.term} unconfirmed")
        # Readers see what was inherited from now on: it must not vanish.
        seen = {(index, record, seat.rule.term) for index, record in enumerate(me.log[: seat.row_end])}
        owed = state.owed | {entry for entry in seen if entry[1][1] == WRITE}
        return _put(state, member, me._replace(seat=seat._replace(open=True)))._replace(owed=owed)

    def _write(self, state: State, member: int, me: Who) -> State:
        crashes, writes, losses, orders = state.left
        seat = me.seat
        timeline = me.log[-1][0] if seat is not None else 0
        me = me._replace(log=(*me.log, (timeline, WRITE)))
        return _put(state, member, me)._replace(left=(crashes, writes - 1, losses, orders))

    def _acknowledge(self, state: State, member: int, me: Who, seat: Seat) -> Iterator[tuple[str, Callable[[], State]]]:
        if not seat.open:
            return
        term, setting = seat.rule.term, seat.setting
        ends = {NAMES[who]: end for ack_term, who, end in state.acks if ack_term == term}
        for index in range(seat.row_end, len(me.log)):
            record = me.log[index]
            if record[1] != WRITE or (index, record, term) in state.owed:
                continue
            flushed = [name for name, end in ends.items() if end > index]
            if rules.acknowledges(setting, flushed):
                yield (
                    f"{NAMES[member]} acknowledges record {index} of term {term}",
                    functools.partial(self._owe, state, member, index, record, term),
                )

    def _owe(self, state: State, member: int, index: int, record: Record, term: int) -> State:
        for reign_term, leader, log in state.reigns:
            if reign_term > term and (len(log) <= index or log[index] != record):
                raise BrokenError(
                    f"I8 {NAMES[member]} acknowledged record {index} of term {term};"
                    f" {NAMES[leader]} leads term {reign_term} without it"
                )
        return state._replace(owed=state.owed | {(index, record, term)})

    def _change(self, state: State, member: int, me: Who, seat: Seat) -> Iterator[tuple[str, Callable[[], State]]]:
        name = NAMES[member]
        free = seat.seated and seat.step is None
        if state.left[3] and (free or not self.guards.change_after_row):
            size, acks = self.bounds.orders[-state.left[3]]
            others = [other for other in NAMES[: self.bounds.members] if other != name]
            step = self.plan(seat.rule, (name, *others[: size - 1]), acks)
            if step is None:
                crashes, writes, losses, orders = state.left
                yield (
                    f"the order for {size} members, W={acks} is done",
                    lambda: state._replace(left=(crashes, writes, losses, orders - 1)),
                )
            elif self._caught_up(state, me, seat, step):
                yield (
                    f"{name} begins {','.join(step.rule.cohort)} W={step.rule.acks} {step.order.value}",
                    functools.partial(self._begin, state, member, me, seat, step),
                )
        if seat.step is not None and not seat.written:
            yield f"{name} writes row {seat.step.rule.seq}", functools.partial(self._row, state, member, me, seat)

    def _caught_up(self, state: State, me: Who, seat: Seat, step: Step) -> bool:
        joining = set(step.rule.cohort) - set(seat.rule.cohort)
        ends = {NAMES[who]: end for term, who, end in state.acks if term == seat.rule.term}
        following = {NAMES[who] for who, other in enumerate(state.who) if other.follows == seat.rule.term}
        return all(name in following and ends.get(name, 0) >= len(me.log) for name in joining)

    def _begin(self, state: State, member: int, me: Who, seat: Seat, step: Step) -> State:
        first = step.order is Order.SETTING_FIRST
        if not self.guards.change_order:
            first = not first
        setting = step.rule if first else seat.setting
        return _put(state, member, me._replace(seat=seat._replace(step=step, setting=setting, written=False)))

    def _row(self, state: State, member: int, me: Who, seat: Seat) -> State:
        if seat.step is None:
            return state
        rule = seat.step.rule
        log = (*me.log, (me.log[-1][0], rule.seq))
        return _put(state, member, me._replace(rule=rule, log=log, seat=seat._replace(written=True)))

    # Following -------------------------------------------------------------------------------

    def _receive(
        self, state: State, mine: tuple[int, Who], theirs: tuple[int, Who], seat: Seat
    ) -> Iterator[tuple[str, Callable[[], State]]]:
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

    def _follow(
        self, state: State, mine: tuple[int, Who], theirs: tuple[int, Who], seat: Seat
    ) -> Iterator[tuple[str, Callable[[], State]]]:
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
        me = self._promise(me, term)._replace(follows=term, candidate=0)
        return _put(state, member, me)._replace(acks=_raise(state.acks, term, member, len(me.log)))

    def _rewind(self, state: State, member: int, me: Who, other: Who, term: int) -> State:
        fork = next((i for i, pair in enumerate(zip(me.log, other.log, strict=False)) if pair[0] != pair[1]), 0)
        # Until it is finished the log has the leader's end, and a hole before it.
        holed = (*other.log[:fork], *((0, HOLE) for _ in other.log[fork:-1]), other.log[-1])
        promised = self._promise(me, term)._replace(log=holed, candidate=0, rewinding=True)
        state = _put(state, member, promised)
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
        return _put(state, member, me)._replace(acks=_raise(state.acks, term, member, len(me.log)))

    def _confirm(self, state: State, member: int, me: Who, row: Rule, place: tuple[Log, int]) -> State:
        log, index = place
        if me.log[: index + 1] != log[: index + 1]:
            raise BrokenError(f"I8 {NAMES[member]} confirms rule {row.term}.{row.seq} off the leader's lineage")
        said = state.said | {(row.term, row.seq, member)}
        return _put(state, member, me._replace(rule=rules.newest([me.rule, row])))._replace(said=said)

    # Faults ----------------------------------------------------------------------------------

    def _crash(self, state: State, member: int, me: Who) -> State:
        crashes, writes, losses, orders = state.left
        me = me._replace(promise=me.disk, follows=0, candidate=0, seat=None)
        return _put(state, member, me)._replace(left=(crashes - 1, writes, losses, orders))

    def _lose(self, state: State, member: int) -> Iterator[tuple[str, Callable[[], State]]]:
        crashes, writes, losses, orders = state.left
        left = (crashes, writes, losses - 1, orders)
        if "new_volume_is_new_member" not in self.lapses:
            gone = Who(10**6, 10**6, 10**6, None, ())
            yield f"{NAMES[member]} loses its volume for good", lambda: _put(state, member, gone)._replace(left=left)
            return
        for source, other in enumerate(state.who):
            if source != member:
                fresh = Who(other.promise, other.promise, 0, other.rule, other.log)
                yield (
                    f"{NAMES[member]} loses its volume and is cloned from {NAMES[source]} under its old name",
                    functools.partial(self._cloned, state, member, fresh, left),
                )

    def _cloned(self, state: State, member: int, fresh: Who, left: tuple[int, int, int, int]) -> State:
        return _put(state, member, fresh)._replace(left=left)

    def _promise(self, me: Who, term: int) -> Who:
        promise = max(me.promise, term)
        return me._replace(promise=promise, disk=promise if self.guards.durable_promise else me.disk)

    def _position(self, me: Who) -> tuple[int, int]:
        last = me.log[-1][0] if me.log else 0
        if "position_of_last_byte" in self.lapses:
            last = me.rule.term if me.rule is not None else 0
        return last, len(me.log)


def _rank(answer: tuple[int, int, int, tuple[int, int], Rule | None]) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """Return what the answers to one candidate are ordered by."""
    return answer[2], answer[3], rules.age(answer[4]) if answer[4] is not None else (0, 0)


@functools.cache
def diverged(log: Log, leader: Log) -> bool:
    """Tell by timelines and ends, as a server can, whether a log's end is off a leader's lineage."""
    if not log:
        return False
    timeline, last = log[-1][0], leader[-1][0]
    ends = [index + 1 for index, record in enumerate(leader) if record[0] == timeline]
    if not ends:
        return True
    return timeline != last and len(log) > ends[-1]


def _put(state: State, member: int, me: Who) -> State:
    who = state.who
    return state._replace(who=(*who[:member], me, *who[member + 1 :]))


def _raise(acks: frozenset[tuple[int, int, int]], term: int, member: int, end: int) -> frozenset[tuple[int, int, int]]:
    """Raise what a member said that it flushed under a term; it never takes it back."""
    for entry in acks:
        if entry[0] == term and entry[1] == member:
            return acks if entry[2] >= end else (acks - {entry}) | {(term, member, end)}
    return acks | {(term, member, end)}


_SWAP: Final = (0, 2, 1)
_SWAP_NAMES: Final = {"a": "a", "b": "c", "c": "b"}


@functools.cache
def _swap_rule(rule: Rule | None) -> Rule | None:
    if rule is None:
        return None
    cohort = tuple(sorted(_SWAP_NAMES[name] for name in rule.cohort))
    return Rule(rule.term, rule.seq, _SWAP_NAMES[rule.leader], cohort, rule.acks)


@functools.lru_cache(maxsize=1 << 16)
def _swap_who(me: Who) -> Who:
    seat = me.seat
    if seat is not None:
        rule, setting = _swap_rule(seat.rule), _swap_rule(seat.setting)
        if rule is not None and setting is not None:
            seat = seat._replace(rule=rule, setting=setting)
    return me._replace(rule=_swap_rule(me.rule), seat=seat)


def _swap(state: State) -> State:
    """Return the same shard with the second and third member renamed."""
    handed = set()
    for term, to, base in state.handed:
        swapped = _swap_rule(base)
        if swapped is not None:
            handed.add((term, _SWAP[to], swapped))
    return State(
        (_swap_who(state.who[0]), _swap_who(state.who[2]), _swap_who(state.who[1])),
        frozenset((term, _SWAP[who]) for term, who in state.asked),
        frozenset((t, _SWAP[c], _SWAP[m], p, _swap_rule(r)) for t, c, m, p, r in state.answers),
        frozenset(handed),
        frozenset((term, seq, _SWAP[who]) for term, seq, who in state.said),
        frozenset((term, _SWAP[who], end) for term, who, end in state.acks),
        state.owed,
        tuple((term, _SWAP[who], log) for term, who, log in state.reigns),
        state.left,
    )
