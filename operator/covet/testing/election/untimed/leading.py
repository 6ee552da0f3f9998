"""A reign in a shard without clocks: opening, writes, acknowledgements, changes of the cohort."""

import functools
from collections.abc import Callable, Iterator

from covet.core.agentapi import Rule
from covet.planner import quorum
from covet.planner.election import changing, rules
from covet.testing.election.checker import BrokenError
from covet.testing.election.untimed.state import NAMES, WRITE, Record, Seat, State, Step, Who, put
from covet.testing.election.untimed.trial import Trial

PlanStep = Callable[[Rule, tuple[str, ...], int], quorum.Step | None]
"""Gives the next step from a rule towards a cohort and its W, None once it is reached."""


class Leading:
    """The steps of a leader.

    Args:
        plan: the core's plan of changes, or one that a test puts in its place.
    """

    def __init__(self, trial: Trial, plan: PlanStep) -> None:
        self.bounds, self.guards = trial.bounds, trial.guards
        self.plan = plan

    def steps(self, state: State, member: int, me: Who, seat: Seat) -> Iterator[Step]:
        """Yield what a leader may do."""
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
                yield f"{name} hands off and stops", functools.partial(put, state, member, me._replace(seat=None))
        yield from self._change(state, member, me, seat)

    def _confirmed(self, state: State, member: int, me: Who, seat: Seat) -> State:
        if seat.step is None:
            # Opening at once is the hardest case: waiting lets in a part of what may happen here.
            return self._open(state, member, me, seat._replace(seated=True))
        rule = seat.step.rule
        return put(state, member, me._replace(seat=seat._replace(rule=rule, setting=rule, step=None)))

    def _open(self, state: State, member: int, me: Who, seat: Seat) -> State:
        said = {who for said_term, seq, who in state.said if (said_term, seq) == (seat.rule.term, 1)}
        if len(said) < seat.rule.acks and self.guards.row_opens:
            raise BrokenError(f"I4 {NAMES[member]} opens term {seat.rule.term} unconfirmed")
        # Readers see what was inherited from now on: it must not vanish.
        seen = {(index, record, seat.rule.term) for index, record in enumerate(me.log[: seat.row_end])}
        owed = state.owed | {entry for entry in seen if entry[1][1] == WRITE}
        return put(state, member, me._replace(seat=seat._replace(open=True)))._replace(owed=owed)

    def _write(self, state: State, member: int, me: Who) -> State:
        crashes, writes, losses, orders = state.left
        seat = me.seat
        timeline = me.log[-1][0] if seat is not None else 0
        me = me._replace(log=(*me.log, (timeline, WRITE)))
        return put(state, member, me)._replace(left=(crashes, writes - 1, losses, orders))

    def _acknowledge(self, state: State, member: int, me: Who, seat: Seat) -> Iterator[Step]:
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

    def _change(self, state: State, member: int, me: Who, seat: Seat) -> Iterator[Step]:
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

    def _caught_up(self, state: State, me: Who, seat: Seat, step: quorum.Step) -> bool:
        joining = set(step.rule.cohort) - set(seat.rule.cohort)
        ends = {NAMES[who]: end for term, who, end in state.acks if term == seat.rule.term}
        following = {NAMES[who] for who, other in enumerate(state.who) if other.follows == seat.rule.term}
        return all(name in following and ends.get(name, 0) >= len(me.log) for name in joining)

    def _begin(self, state: State, member: int, me: Who, seat: Seat, step: quorum.Step) -> State:
        first = step.order is quorum.Order.SETTING_FIRST
        if not self.guards.change_order:
            first = not first
        setting = step.rule if first else seat.setting
        return put(state, member, me._replace(seat=seat._replace(step=step, setting=setting, written=False)))

    def _row(self, state: State, member: int, me: Who, seat: Seat) -> State:
        if seat.step is None:
            return state
        rule = seat.step.rule
        log = (*me.log, (me.log[-1][0], rule.seq))
        return put(state, member, me._replace(rule=rule, log=log, seat=seat._replace(written=True)))
