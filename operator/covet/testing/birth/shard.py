"""The birth of a shard in every order of events, with the operator's planner and the agent's own refusals (I13).

Two operators may work at once, each on what it saw long ago, and either may die after any action. Agents are killed
and come back, volumes are lost, orders come late or twice. What is left out on purpose: elections (any member with
the data may lead, one at a time) and clocks. An order reaches the process that ran when it was sent, or nobody, for it
travels on a connection; `orders_die` says what that is worth.
"""

import functools
from collections.abc import Iterator

from covet.testing.birth.operating import Operating, refused
from covet.testing.birth.state import (
    EMPTY,
    NAMES,
    STRANGE,
    Agent,
    Bounds,
    Left,
    Move,
    Order,
    Record,
    State,
    Volume,
    put_agent,
    put_volume,
)
from covet.testing.birth.tending import Tending
from covet.testing.election.checker import Model


class Birth(Model[State]):
    """The steps of a birth within bounds.

    Args:
        bounds: how far.
        lapses: safeguards that are off, of the operator (`Operating`), of the agents (`Tending`), and here:
            `volume_held` (one process at a time has a volume), `foreign_refused` (a volume is looked at before it is
            used), `orders_die` (an order does not outlive the process it was sent to).
    """

    def __init__(self, bounds: Bounds, lapses: frozenset[str] = frozenset()) -> None:
        self._bounds = bounds
        self._lapses = lapses
        self._operating = Operating(lapses)
        self._tending = Tending(lapses)
        count = bounds.instances
        volume = Volume("data", 1, opened=True) if bounds.open else EMPTY
        volumes = tuple(STRANGE if one == bounds.foreign else volume for one in range(count))
        agents = (*(Agent(self._look(one), bounds.open) for one in volumes), *(None for _ in range(bounds.twins)))
        self.first = State(
            volumes,
            agents,
            Record(1, opened=True) if bounds.open else Record(),
            published=bounds.open,
            orders=frozenset([Order("bootstrap", 0)] if bounds.open else []),
            operators=(None,) * bounds.operators,
            leader=0 if bounds.open else -1,
            served=int(bounds.open),
            made=int(bounds.open),
            left=Left(bounds.crashes, bounds.losses, bounds.cuts, bounds.records),
        )

    def _look(self, volume: Volume) -> Volume:
        """Return what an agent that starts takes its volume for."""
        return EMPTY if volume == STRANGE and "foreign_refused" in self._lapses else volume

    def canonical(self, state: State) -> State:
        """Name two states alike that differ by who of two operators is first."""
        return state._replace(operators=tuple(sorted(state.operators, key=lambda steps: steps or ())))

    def steps(self, state: State) -> Iterator[Move]:
        """Yield every step that may be next."""
        yield from self._operating.moves(state)
        if state.made < self._bounds.made or not any(agent and agent.task == "initdb" for agent in state.agents):
            yield from self._tending.moves(state)
        yield from self._lead(state)
        yield from self._start(state)
        yield from self._fail(state)

    def _lead(self, state: State) -> Iterator[Move]:
        """Yield who may lead, if nobody does."""
        if state.leader >= 0:
            return
        for instance, agent in enumerate(state.agents[: len(state.volumes)]):
            if agent is not None and agent.saw.holds == "data" and not refused(agent):
                yield f"{NAMES[instance]} leads", functools.partial(state._replace, leader=instance)

    def _start(self, state: State) -> Iterator[Move]:
        """Yield the start of every process that does not run and whose volume nobody holds."""
        for process, agent in enumerate(state.agents):
            instance = process if process < len(state.volumes) else 0
            held = any(
                other is not None
                for number, other in enumerate(state.agents)
                if number != process and (number if number < len(state.volumes) else 0) == instance
            )
            if agent is None and (not held or "volume_held" in self._lapses):
                volume = state.volumes[instance]
                fresh = Agent(self._look(volume), state.published or volume.opened)
                what = "" if process == instance else "a second agent of "
                yield f"{what}{NAMES[instance]} starts", functools.partial(put_agent, state, process, fresh)

    def _fail(self, state: State) -> Iterator[Move]:
        left = state.left
        for process, agent in enumerate(state.agents):
            if agent is not None and left.crashes:
                after = put_agent(state, process, None)._replace(left=left._replace(crashes=left.crashes - 1))
                if "orders_die" not in self._lapses:
                    after = after._replace(orders=frozenset(one for one in state.orders if one.process != process))
                if process == state.leader:
                    after = after._replace(leader=-1)
                what = NAMES[process] if process < len(state.volumes) else "the second agent of a"
                yield f"{what} dies", functools.partial(_same, after)
        for instance, volume in enumerate(state.volumes):
            if left.losses and volume not in {EMPTY, STRANGE} and state.agents[instance] is None:
                lost = put_volume(state, instance, EMPTY)._replace(left=left._replace(losses=left.losses - 1))
                yield f"{NAMES[instance]} loses its volume", functools.partial(_same, lost)
        if left.records and state.record != Record():
            gone = state._replace(record=Record(), left=left._replace(records=left.records - 1))
            yield "the record is lost and begun anew", functools.partial(_same, gone)


def _same(state: State) -> State:
    return state
