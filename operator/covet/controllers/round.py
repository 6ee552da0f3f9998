"""One round for one cluster: observe, plan, report, act."""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterable

from covet.controllers import act as acting
from covet.controllers.act import ActionError, Outcome
from covet.controllers.agents import Agents
from covet.controllers.freshness import Means
from covet.controllers.observe import Observer, Seen
from covet.controllers.pace import Moment
from covet.controllers.report import Reporter
from covet.controllers.rivals import Rivals
from covet.controllers.setbacks import Setbacks
from covet.core import events
from covet.core.agentapi import AgentStatus
from covet.core.clock import Clock
from covet.core.settings import Settings
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.ledger import Ledger
from covet.kube.resources import Manifest
from covet.manifests.certificates import Lifetimes
from covet.manifests.metadata import ClusterRef
from covet.planner import actions as act
from covet.planner import cluster, status, telling
from covet.planner.facts import Finding
from covet.planner.plan import Plan

_log = logging.getLogger(__name__)
_rounds = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Observed:
    """What a round read of a cluster, for whoever compares it with what the watch delivered."""

    resource: resources.Resource
    key: tuple[str, str]
    version: str
    cluster: str


Witness = Callable[[Iterable[Observed]], None]
"""Told of every watched object that a round read."""


@dataclasses.dataclass(frozen=True)
class Tools:
    """What a round works with, shared by all clusters.

    Args:
        count_action: told of each action and its outcome.
        witness: told of what was read.
        ready: told of namespace, name and whether the cluster is ready; None once it is gone.
        rivals: says which clusters are another operator's.
    """

    kube: Kube
    settings: Settings
    clock: Clock
    count_action: Callable[[str, str], None]
    witness: Witness
    ready: Callable[[str, str, bool | None], None]
    rivals: Rivals


class Reconciler:
    """The rounds of one cluster.

    Args:
        namespace: of the cluster.
        name: of the cluster.
    """

    def __init__(self, tools: Tools, namespace: str, name: str) -> None:
        self._tools = tools
        self._namespace = namespace
        self._name = name
        self._agents = Agents(tools.clock)
        applied = Ledger()
        self._observer = Observer(tools.kube, tools.settings, tools.clock, self._agents, applied)
        lifetimes = Lifetimes(tools.settings.certificate_lifetime, tools.settings.authority_lifetime)
        self._means = Means(tools.kube, tools.clock, self._agents, applied, lifetimes=lifetimes)
        self._reporter = Reporter(tools.kube, tools.clock)
        self._setbacks = Setbacks()
        self._told = ""
        self._told_of_upkeep = ""

    async def close(self) -> None:
        """End the connections."""
        await self._agents.close()

    async def once(self) -> Moment | None:
        """Do one round; None means that the object is gone.

        Raises:
            CovetError: the API server did not answer, or somebody changed an object first.
            ActionError: an action failed.
        """
        body = await self._tools.kube.get(resources.CLUSTER, self._namespace, self._name)
        if body is None:
            self._tools.ready(self._namespace, self._name, None)
            self._tools.rivals.forget((self._namespace, self._name))
            return None
        rival = await self._tools.rivals.judge((self._namespace, self._name), body)
        if rival is not None:
            return await self._leave_alone(body, rival)
        seen = await self._observer.look(body)
        self._tools.witness(_witnessed(body, seen))
        now = self._tools.clock.wall()
        plan = cluster.plan_cluster(seen.facts, now)
        self._log_plan(seen, plan)
        self._setbacks.planned(_kinds(plan))
        await self._say(body, seen, plan)
        if seen.facts.deleting:
            return _moment(seen, plan, Outcome())
        return _moment(seen, plan, await self._do(seen, plan))

    async def _leave_alone(self, body: Manifest, rival: Finding) -> Moment:
        """Tell people that another operator serves the cluster; its status is the other one's to write.

        What was applied is forgotten: whatever the other one makes of the objects is no drift.
        """
        self._means.applied.forget()
        if self._told != rival.message:
            self._told = rival.message
            _log.warning(rival.message, extra={"cluster": f"{self._namespace}/{self._name}", "reason": rival.reason})
        ref = ClusterRef(self._name, self._namespace, body["metadata"]["uid"])
        await self._reporter.warn(ref, (rival,))
        return Moment(acted=False, settled=False, stalled=True, newborn=False, signature=rival.message)

    async def _say(self, body: Manifest, seen: Seen, plan: Plan) -> None:
        """Report before acting."""
        said = status.report(seen.facts, plan, self._tools.clock.wall(), self._setbacks.findings)
        await self._reporter.write_status(seen.ref, body, said)
        ready = any(entry.type == "Ready" and entry.status == "True" for entry in said.conditions)
        self._tools.ready(self._namespace, self._name, ready)
        for happened in telling.news(seen.facts.status, said):
            await self._announce(seen, happened)
        await self._reporter.warn(seen.ref, (*plan.findings, *self._setbacks.findings))

    async def _do(self, seen: Seen, plan: Plan) -> Outcome:
        outcome = Outcome()
        try:
            await acting.carry_out(self._means, seen, plan, self._tools.count_action, outcome)
        finally:
            self._setbacks.round(outcome.done, ((error.action, error.cause) for error in outcome.failed))
            await self._tell(seen, outcome.done)
        self._log_upkeep(outcome.failed)
        return outcome

    async def _tell(self, seen: Seen, done: list[act.Action]) -> None:
        for action in done:
            if isinstance(action, act.RecordSystemId):
                await self._reporter.tell(seen.ref, events.SHARD_BOOTSTRAPPED, f"{action.shard} was initialised.")
            elif isinstance(action, act.AdoptIdentity):
                what = f"Took over the volumes of the earlier cluster {action.cluster_uid}."
                await self._reporter.tell(seen.ref, events.ADOPTED, what)
            elif isinstance(action, act.RecordOpened):
                await self._reporter.tell(seen.ref, events.SHARD_OPENED, f"{action.shard} was opened to clients.")
        while self._means.news:
            await self._announce(seen, self._means.news.pop(0))

    async def _announce(self, seen: Seen, happened: telling.News) -> None:
        if happened.warning:
            await self._reporter.warn(seen.ref, (Finding(happened.reason, happened.message),))
        else:
            await self._reporter.tell(seen.ref, happened.reason, happened.message)

    def _log_plan(self, seen: Seen, plan: Plan) -> None:
        line = f"{plan.reason}: {plan.message}"
        fields = {
            "round": next(_rounds),
            "cluster": f"{self._namespace}/{self._name}",
            "next": [_named(action) for action in plan.everything],
        }
        level = logging.DEBUG if line == self._told and plan.empty else logging.INFO
        self._told = line
        _log.log(level, line, extra=fields)
        for finding in plan.findings:
            _log.debug(finding.message, extra={**fields, "reason": finding.reason, "generation": seen.facts.generation})

    def _log_upkeep(self, failed: Iterable[ActionError]) -> None:
        """Log what failed and is tried again, once; failures of anything else end the round and are logged there."""
        line = "; ".join(str(error) for error in failed)
        level = logging.INFO if line != self._told_of_upkeep else logging.DEBUG
        self._told_of_upkeep = line
        if line:
            _log.log(level, f"upkeep failed: {line}", extra={"cluster": f"{self._namespace}/{self._name}"})


def _kinds(plan: Plan) -> list[str]:
    """Return the kinds of all actions of a plan, in order."""
    return [type(action).__name__ for action in plan.everything]


def _named(action: act.Action) -> str:
    shard = getattr(action, "shard", "")
    return f"{shard}:{type(action).__name__}" if shard else type(action).__name__


def _witnessed(body: Manifest, seen: Seen) -> Iterable[Observed]:
    cluster = seen.ref.name
    yield _observed(resources.CLUSTER, body, cluster)
    for item in seen.objects.values():
        if item["kind"] == resources.POD.kind:
            yield _observed(resources.POD, item, cluster)
        elif item["kind"] == resources.STATEFUL_SET.kind:
            yield _observed(resources.STATEFUL_SET, item, cluster)


def _observed(resource: resources.Resource, item: Manifest, cluster: str) -> Observed:
    metadata = item["metadata"]
    return Observed(resource, (metadata["namespace"], metadata["name"]), metadata.get("resourceVersion", ""), cluster)


def _moment(seen: Seen, plan: Plan, outcome: Outcome) -> Moment:
    facts = seen.facts
    newborn = facts.identity is not None and not all(known.opened for known in facts.identity.shards)
    states = [
        (instance.name, instance.agent.state.value, instance.agent.serving.value, instance.agent.streaming)
        if isinstance(instance.agent, AgentStatus)
        else (instance.name, type(instance.agent).__name__)
        for shard in facts.shards
        for instance in shard.instances
    ]
    return Moment(
        acted=bool(outcome.done),
        settled=(plan.settled or plan.reason == events.PAUSED) and not outcome.failed,
        stalled=any(finding.stalls for finding in plan.findings),
        newborn=newborn and not facts.paused,
        signature=f"{plan.reason}|{plan.message}|{states}|{_kinds(plan)}",
    )
