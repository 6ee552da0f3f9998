"""What only a member that comes back into line shows: each safeguard keeps a promise that is broken without it."""

import json
from collections.abc import Awaitable, Callable

import pytest

from tests.e2e.process.lapses import REJOINING
from tests.e2e.process.test_rejoin import REWINDING, caught_up, diverge, fail_over
from tests.e2e.process.verbs import Cohort, Member, VerbError

DIRTY = "CREATE TABLE big AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 10000) AS n"
"""So much to write that the checkpoint after a promotion, which takes its time, is not over for seconds."""


async def lead(cohort: Cohort) -> tuple[Member, Member, Member]:
    """Let `a` lead term 2, with `b` and `c` streaming, and a table that is in nobody's files yet."""
    a, b, c = cohort.members
    await cohort.seat(2, a)
    await cohort.line_up(2, a, b, c)
    await a.sql("CREATE TABLE t (n integer)", "INSERT INTO t VALUES (1)", DIRTY)
    await caught_up(a, b, c)
    return a, b, c


async def rejoins(member: Member, leader: Member, term: int) -> bool:
    """Tell whether a member comes back into line by a rewind."""
    await member.do("swear", term, REWINDING)
    try:
        await member.do("rejoin", leader.name, term)
    except VerbError:
        return False
    return True


async def stays_itself(cohort: Cohort) -> bool:
    """Tell whether a member that was rewound still has its own name and the term that it led on its volume."""
    await lead(cohort)
    a, b, _ = await diverge(cohort)
    await rejoins(a, b, 3)
    (folder,) = (path for path in (a.data / "agent", a.pgdata / "agent") if path.exists())
    who, sworn = (json.loads((folder / name).read_text()) for name in ("member.json", "promise.json"))
    return bool((a.name, 2) == (who["member"], sworn["led"]))


async def fresh_leader_serves(cohort: Cohort) -> bool:
    """Tell whether a leader that was promoted a moment ago is one to rewind from."""
    await lead(cohort)
    a, b, _ = await diverge(cohort)
    return await rejoins(a, b, 3)


async def short_reign_is_settled(cohort: Cohort) -> bool:
    """Tell whether a leader whose reign ended before its first checkpoint is rewound."""
    a, b, c = await lead(cohort)
    await a.do("stop_at_once")
    await fail_over(cohort, 3, b, c)
    await b.sql("INSERT INTO t SELECT 666 FROM generate_series(1, 2000)")
    await b.do("depose")
    await b.do("stop_at_once")
    await fail_over(cohort, 4, c)
    return await rejoins(b, c, 4)


SCENARIOS: dict[str, Callable[[Cohort], Awaitable[bool]]] = {
    "state-outside-pgdata": stays_itself,
    "checkpoint-first": fresh_leader_serves,
    "signal-removed": short_reign_is_settled,
}


@pytest.mark.parametrize("kept", [True, False], ids=["with", "without"])
@pytest.mark.parametrize("safeguard", REJOINING)
async def test_a_safeguard_of_those_that_come_back_keeps_a_promise_that_is_broken_without_it(
    born: Cohort, safeguard: str, *, kept: bool
) -> None:
    """The promise stands with the safeguard and falls without it, all else alike."""
    for member in born.members:
        member.without = "" if kept else safeguard
    await born.reset()
    assert kept is await SCENARIOS[safeguard](born)
