"""What the operator does in the model: it looks, plans with the real planner, and acts one action after the other.

Between any two of these it may be stalled for as long as it likes, or die. Before each act it reads the record again.
"""

import functools
import itertools
from collections.abc import Iterator
from typing import Final

from covet.core import names
from covet.core.agentapi import AgentStatus, Durability, MemberState, Peer, Rule, Serving, ShardSpec
from covet.planner import actions as act
from covet.planner import quorum, record, shard
from covet.planner.facts import InstanceFacts, MapFacts, ShardFacts
from covet.testing.birth.state import FOREIGN, NAMES, Agent, Move, Order, Record, State, Step, put_agent
from covet.testing.election.checker import BrokenError

CLUSTER: Final = "shop"
SHARD: Final = "s0"
UID: Final = "uid"
DATABASE: Final = "app"
MAP: Final = MapFacts(1, "{}", "none", "0", {})
INSTANCES: Final = tuple(names.instance(CLUSTER, SHARD, letter) for letter in NAMES)


class Operating:
    """The steps of operators.

    Args:
        lapses: safeguards that are off: `record_read_again`, `record_compared`.
    """

    def __init__(self, lapses: frozenset[str]) -> None:
        self._lapses = lapses
        self._plan = functools.cache(self._plan_uncached)

    def moves(self, state: State) -> Iterator[Move]:
        """Yield what each operator may do next."""
        for number, steps in enumerate(state.operators):
            name = f"operator {number + 1}"
            if steps is None:
                yield from self._look(state, number, name)
                continue
            step, rest = steps[0], steps[1:] or None
            yield f"{name} is stopped", functools.partial(_mean, state, number, None)
            if self._allows(state, step):
                yield f"{name}: {_tell(step)}", functools.partial(self._act, state, number, step, rest)
            else:
                yield f"{name} does not {step.kind}: refused", functools.partial(_mean, state, number, None)

    def _look(self, state: State, number: int, name: str) -> Iterator[Move]:
        """Yield a plan for every choice of agents that answer in time."""
        n = len(state.volumes)
        up = [instance for instance in range(n) if state.agents[instance] is not None]
        found = set()
        for size in range(len(up), -1, -1):
            for answering in itertools.combinations(up, size):
                told = tuple(state.agents[one] if one in answering else None for one in range(n))
                steps = self._plan(told, state.record, state.leader if state.leader in answering else -1)
                if steps and steps not in found:
                    found.add(steps)
                    who = "".join(NAMES[one] for one in answering) or "nobody"
                    yield (
                        f"{name} hears {who}, means to {', '.join(map(_tell, steps))}",
                        functools.partial(_mean, state, number, steps),
                    )

    def _allows(self, state: State, step: Step) -> bool:
        """Tell whether the record, as it is now, allows an action."""
        known = state.record
        match step.kind:
            case "bootstrap":
                asks = record_of(known).asks(INSTANCES[step.instances[0]])
                return asks or "record_read_again" in self._lapses
            case "clone":
                return known.system == step.system
            case "record":
                return known.system in {0, step.system} or "record_compared" in self._lapses
            case "record opened":
                return known.system != 0
            case "open":
                return known.opened
        return True

    def _act(self, state: State, number: int, step: Step, rest: tuple[Step, ...] | None) -> State:
        """Carry out an action that is allowed."""
        known = state.record
        match step.kind:
            case "publish":
                state = state._replace(published=True)
            case "push":
                state = _tell_opened(state, step.instances)
            case "record":
                if known.system not in {0, step.system}:
                    raise BrokenError(f"I13 the record of system {known.system} names system {step.system}")
                state = state._replace(record=known._replace(system=step.system))
            case "record opened":
                state = state._replace(record=known._replace(opened=True))
            case _:
                state = state._replace(orders=state.orders.union(_sent(state, step)))
        return _mean(state, number, rest)

    def _plan_uncached(self, told: tuple[Agent | None, ...], known: Record, leader: int) -> tuple[Step, ...]:
        """Plan as the operator does, and leave out what is of no matter here."""
        wanted = spec(len(told), opened=known.opened)
        cohort = tuple(sorted(member(one, agent) for one, agent in enumerate(told) if _whole(agent)))
        seen = ShardFacts(
            SHARD,
            tuple(
                InstanceFacts(INSTANCES[one], agent=None if agent is None else status(one, agent, leader, cohort))
                for one, agent in enumerate(told)
            ),
        )
        plan = shard.plan_shard(seen, record_of(known), shard.Wish(wanted, DATABASE, MAP))
        steps = [step for action in plan.actions if (step := _step(action)) is not None]
        return (*((Step("publish"),) if known.opened and steps else ()), *steps)


def spec(instances: int, *, opened: bool) -> ShardSpec:
    """Return what the agents are told."""
    peers = tuple(Peer(instance, "", 1, 1, 1) for instance in INSTANCES[:instances])
    generation = 2 if opened else 1
    return ShardSpec(generation, CLUSTER, UID, "", SHARD, UID, "15", INSTANCES[0], opened, Durability.QUORUM, peers)


def record_of(known: Record) -> record.ShardRecord:
    """Return the record as the operator reads it."""
    system = str(known.system) if known.system else None
    return record.ShardRecord(SHARD, UID, INSTANCES[0], system_id=system, opened=known.opened)


def member(instance: int, agent: Agent | None) -> str:
    """Return the name of a member."""
    return names.member(SHARD, NAMES[instance], f"{agent.saw.system if agent else 0:012d}")


def status(instance: int, agent: Agent, leader: int, cohort: tuple[str, ...]) -> AgentStatus:
    """Return what an agent answers."""
    who, own = INSTANCES[instance], member(instance, agent)
    if refused(agent):
        return AgentStatus(1, "1", who, MemberState.REFUSED, "VolumeForeign", "", Serving.CLOSED)
    if not _whole(agent):
        states = {"initdb": MemberState.BOOTSTRAPPING, "asked": MemberState.BOOTSTRAPPING, "clone": MemberState.CLONING}
        state = states.get(agent.task, MemberState.EMPTY)
        return AgentStatus(1, "1", who, state, "", "", Serving.CLOSED, spec_generation=1 + agent.opened)
    leads = instance == leader
    return AgentStatus(
        1,
        "1",
        who,
        MemberState.LEADER if leads else MemberState.FOLLOWER,
        "",
        "",
        Serving.READ_WRITE if leads and agent.saw.opened else Serving.CLOSED,
        member=own,
        system_id=str(agent.saw.system),
        rule=Rule(1, 1, own, cohort, quorum.acks_for(len(cohort), Durability.QUORUM)) if leads else None,
        streaming=not leads,
        spec_generation=1 + agent.opened,
        shard_uid=UID,
        database=DATABASE,
        map_epoch=1,
    )


def refused(agent: Agent) -> bool:
    """Tell whether an agent does not touch its volume."""
    return agent.saw.holds == "data" and agent.saw.system == FOREIGN


def _whole(agent: Agent | None) -> bool:
    return agent is not None and agent.saw.holds == "data" and not refused(agent)


def _tell_opened(state: State, instances: tuple[int, ...]) -> State:
    """Hand agents the spec that says opened."""
    for instance in instances:
        agent = state.agents[instance]
        if agent is not None:
            state = put_agent(state, instance, agent._replace(opened=True))
    return state


def _sent(state: State, step: Step) -> Iterator[Order]:
    """Yield an order to every process that runs on one of the instances."""
    for process, agent in enumerate(state.agents):
        instance = process if process < len(state.volumes) else 0
        if agent is not None and instance in step.instances:
            yield Order(step.kind, process, step.source, step.system)


def _step(action: act.Action) -> Step | None:
    """Return an action of the planner in the words of the model; None if it is of no matter here."""
    found: Step | None = None
    match action:
        case act.PushSpec(_, instances):
            found = Step("push", tuple(map(INSTANCES.index, instances)))
        case act.Bootstrap(_, instance):
            found = Step("bootstrap", (INSTANCES.index(instance),))
        case act.RecordSystemId(_, system):
            found = Step("record", system=int(system))
        case act.Clone(_, instances, leader, system):
            found = Step("clone", tuple(map(INSTANCES.index, instances)), INSTANCES.index(leader), int(system))
        case act.RecordOpened():
            found = Step("record opened")
        case act.Open(_, leader):
            found = Step("open", (INSTANCES.index(leader),))
    return found


def _mean(state: State, number: int, steps: tuple[Step, ...] | None) -> State:
    operators = list(state.operators)
    operators[number] = steps
    return state._replace(operators=tuple(operators))


def _tell(step: Step) -> str:
    whom = " ".join(NAMES[instance] for instance in step.instances)
    system = f" system {step.system}" if step.system else ""
    return f"{step.kind} {whom}".rstrip() + system
