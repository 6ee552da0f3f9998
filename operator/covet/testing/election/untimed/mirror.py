"""Two states of three members that differ by names only are one."""

import functools
from typing import Final

from covet.core.agentapi import Rule
from covet.testing.election.untimed.state import State, Who

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


def swap(state: State) -> State:
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
