"""An agent without its election: it does to its server what it is told, one JSON line per verb.

A line is `[number, verb, argument, ...]`; the answer `[number, seconds, result, reason, message]` carries a
reason only if the verb failed. Verbs run side by side; `cancel` ends one of them. The agent API answers meanwhile.
"""

import asyncio
import dataclasses
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from covet.agent import access as accessing
from covet.agent import (
    birth,
    cloning,
    following,
    handing,
    joining,
    logs,
    opening,
    positions,
    promoting,
    recloning,
    rejoining,
    running,
    watching,
)
from covet.agent import fencing as fencing_verbs
from covet.agent.api import Api
from covet.agent.children import Children, adopt_orphans
from covet.agent.instance import Instance
from covet.agent.settings import read_settings
from covet.core.agentapi import Rule, ShardSpec
from covet.core.agentorders import BootstrapOrder, CloneOrder
from covet.core.clock import Clock
from covet.core.errors import CovetError
from covet.engines import sessions
from covet.peers import codec
from covet.planner.election import machine
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Reign
from covet.planner.election.watch import Config, Role
from tests.e2e.process import lapses

Verb = Callable[..., Awaitable[object]]


def rule_of(values: dict[str, Any]) -> Rule:
    """Return the rule that a JSON object stands for."""
    return Rule(**{**values, "cohort": tuple(values["cohort"])})


async def bootstrap(inst: Instance) -> object:
    """Make the shard's first member; it reigns from then on, in term 1, so that others can be cloned from it."""
    await birth.bootstrap(inst, BootstrapOrder(inst.spec.cluster_uid, inst.spec.shard_uid))
    await running.start(inst, primary=True)
    await running.await_ready(inst, 60.0)
    rule = inst.rule
    assert rule is not None, "a newborn has a rule"
    await reign(inst, dataclasses.asdict(rule))
    return who(inst)


async def clone(inst: Instance, leader: str, system_id: str) -> object:
    """Make a further member."""
    await cloning.clone(inst, CloneOrder(leader, system_id))
    return who(inst)


def who(inst: Instance) -> object:
    """Return member and system id of a volume."""
    identity = inst.identity
    return {"member": identity.member, "system": identity.system_id} if identity else None


async def known(inst: Instance) -> object:
    """Return who this volume is."""
    return who(inst)


async def reign(inst: Instance, rule: dict[str, Any]) -> None:
    """Let the member reign by a rule, as the core would have it once its server is promoted."""
    assert inst.identity is not None, "an empty volume reigns over nothing"
    await inst.remember_promise(Sworn(rule["term"], rule_of(rule), led=rule["term"]))
    assert inst.sworn is not None, "sworn a line above"
    member = machine.start(Config(inst.identity.member), inst.sworn, (), 0)
    seat = Reign(rule["term"], rule_of(rule), 0, 0, promoted_at=0, seated=True)
    agent = dataclasses.replace(member.agent, role=Role.LEADER, reign=seat)
    inst.election.begin(dataclasses.replace(member, agent=agent))


async def depose(inst: Instance) -> None:
    """Let it reign no more."""
    inst.election.forget()


async def swear(inst: Instance, promise: int, rewinding: bool = False) -> None:
    """Promise a term."""
    known_rule, led = (inst.sworn.rule, inst.sworn.led) if inst.sworn else (None, 0)
    await inst.remember_promise(Sworn(promise, known_rule, led, rewinding))


async def promote(inst: Instance, term: int, rule: dict[str, Any]) -> int:
    """Promote and return how often it said that something moved."""
    moved = 0

    def progressed() -> None:
        nonlocal moved
        moved += 1

    await promoting.promote(inst, term, rule_of(rule), progressed)
    await reign(inst, rule)
    return moved


async def admits(inst: Instance) -> bool:
    """Tell whether clients are let in."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return await sessions.admits_clients(inst.settings.listen, inst.own.sql_port, tls)


async def position(inst: Instance) -> object:
    """Return the position as a pair."""
    found = await positions.read(inst)
    return [found.term, found.lsn] if found else None


async def fence(inst: Instance, term: int) -> object:
    """Fence and return the position as a pair."""
    found = await fencing_verbs.fence(inst, term)
    return [found.term, found.lsn] if found else None


async def await_row(inst: Instance, rule: dict[str, Any], lsn: int) -> None:
    """Wait for a row."""
    await following.await_row(inst, rule_of(rule), lsn)


async def set_rule(inst: Instance, rule: dict[str, Any] | None) -> None:
    """Let the settings name the members of a rule, or nobody."""
    from covet.agent import configuring  # noqa: PLC0415  a name of its own here would hide the verb's

    inst.setting_rule = rule_of(rule) if rule else None
    await configuring.apply(inst)


async def metric(inst: Instance, name: str) -> float:
    """Return the value of a metric without labels."""
    found = inst.metrics.registry.get_sample_value(name)
    return -1.0 if found is None else found


VERBS: dict[str, Verb] = {
    "bootstrap": bootstrap,
    "clone": clone,
    "who": known,
    "reign": reign,
    "depose": depose,
    "swear": swear,
    "promote": promote,
    "position": position,
    "fence": fence,
    "await_row": await_row,
    "set_rule": set_rule,
    "metric": metric,
    "follow": following.follow,
    "rejoin": rejoining.rejoin,
    "reclone": recloning.reclone,
    "hand_off": handing.hand_off,
    "make_slots": joining.make_slots,
    "advance_slots": joining.advance_slots,
    "start_closed": running.start_closed,
    "stop": running.stop,
    "stop_at_once": running.stop_at_once,
    "admits": admits,
    "close": accessing.close,
    "open": accessing.open_to_clients,
}


class Bench:
    """Reads lines until there are none, and stops the server then."""

    def __init__(self, inst: Instance) -> None:
        self._inst = inst
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Serve standard input."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            number, verb, *arguments = json.loads(line)
            self._tasks[number] = asyncio.create_task(self._do(number, VERBS[verb], arguments))

    async def _do(self, number: int, verb: Verb, arguments: list[Any]) -> None:
        began = time.perf_counter()
        result: object = None
        reason, message = "", ""
        try:
            result = await verb(self._inst, *arguments)
        except asyncio.CancelledError:
            reason = "Cancelled"
        except CovetError as error:
            reason, message = error.reason, f"{type(error).__name__}: {error.message}"
        except Exception as error:  # noqa: BLE001  whatever it is, the test has to see it
            reason, message = type(error).__name__, str(error)
        answer = [number, time.perf_counter() - began, result, reason, message]
        print(json.dumps(answer), flush=True)  # noqa: T201  this is a command line program


async def main() -> None:
    """Put an agent together, without election, loop and voter."""
    settings = read_settings()
    logs.configure("text", settings.instance)
    children = Children()
    adopt_orphans(asyncio.get_running_loop(), children)
    inst = Instance(settings, codec.decode(settings.spec.read_bytes(), ShardSpec), Clock(), children)
    await opening.look(inst)
    inst.client = await watching.open_client(inst)
    api = Api(inst)
    await api.start()
    try:
        await Bench(inst).run()
    finally:
        await running.stop_at_once(inst)
        await api.stop()
        await inst.client.close()


if __name__ == "__main__":
    if sys.argv[2]:
        lapses.take_away(sys.argv[2])
    asyncio.run(main())
