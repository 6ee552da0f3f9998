"""Replacing the application's password while it is in use: what comes next. Pure.

Two login roles take turns. The following one is made on every shard before the Secret names it, and the former one
goes when nothing has used it for a while on any instance. So at every moment what stands in the Secret opens sessions
on every shard, and so does what stood in it before for as long as somebody uses it. Each step is found done or undone
in what is observed; only who follows whom is recorded, before anything is made.
"""

import dataclasses
import enum
from typing import Final

from covet.core import names
from covet.core.agentapi import AgentStatus, Login, Serving
from covet.planner import routers
from covet.planner import shard as shards
from covet.planner.actions import Action
from covet.planner.facts import ClusterFacts, Credentials, ShardFacts, Unreachable
from covet.planner.loginactions import BeginRotation, EndRotation, PutLogin, RetireLogin, StageLogin, SwitchLogin
from covet.planner.record import Identity, Rotation

UNUSED_SECONDS: Final = 60.0
"""How long every look has to find the former login unused: who connects for a moment only is seen then too."""
LONGEST_TOKEN: Final = 253
"""Characters of the annotation that tell one order from another."""


class Phase(enum.StrEnum):
    """How far a rotation is."""

    WAITING = "Waiting"
    """Ordered, and not begun."""
    PREPARING = "Preparing"
    """The new login is made on every shard; the Secret names the one before."""
    DRAINING = "Draining"
    """The Secret names the new login; the one before works until nothing uses it."""
    DONE = "Done"
    """The new login is the only one."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Where a rotation stands.

    Args:
        token: that ordered it.
        former: the login before, None once it is gone.
        message: what is waited for, as a sentence.
        actions: next; orders to several shards depend on none of each other.
    """

    phase: Phase
    token: str
    login: str
    former: str | None
    message: str
    actions: tuple[Action, ...] = ()


def decide(facts: ClusterFacts, identity: Identity) -> Verdict | None:
    """Return where the rotation of the password stands and what is done next, None if there never was one."""
    asked = facts.annotations.get(names.ANNOTATION_ROTATE, "").strip()[:LONGEST_TOKEN]
    turn, secret = identity.rotation, facts.credentials
    if turn is not None and turn.former is not None:
        if secret is None:
            message = "The Secret with the password is gone; it is made anew first."
            return Verdict(Phase.PREPARING, turn.token, turn.login, turn.former, message)
        if secret.username != turn.login:
            return _prepare(facts, identity, turn, secret)
        return _drain(facts, identity, turn)
    if asked and (turn is None or turn.token != asked):
        return _begin(identity, asked, secret)
    if turn is None:
        return None
    return Verdict(Phase.DONE, turn.token, turn.login, None, f"The application logs in as {turn.login}.")


def current(identity: Identity) -> str:
    """Return the login that a Secret names which is made anew: one that no step of a rotation has taken away."""
    turn = identity.rotation
    if turn is None:
        return identity.born.database.owner
    return turn.former or turn.login


def in_use(seen: tuple[ShardFacts, ...], role: str) -> tuple[str, ...]:
    """Return the instances where sessions use a login, or may: who does not answer is no proof of silence."""
    return tuple(instance.name for found in seen for instance in found.instances if _may_be_used(instance.agent, role))


def _may_be_used(agent: AgentStatus | Unreachable | None, role: str) -> bool:
    if agent is None:
        return False  # no pod runs
    if isinstance(agent, Unreachable):
        return True
    if agent.logins is None:
        return agent.serving is not Serving.CLOSED
    return any(login.used for login in agent.logins if login.role == role)


def _begin(identity: Identity, asked: str, secret: Credentials | None) -> Verdict:
    owner = identity.born.database.owner
    former = secret.username if secret is not None else ""
    first, second = names.logins(owner)
    login = second if former == first else first
    if former not in {owner, first, second}:
        message = f"The Secret with the password names no login of {owner}: it is put right, or made anew, first."
        return Verdict(Phase.WAITING, asked, login, None, message)
    unopened = [known.name for known in identity.shards if not known.opened]
    if unopened:
        message = f"The password is replaced once every shard is open; left are {', '.join(unopened)}."
        return Verdict(Phase.WAITING, asked, login, former, message)
    begin = BeginRotation(Rotation(asked, login, former))
    return Verdict(Phase.WAITING, asked, login, former, f"{login} follows {former}.", (begin,))


def _prepare(facts: ClusterFacts, identity: Identity, turn: Rotation, secret: Credentials) -> Verdict:
    verdict = Verdict(Phase.PREPARING, turn.token, turn.login, turn.former, f"{turn.login} gets a password.")
    if secret.staged != turn.login:
        return dataclasses.replace(verdict, actions=(StageLogin(turn.login),))
    if secret.staged_digest is None:
        message = "The Secret of the cluster's authority is gone: put it back, and the rotation goes on."
        return dataclasses.replace(verdict, message=message)
    lacking = [seen for seen in facts.shards if _staged(identity, seen.name) != secret.staged_digest]
    if not lacking:
        unread = routers.unread_verifier(facts, turn.login)
        if unread is not None:
            return dataclasses.replace(verdict, message=unread)
        message = f"Every shard takes {turn.login}; the Secret is about to name it."
        return dataclasses.replace(verdict, message=message, actions=(SwitchLogin(turn.login, secret.staged_digest),))
    orders: list[Action] = []
    for seen in lacking:
        leader = _primary(identity, seen)
        if leader is not None:
            orders.append(PutLogin(seen.name, leader[0], turn.login, staged=True))
    waits = ", ".join(seen.name for seen in lacking)
    return dataclasses.replace(verdict, message=f"{turn.login} is made on {waits}.", actions=tuple(orders))


def _drain(facts: ClusterFacts, identity: Identity, turn: Rotation) -> Verdict:
    former = turn.former or ""
    message = f"{former} goes once it has not been used for a while."
    verdict = Verdict(Phase.DRAINING, turn.token, turn.login, former, message)
    users = in_use(facts.shards, former)
    if users:
        message = (
            f"Sessions on {', '.join(users)} log in as {former}, or may: it goes once nothing uses it. Have the"
            " application read its Secret again."
        )
        return dataclasses.replace(verdict, message=message)
    if facts.unused < UNUSED_SECONDS:
        return verdict
    orders: list[Action] = []
    left = []
    for seen in facts.shards:
        leader = _primary(identity, seen)
        if leader is not None and not any(login.allowed for login in leader[1] if login.role == former):
            continue
        left.append(seen.name)
        if leader is not None:
            orders.append(RetireLogin(seen.name, leader[0], former))
    if left:
        message = f"{former} is taken away on {', '.join(left)}."
        return dataclasses.replace(verdict, message=message, actions=tuple(orders))
    end = EndRotation(Rotation(turn.token, turn.login, None), former)
    return dataclasses.replace(verdict, message=f"{former} is gone from every shard.", actions=(end,))


def _staged(identity: Identity, shard: str) -> str | None:
    known = identity.shard(shard)
    return known.staged if known is not None else None


def _primary(identity: Identity, seen: ShardFacts) -> tuple[str, tuple[Login, ...]] | None:
    """Return a shard's primary that takes writes and says who may log in, with what it says; None without one."""
    leader = shards.leader_of(seen, identity.shard(seen.name))
    if leader is None or leader[1].serving is not Serving.READ_WRITE or leader[1].logins is None:
        return None
    return leader[0].name, leader[1].logins
