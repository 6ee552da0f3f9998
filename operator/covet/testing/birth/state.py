"""What the birth of a shard is made of; see `covet.testing.birth.shard`."""

import dataclasses
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

NAMES: Final = ("a", "b", "c")
FOREIGN: Final = 9
"""System id of a database that belongs to somebody else."""


class Volume(NamedTuple):
    """The disk of an instance.

    Args:
        holds: a finished database (`data`), one that is being made (`initdb`) or copied (`clone`), or nothing (``).
        system: id of the database.
        opened: the agent was told that clients may enter.
    """

    holds: Literal["", "initdb", "clone", "data"] = ""
    system: int = 0
    opened: bool = False


EMPTY: Final = Volume()
STRANGE: Final = Volume("data", FOREIGN)


class Agent(NamedTuple):
    """A process that tends a volume; gone with a crash.

    Args:
        saw: the volume, as the process knows it.
        opened: what its spec says.
        task: `asked` once it took the order to initialise and asked its peers, else what it is amid.
    """

    saw: Volume
    opened: bool
    task: Literal["", "asked", "initdb", "clone"] = ""


class Record(NamedTuple):
    """What stands in the identity of the cluster, changed by compare-and-set."""

    system: int = 0
    opened: bool = False


class Order(NamedTuple):
    """What an operator sent to a process.

    Args:
        kind: `bootstrap`, `clone` or `open`.
        process: number of the process.
        source: instance to clone.
        system: what a clone has to be of.
    """

    kind: str
    process: int
    source: int = 0
    system: int = 0


class Step(NamedTuple):
    """One action that an operator decided and has not carried out: the name of the action, on whom, from whom."""

    kind: str
    instances: tuple[int, ...] = ()
    source: int = 0
    system: int = 0


class Left(NamedTuple):
    """Faults that may still come.

    Args:
        crashes: of agents.
        losses: of volumes whose agent is gone.
        cuts: of an agent from its peers, while it asks them.
        records: losses of the record.
    """

    crashes: int
    losses: int
    cuts: int
    records: int


class State(NamedTuple):
    """A shard that is being born.

    Args:
        volumes: of the instances.
        agents: processes; number n tends the volume of instance n, those beyond the first ones a's as well.
        record: as it is.
        published: the spec that starting agents read says opened.
        orders: that are on their way.
        operators: what each of them still means to do, None of one that has to look first.
        leader: number of the instance that leads, -1 without one.
        served: the system id that clients were let in to, 0 before.
        made: how many databases were made.
    """

    volumes: tuple[Volume, ...]
    agents: tuple[Agent | None, ...]
    record: Record
    published: bool
    orders: frozenset[Order]
    operators: tuple[tuple[Step, ...] | None, ...]
    leader: int
    served: int
    made: int
    left: Left


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How far a search goes.

    Args:
        instances: of the shard; the first one is to initialise it.
        operators: at once: the second one stands for one that was stalled, or lost its Lease and does not know.
        twins: processes that want the first volume beside its own agent.
        crashes, losses, cuts, records: as of `Left`.
        made: no more databases than that are made.
        foreign: number of an instance that begins with somebody else's database, -1 without one.
        open: the shard is open in the first state, and an order to initialise it, sent before, still travels.
    """

    instances: int = 2
    operators: int = 2
    twins: int = 0
    crashes: int = 1
    losses: int = 1
    cuts: int = 0
    records: int = 0
    made: int = 2
    foreign: int = -1
    open: bool = False


Move = tuple[str, Callable[[], State]]
"""What happens, as a clause for the counterexample, and what gives the state after it."""


def put_agent(state: State, process: int, agent: Agent | None) -> State:
    """Return the state with this process in place of another."""
    agents = state.agents
    return state._replace(agents=(*agents[:process], agent, *agents[process + 1 :]))


def put_volume(state: State, instance: int, volume: Volume) -> State:
    """Return the state with this volume in place of another."""
    volumes = state.volumes
    return state._replace(volumes=(*volumes[:instance], volume, *volumes[instance + 1 :]))
