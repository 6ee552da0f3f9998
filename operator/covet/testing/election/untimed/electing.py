"""Elections of a shard without clocks: candidates, promises, hand-overs, promotions."""

import functools
import itertools
from collections.abc import Iterator

from covet.core.agentapi import Position, Rule
from covet.planner.election import candidacy, recruiting, rules
from covet.planner.election.messages import Recruited
from covet.testing.election.checker import BrokenError
from covet.testing.election.untimed.state import NAMES, Seat, State, Step, Who, put
from covet.testing.election.untimed.trial import Trial


class Electing:
    """The steps of members that nobody leads."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.bounds, self.guards = trial, trial.bounds, trial.guards
        self._choose = functools.cache(self._choose_uncached)

    def steps(self, state: State, member: int, me: Who) -> Iterator[Step]:
        """Yield what a member without a seat may do of itself."""
        if me.rule is not None and me.candidate == 0:
            yield from self._stand(state, member, me)
        if me.candidate:
            yield from self._decide(state, member, me)

    def _stand(self, state: State, member: int, me: Who) -> Iterator[Step]:
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
        me = self.trial.promise(me, term)._replace(candidate=term, follows=0)
        answer = (term, member, member, self.trial.position(me), me.rule)
        return put(state, member, me)._replace(asked=state.asked | {(term, member)}, answers=state.answers | {answer})

    def recruit(self, state: State, member: int, me: Who, term: int, candidate: int) -> Iterator[Step]:
        """Yield a member's promise to a candidate, if it may give it."""
        sworn = self.trial.sworn(me)
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
        me = self.trial.promise(me, term)._replace(candidate=0)
        if self.guards.fence_answers:
            me = me._replace(follows=0)
        if self.guards.stop_answers:
            me = me._replace(seat=None)
        answer = (term, candidate, member, self.trial.position(me), me.rule)
        return put(state, member, me)._replace(answers=state.answers | {answer})

    def _decide(self, state: State, member: int, me: Who) -> Iterator[Step]:
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
        state = put(state, member, me._replace(candidate=0))
        return state._replace(handed=state.handed | {(term, NAMES.index(choice.leader), choice.base)})

    def take_over(self, state: State, term: int, to: int, base: Rule) -> Iterator[Step]:
        """Yield the promotion of a member that a term was handed to, if it still takes it."""
        me = state.who[to]
        sworn = self.trial.sworn(me)
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
        timeline = term if "timeline_is_term" not in self.trial.lapses else me.log[-1][0] + 1
        log = (*me.log, (timeline, 1))
        seat = Seat(rule, rule, None, True, len(log), False, False)  # noqa: FBT003  written, not seated, not open
        led = term if self.guards.led_mark else me.led
        me = me._replace(led=led, rule=rule, log=log, candidate=0, follows=0, seat=seat)
        return put(state, member, me)._replace(reigns=(*state.reigns, (term, member, log[:-1])))


def _rank(answer: tuple[int, int, int, tuple[int, int], Rule | None]) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """Return what the answers to one candidate are ordered by."""
    return answer[2], answer[3], rules.age(answer[4]) if answer[4] is not None else (0, 0)
