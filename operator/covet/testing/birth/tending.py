"""What agents do in the model: they take orders or refuse them by the real rules, make databases, copy and open."""

import functools
from collections.abc import Iterator
from typing import Literal

from covet.planner import initialising
from covet.planner.initialising import Ground
from covet.testing.birth import operating
from covet.testing.birth.operating import INSTANCES, UID
from covet.testing.birth.state import FOREIGN, NAMES, Agent, Move, Order, State, Volume, put_agent, put_volume
from covet.testing.election.checker import BrokenError


class Tending:
    """The steps of agents.

    Args:
        lapses: safeguards that are off: `born_refused`, `opened_refused`, `peers_asked`.
    """

    def __init__(self, lapses: frozenset[str]) -> None:
        self._lapses = lapses

    def moves(self, state: State) -> Iterator[Move]:
        """Yield what each process may do next."""
        for order in sorted(state.orders):
            agent = state.agents[order.process]
            if agent is not None and agent.task == "":
                yield from self._take(state, order, agent)
        for process, agent in enumerate(state.agents):
            if agent is not None and agent.task:
                yield from self._go_on(state, process, agent)

    def _take(self, state: State, order: Order, agent: Agent) -> Iterator[Move]:
        """Yield what becomes of an order; it may come again, and one that is refused changes nothing."""
        name, process = _name(state, order.process), order.process
        if order.kind == "bootstrap":
            if self._refuses(state, process, agent):
                return
            asked = put_agent(state, process, agent._replace(task="asked"))
            if not self._peers_refuse(state, process):
                yield f"{name} takes the order to initialise; no peer that answers has data", lambda: asked
            elif state.left.cuts:
                cut = asked._replace(left=state.left._replace(cuts=state.left.cuts - 1))
                yield f"{name} takes the order to initialise, cut off from its peers", lambda: cut
        elif order.kind == "clone":
            if agent.saw.holds != "data":
                begin = functools.partial(_begin, state, (process, agent), "clone")
                yield f"{name} begins to copy {NAMES[order.source]}", begin
        elif state.leader == _instance(state, process) and not agent.saw.opened:
            yield f"{name} lets clients in", functools.partial(_open, state, process, agent)

    def _go_on(self, state: State, process: int, agent: Agent) -> Iterator[Move]:
        name = _name(state, process)
        if agent.task == "asked":
            if self._refuses(state, process, agent):
                yield f"{name} refuses after all", lambda: put_agent(state, process, agent._replace(task=""))
            else:
                yield f"{name} begins initdb", functools.partial(_begin, state, (process, agent), "initdb")
        elif agent.task == "initdb":
            yield f"{name} has initialised the shard", functools.partial(_bear, state, (process, agent))
        else:
            for order in sorted(state.orders):
                source = state.volumes[order.source]
                if order.kind != "clone" or order.process != process or state.agents[order.source] is None:
                    continue
                if state.leader == order.source and source.system == order.system:
                    copy = functools.partial(_copy, state, (process, agent), source.system)
                    yield f"{name} has copied {NAMES[order.source]}", copy

    def _refuses(self, state: State, process: int, agent: Agent) -> bool:
        """Tell whether the agent may not initialise, by what it knows of itself."""
        origins = {"": None, "initdb": "Bootstrap", "clone": initialising.CLONE, "data": "Bootstrap"}
        foreign = operating.refused(agent)
        ground = Ground(
            INSTANCES[_instance(state, process)],
            operating.spec(len(state.volumes), opened=agent.opened),
            refusal=("VolumeForeign", "It is somebody else's.") if foreign else None,
            origin=origins[agent.saw.holds],
            born=agent.saw.holds == "data" and "born_refused" not in self._lapses,
            opened=(agent.opened or agent.saw.opened) and "opened_refused" not in self._lapses,
        )
        return initialising.refuse(ground, (UID, UID)) is not None

    def _peers_refuse(self, state: State, process: int) -> bool:
        """Tell whether a peer that answers holds a database."""
        if "peers_asked" in self._lapses:
            return False
        members = {
            INSTANCES[other]: operating.member(other, agent) if agent.saw.holds == "data" else None
            for other, agent in enumerate(state.agents[: len(state.volumes)])
            if agent is not None and other != _instance(state, process) and not operating.refused(agent)
        }
        return initialising.refuse_for_peers(members) is not None


Tended = tuple[int, Agent]
"""A process by its number, and what it knows."""


def _begin(state: State, by: Tended, how: Literal["initdb", "clone"]) -> State:
    """Wipe what is unfinished and note how the new database comes; whatever else is there must not be touched."""
    process, agent = by
    instance = _instance(state, process)
    there = state.volumes[instance]
    if there.holds == "data":
        whose = "somebody else's database" if there.system == FOREIGN else "a finished database"
        raise BrokenError(f"I13 {_name(state, process)} wipes {whose}")
    if how == "initdb":
        _check_first(state, process)
    volume = Volume(how)
    return put_agent(put_volume(state, instance, volume), process, agent._replace(saw=volume, task=how))


def _check_first(state: State, process: int) -> None:
    """Complain if the shard had been initialised before (I13)."""
    name, instance = _name(state, process), _instance(state, process)
    if state.served:
        raise BrokenError(f"I13 {name} initialises a shard that clients have used")
    for other, volume in enumerate(state.volumes):
        if other != instance and volume.holds == "data" and volume.system != FOREIGN:
            raise BrokenError(f"I13 {name} initialises the shard, though {NAMES[other]} has its data")


def _bear(state: State, by: Tended) -> State:
    """Finish a database that was made here."""
    return _finish(state._replace(made=state.made + 1), by, state.made + 1)


def _copy(state: State, by: Tended, system: int) -> State:
    """Finish a database that was copied."""
    name = _name(state, by[0])
    if state.served not in {0, system}:
        raise BrokenError(f"I13 {name} copies system {system}, after clients used {state.served}")
    others = {volume.system for volume in state.volumes if volume.holds == "data"} - {FOREIGN, system}
    if others:
        raise BrokenError(f"I13 {name} copies system {system}, beside system {others.pop()}")
    return _finish(state, by, system)


def _finish(state: State, by: Tended, system: int) -> State:
    process, agent = by
    volume = Volume("data", system, agent.opened)
    orders = frozenset(order for order in state.orders if order.process != process or order.kind != "clone")
    state = put_volume(state._replace(orders=orders), _instance(state, process), volume)
    return put_agent(state, process, agent._replace(saw=volume, task=""))


def _open(state: State, process: int, agent: Agent) -> State:
    system = agent.saw.system
    if state.served not in {0, system}:
        raise BrokenError(f"I13 clients are let in to system {system}, after they used {state.served}")
    volume = agent.saw._replace(opened=True)
    state = put_volume(state._replace(served=system), _instance(state, process), volume)
    return put_agent(state, process, agent._replace(saw=volume))


def _instance(state: State, process: int) -> int:
    """Return whose volume a process tends."""
    return process if process < len(state.volumes) else 0


def _name(state: State, process: int) -> str:
    return NAMES[process] if process < len(state.volumes) else "a second agent of a"
