"""Everything one agent holds, in one place: what it was told, what it knows, what it runs.

The modules beside this one act on it; which of them acts when is decided by
`covet.planner.member` and by the orders of the agent API. One action or order at a time
changes the server: it holds `acting`.
"""

import asyncio
import contextlib
import logging
import os
import pwd
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from covet.agent import chronicle, damage, durable, election, greeting, naming, restarts, telemetry, tuning
from covet.agent.certificates import Certificates
from covet.agent.children import Children
from covet.agent.settings import Settings
from covet.agent.volume import Identity, Volume, VolumeRefusedError
from covet.agent.voting import Voting
from covet.core import names
from covet.core.agentapi import Peer, Position, Rule, ShardSpec, Task
from covet.core.clock import Clock
from covet.core.errors import CovetError, RefusedError, SpecError
from covet.engines import configuration
from covet.engines.configuration import Upstream
from covet.engines.server import Server
from covet.engines.sessions import Session, Vitals
from covet.engines.walsenders import Reply
from covet.peers.client import AgentClient
from covet.planner.election import events
from covet.planner.election.rules import Sworn
from covet.planner.member import Decision

LOG: Final = logging.getLogger("covet.agent")

CALL_SECONDS: Final = 5.0
"""Bound of a call to another agent; a confirmation waits less than this at the other end."""


class Instance:
    """The state of an agent.

    Attributes:
        identity: member.json, None on an empty volume.
        refusal: why the volume is not touched, None if it may be.
        held: the descriptor by which this process holds the volume's lock for life, None before.
        gate: the access file lets clients in.
        admitting: clients are in, or may be: what a closing gate has not proven yet.
        upstream: whom the server's settings follow.
        sworn: promise.json, None on an empty volume.
        setting_rule: the rule whose members the server's settings name for acknowledgements.
        setting: `synchronous_standby_names` as every process of the server goes by it, None while unknown.
        vitals: what the server last said of itself, None while it does not answer.
        senders: of a primary: who streamed from it then.
        map_epoch: of the newest acknowledged map seen in the database since the agent started, None before one was.
        news: set whenever something that routers are told may have changed; whoever tells them clears it.
        unacknowledged: what orders wrote and no follower acknowledged yet; the status does not speak of it.
        stalled_since: monotonic time since which a standby receives the log and does not replay it, None while it does.
        unready: what the server answered when it last took no session.
        probed_at: monotonic time of that answer.
        applied_generation: of the newest spec that the server was brought in line with, None before the first.
        cramped: the volume has no room for what a leader writes: this member does not stand for election.
        damage: evidence that what lies on the volume is damaged.
        leave: the last that this leader gave to a member to wipe itself, None before the first.
        ill: why the volume takes no writes in time, a CamelCase word; empty while it does.
        ready_until: monotonic time until which clients stay out, for a leader that is about to stop for this member.
        still: of the newest fence since which nothing can have been received: the term, and how far the log reaches.
        remake: member, a leader, to clone this volume anew from, for nothing else brings it back to its shard.
        failure: why the last order that took long failed.
        trouble: why the last effect of the election failed, until one succeeds.
        complaint: why the loop's last action failed, until there is nothing left to do.
        defect: an error that nobody expected; the agent ends and is started again.
    """

    def __init__(self, settings: Settings, spec: ShardSpec, clock: Clock, children: Children) -> None:
        self.settings = settings
        self.spec = spec
        self.clock = clock
        self.children = children
        self.metrics = telemetry.Telemetry()
        self.volume = Volume(settings.data)
        self.certificates = Certificates(settings.tls)
        self.names = naming.Names(self.volume.agent / "addresses.json")
        self.client = AgentClient(self.certificates.dialling, CALL_SECONDS)
        self.server = Server(settings.programs, settings.pgdata, settings.conf, children.spawn, self._server_ended)
        self.election = election.Election(clock)
        self.greeting = greeting.Greeting(clock.monotonic)
        self.chronicle = chronicle.Chronicle()
        self.tuning = tuning.Tuning(self.volume.agent / "parameters.json")
        self.voting = Voting(children, clock)
        self.back_off = restarts.BackOff()
        self.damage = damage.Damage()
        self.leave: damage.Leave | None = None
        self.identity: Identity | None = None
        self.sworn: Sworn | None = None
        self.setting_rule: Rule | None = None
        self.refusal: VolumeRefusedError | None = None
        self.failure: CovetError | None = None
        self.complaint: CovetError | None = None
        self.trouble: CovetError | None = None
        self.admitting = self.gate = self.cramped = self.stop_wanted = False
        self.upstream: Upstream | None = None
        self.setting: str | None = None
        self.vitals: Vitals | None = None
        self.senders: tuple[Reply, ...] = ()
        self.map_epoch: int | None = None
        self.session: Session | None = None
        self.unacknowledged: set[str] = set()
        self.stalled_since: float | None = None
        self.unready = self.ill = ""
        self.unstreamed_since: float | None = None
        self.probed_at = self.ready_until = 0.0
        self.task: Task | None = None
        self.job: asyncio.Task[None] | None = None
        self.decision: Decision | None = None
        self.still: tuple[int, Position] | None = None
        self.remake: str | None = None
        self.applied_generation: int | None = None
        self.ticked_at = clock.monotonic()
        self.acting, self._writing, self.writing_files = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        self.wake, self.news = asyncio.Event(), asyncio.Event()
        self.stopping = asyncio.Event()
        self.held: int | None = None
        self.defect: BaseException | None = None
        self.last_exit: int | None = None

    # ------------------------------------------------------------ who we are

    @property
    def own(self) -> Peer:
        """This instance's entry in the spec."""
        return self.peer(self.settings.instance)

    def peer(self, instance: str) -> Peer:
        """Return an instance's entry in the spec.

        Raises:
            RefusedError: the spec names no such instance.
        """
        for peer in self.spec.peers:
            if peer.instance == instance:
                return peer
        raise RefusedError("PeerUnknown", f"The spec of shard {self.spec.shard} names no instance {instance}.")

    def letters(self, instance: str) -> str:
        """Return the letters of an instance of this shard."""
        return configuration.letters(instance, self.spec.cluster, self.spec.shard)

    def role(self, instance: str) -> str:
        """Return the replication role of an instance of this shard."""
        return names.replication_role(self.spec.shard, self.letters(instance))

    def instance_of(self, member: str) -> str:
        """Return the instance whose volume a member is."""
        return f"{self.spec.cluster}-{member[:-13]}"

    @property
    def rule(self) -> Rule | None:
        """The newest rule confirmed here."""
        return self.sworn.rule if self.sworn else None

    def reigning(self) -> Rule:
        """Return the rule of this member's reign, once its server is on the timeline of the term.

        Raises:
            RefusedError: it does not reign, or not yet, or no longer for the agent stops.
        """
        self.check_staying()
        reign = self.election.reign
        if reign is None:
            leader = self.instance_of(self.rule.leader) if self.rule else "nobody known here"
            raise RefusedError("NotLeader", f"{self.settings.instance} does not lead this shard; {leader} did last.")
        if reign.promoted_at is None:
            raise RefusedError("LeaderNotReady", f"The server of {self.settings.instance} is being promoted.")
        return reign.rule

    def leading(self) -> Rule:
        """Return the rule that this member leads by, its row confirmed by enough followers.

        Raises:
            RefusedError: it does not lead, or not yet, or no longer for the agent stops.
        """
        rule = self.reigning()
        if not self.election.seated:
            raise RefusedError("RuleUnconfirmed", f"Rule {rule.term}.{rule.seq} is not confirmed by followers yet.")
        return rule

    # ------------------------------------------------------------ the volume

    @property
    def remembering(self) -> bool:
        """True while a promise or the identity is being written, for somebody who may be gone."""
        return self._writing.locked()

    async def remember_promise(self, promise: Sworn) -> None:
        """Make a promise durable, then go by it.

        Raises:
            RefusedError: something newer, or something else of the same number, was sworn (I1).
            VolumeError: the file system refused.
        """

        async def swear() -> None:
            async with self._writing:
                await asyncio.to_thread(self.volume.write_promise, promise)
                self.sworn = promise

        # Whoever waits may be cancelled; what is on the volume and what is gone by stay the same.
        await asyncio.shield(asyncio.create_task(swear(), name="promise"))

    async def remember_identity(self, identity: Identity) -> None:
        """Make the volume's identity durable, then go by it.

        Raises:
            VolumeError: the file system refused.
        """

        async def note() -> None:
            async with self._writing:
                await asyncio.to_thread(self.volume.write_identity, identity)
                self.identity = identity

        await asyncio.shield(asyncio.create_task(note(), name="identity"))

    async def keep_spec(self, spec: ShardSpec, kept: ShardSpec | None) -> None:
        """Keep a spec for a start without the API server; a volume that takes none is no reason not to work by it."""
        try:
            if spec != kept:
                await asyncio.to_thread(self.volume.write_spec, spec)
            await asyncio.to_thread(self.volume.keep_reserve)
        except CovetError as error:
            LOG.warning("Generation %s of the spec is not kept: %s", spec.generation, error.message)

    async def take_spec(self, spec: ShardSpec) -> bool:
        """Take up a spec if it is newer; False if it is not.

        Raises:
            SpecError: it is of another shard, or does not name this instance.
        """
        if (spec.cluster_uid, spec.shard_uid) != (self.spec.cluster_uid, self.spec.shard_uid):
            raise SpecError("SpecForeign", f"The spec is of shard {spec.shard_uid}, not of {self.spec.shard_uid}.")
        if spec.generation <= self.spec.generation:
            return False
        check_spec(spec, self.settings.instance)
        self.spec = spec
        if self.refusal is None:
            await self.keep_spec(spec, None)
        LOG.info("Took up generation %s of the spec.", spec.generation)
        self.wake.set()
        self.news.set()
        return True

    @property
    def shard_opened(self) -> bool:
        """True once the operator recorded that clients may enter this shard."""
        return self.spec.opened or (self.identity is not None and self.identity.opened)

    # ------------------------------------------------------------ the server

    def leftovers(self) -> tuple[Path, ...]:
        """Return the lock files by which an earlier server would keep the next one from starting."""
        socket = self.settings.sockets / f".s.PGSQL.{self.own.sql_port}"
        return self.volume.pgdata / "postmaster.pid", socket.with_name(f"{socket.name}.lock"), socket

    @contextlib.asynccontextmanager
    async def sql(self, *, synchronous: bool = False, database: str = "postgres") -> AsyncIterator[Session]:
        """Open a session of its own for one piece of work."""
        session = await Session.connect(
            self.settings.sockets, self.own.sql_port, synchronous=synchronous, database=database
        )
        try:
            yield session
        finally:
            await session.close()

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator[Session]:
        """Lend the session that the probe keeps open; one of its own while there is none."""
        if self.session is not None and not self.session.closed:
            yield self.session
            return
        async with self.sql() as session:
            yield session

    def _server_ended(self, code: int) -> None:
        self.last_exit = code
        up = self.vitals is not None
        self.vitals, self.upstream, self.setting, self.admitting, self.gate = None, None, None, False, False
        if self.session is not None:
            self.session.terminate()
            self.session = None
        if not self.stop_wanted:
            self.election.put(events.ServerDied())
            self.tuning.died(code)
            if self.server.damage:
                self.damage.see(damage.Kind.SERVER, self.server.damage, self.clock.monotonic())
            self.metrics.server_deaths.inc()
            delay = self.back_off.died(self.clock.monotonic(), up=up)
            LOG.error("The server ended with %s; it is started again in %.0f s.", code, delay)
        self.wake.set()
        self.news.set()

    def check_staying(self) -> None:
        """Refuse new work once the agent stops.

        Raises:
            RefusedError: it does.
        """
        if self.stopping.is_set():
            raise RefusedError("Stopping", f"The agent of {self.settings.instance} stops; ask its successor.")

    def begin(self, task: Task, work: Callable[[], Awaitable[None]]) -> None:
        """Start work that takes long; the loop leaves the server alone until it is over.

        Raises:
            RefusedError: the agent stops.
        """
        self.check_staying()
        self.task, self.failure = task, None

        async def run() -> None:
            try:
                await work()
            except CovetError as error:
                self.failure = error
                LOG.warning("%s failed: %s", task.kind, error.message, extra={"fields": {"reason": error.reason}})
            except OSError as error:
                self.failure = durable.failure(error)
                LOG.warning("%s failed: %s", task.kind, self.failure.message)
            finally:
                self.task, self.job = None, None
                self.wake.set()

        self.job = asyncio.create_task(run(), name=task.kind)
        self.job.add_done_callback(self._job_done)

    def _job_done(self, job: asyncio.Task[None]) -> None:
        if not job.cancelled() and (error := job.exception()) is not None:
            self.defect = error
            self.stopping.set()
            self.wake.set()


def check_spec(spec: ShardSpec, instance: str) -> None:
    """Refuse a spec that this instance cannot work by.

    Raises:
        SpecError: it does not name the instance, or names it with another cluster or shard.
    """
    if instance not in {peer.instance for peer in spec.peers}:
        raise SpecError("InstanceUnknown", f"The spec of shard {spec.shard} does not name {instance}.")
    if not instance.startswith(names.instance(spec.cluster, spec.shard, "")):
        raise SpecError("SpecForeign", f"{instance} is no instance of shard {spec.shard} of cluster {spec.cluster}.")


def os_user() -> str:
    """Return the name of the system user that agent and server run as.

    Raises:
        SpecError: the user has no name, and PostgreSQL's peer authentication needs one.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise SpecError(
            "UserUnnamed", f"User {os.geteuid()} has no name in this image; peer logins need one."
        ) from error
