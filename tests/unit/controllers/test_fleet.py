"""One task per cluster: bells coalesce, errors cost time and never the task."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from covet.controllers import fleet as fleets
from covet.controllers.act import ActionError
from covet.controllers.fleet import Fleet
from covet.controllers.pace import Moment
from covet.controllers.round import Reconciler
from covet.core.errors import ConflictError, CovetError, RefusedError, UnreachableError
from covet.planner import actions as act
from tests.unit.controllers.conftest import Bench

SETTLED = Moment(acted=False, settled=True, stalled=False, newborn=False, signature="")


class Script:
    """Rounds that do what a test says, and are counted per cluster."""

    def __init__(self) -> None:
        self.rounds: dict[str, int] = {}
        self.running = 0
        self.most = 0
        self.behave: Callable[[str, int], Moment | None] = lambda _name, _round: SETTLED
        self.takes = 0.0

    async def once(self, reconciler: Reconciler) -> Moment | None:
        """Stand in for a round."""
        name = reconciler._name
        self.rounds[name] = self.rounds.get(name, 0) + 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.takes)
            return self.behave(name, self.rounds[name])
        finally:
            self.running -= 1


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Rounds of the test's own."""
    script = Script()

    async def once(self: Reconciler) -> Moment | None:
        return await script.once(self)

    monkeypatch.setattr(Reconciler, "once", once)
    monkeypatch.setattr(fleets, "GAP", 0.01)
    return script


@pytest.fixture
async def fleet(bench: Bench) -> AsyncIterator[Fleet]:
    """A fleet without clusters."""
    fleet = Fleet(bench.tools, lambda _outcome, _seconds: None)
    yield fleet
    await fleet.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 -- looks at other tasks
            await asyncio.sleep(0.005)


async def test_an_event_about_a_cluster_starts_its_task(fleet: Fleet, script: Script) -> None:
    """An event about the object starts a task; one about a child of an unknown cluster does not."""
    fleet.ring("ns", "stray")
    fleet.ring("ns", "shop", found=True)
    await until(lambda: script.rounds == {"shop": 1})
    assert 1 == len(fleet)


async def test_rings_coalesce(fleet: Fleet, script: Script) -> None:
    """A hundred events during a round cost one more round."""
    script.takes = 0.05
    fleet.ring("ns", "shop", found=True)
    await until(lambda: script.running == 1)
    for _ in range(100):
        fleet.ring("ns", "shop")
    await asyncio.sleep(0.3)
    assert {"shop": 2} == script.rounds


async def test_a_settled_cluster_is_left_in_peace(fleet: Fleet, script: Script) -> None:
    """Without events a settled cluster waits for its cadence."""
    fleet.ring("ns", "shop", found=True)
    await asyncio.sleep(0.2)
    assert {"shop": 1} == script.rounds


@pytest.mark.parametrize(
    "error",
    [
        ConflictError("Conflict", "somebody was first"),
        UnreachableError("ApiServerUnreachable", "no answer"),
        ActionError(act.Open("s0", "shop-s0-a"), RefusedError("RuleUnconfirmed", "not yet")),
        RuntimeError("a bug"),
        TimeoutError(),
    ],
)
async def test_no_error_ends_a_task(
    fleet: Fleet, script: Script, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a round ends with, the next one comes."""

    def fail(_name: str, count: int) -> Moment | None:
        if count == 1:
            raise error
        return SETTLED

    script.behave = fail
    fleet.ring("ns", "shop", found=True)
    await until(lambda: script.rounds.get("shop", 0) == 1)
    fleet.ring("ns", "shop")
    await until(lambda: script.rounds.get("shop", 0) >= 2)
    traces = [record for record in caplog.records if record.exc_info]
    assert (1 if isinstance(error, RuntimeError) else 0) == len(traces)


async def test_a_task_ends_with_its_object(fleet: Fleet, script: Script) -> None:
    """A deleted cluster leaves no task; its name may come again."""
    script.behave = lambda _name, _count: None
    fleet.ring("ns", "shop", found=True)
    await until(lambda: len(fleet) == 0)
    script.behave = lambda _name, _count: SETTLED
    fleet.ring("ns", "shop", found=True)
    await until(lambda: script.rounds["shop"] >= 2)
    assert 1 == len(fleet)


async def test_more_clusters_than_threads_all_get_their_turn(fleet: Fleet, script: Script) -> None:
    """A hundred clusters reconcile, sixteen at a time."""
    script.takes = 0.01
    for index in range(100):
        fleet.ring("ns", f"c{index}", found=True)
    await until(lambda: len(script.rounds) == 100)
    assert script.most <= fleets.PARALLEL_ROUNDS


async def test_a_slow_cluster_holds_up_no_other(fleet: Fleet, script: Script) -> None:
    """While one round hangs, others go on."""
    gate = asyncio.Event()

    async def hang(reconciler: Reconciler) -> Moment | None:
        if reconciler._name == "slow":
            await gate.wait()
        script.rounds[reconciler._name] = 1
        return SETTLED

    script.once = hang  # type: ignore[method-assign]  # the stand-in of this test
    fleet.ring("ns", "slow", found=True)
    fleet.ring("ns", "quick", found=True)
    await until(lambda: "quick" in script.rounds)
    assert {"quick": 1} == script.rounds
    gate.set()
    await until(lambda: "slow" in script.rounds)
    assert {"quick": 1, "slow": 1} == script.rounds


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(CovetError("Odd", "odd"), "Odd"), (TimeoutError(), "TimedOut"), (RuntimeError("a bug"), "Failed")],
)
async def test_outcomes_are_counted(bench: Bench, script: Script, error: Exception, outcome: str) -> None:
    """Each round is counted by how it ended; only a bug counts as Failed."""
    seen: list[str] = []
    fleet = Fleet(bench.tools, lambda outcome, _seconds: seen.append(outcome))

    def behave(_name: str, count: int) -> Moment | None:
        if count == 1:
            raise error
        return None

    script.behave = behave
    fleet.ring("ns", "shop", found=True)
    await until(lambda: seen == [outcome])
    fleet.ring("ns", "shop")
    await until(lambda: len(fleet) == 0)
    assert [outcome, "Gone"] == seen
