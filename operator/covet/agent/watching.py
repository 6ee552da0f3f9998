"""What changes from outside while the agent runs: the mounted spec, the certificate, peers' addresses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from covet.agent import configuring, durable, joining
from covet.agent.api import Api
from covet.agent.instance import CALL_SECONDS, Instance
from covet.core.agentapi import ShardSpec
from covet.core.errors import CovetError, RefusedError, SpecError
from covet.peers import codec
from covet.peers.client import AgentClient

LOG: Final = logging.getLogger("covet.watching")

PACE: Final = 2.0
RESOLVE_PACE: Final = 10.0
SLOTS_PACE: Final = 10.0
LEAD_BYTES: Final = 40 << 20
"""Room that a member needs to lead: a promotion begins a segment of the log, and the next must fit beside it."""


class Watcher:
    """Looks at the mounted files every two seconds and at names every ten.

    Args:
        inst: the agent.
        api: listens anew under a renewed certificate.
    """

    def __init__(self, inst: Instance, api: Api) -> None:
        self._inst = inst
        self._api = api
        self._resolved_at: float | None = None
        self._slots_at = inst.clock.monotonic()
        self._mounted = b""
        self._said: dict[str, str] = {}
        self._installers: dict[str, Callable[[], Awaitable[None]]] = {
            "api": api.renew,
            "client": self._renew_client,
            "server": self._renew_server,
            "stream": self._renew_stream,
            "voter": self._renew_voter,
        }
        self._installed = dict.fromkeys(self._installers, inst.certificates.loaded)

    async def run(self) -> None:
        """Watch for as long as the agent lives."""
        self._configure_voter(self._inst.names.known)  # names may take long to look up, and peers wait for the voter
        while True:
            self._inst.children.sweep()
            for look in (
                self._spec,
                self._certificate,
                self._addresses,
                self._settings,
                self._slots,
                self._reserve,
            ):
                await self._try(look)
            await asyncio.sleep(PACE)

    async def _try(self, look: Callable[[], Awaitable[None]]) -> None:
        """Take one look; what goes wrong is said once for as long as it stays the same."""
        try:
            await look()
        except (CovetError, OSError) as error:
            if self._said.get(look.__name__) != str(error):
                LOG.warning("%s", error)
            self._said[look.__name__] = str(error)
        else:
            self._said.pop(look.__name__, None)

    async def _spec(self) -> None:
        try:
            body = await asyncio.to_thread(self._inst.settings.spec.read_bytes)
        except FileNotFoundError:
            return
        if body == self._mounted:
            return
        self._mounted = body
        await self._inst.take_spec(codec.decode(body, ShardSpec))

    async def _certificate(self) -> None:
        """Bring the newest certificate to everybody who uses it; who could not take it is asked again.

        Raises:
            CovetError, OSError: the first thing that went wrong, after everybody was asked.
        """
        certificates = self._inst.certificates
        if await asyncio.to_thread(certificates.changed):
            await asyncio.to_thread(certificates.load)
        wanted = certificates.loaded
        late = [name for name, digest in self._installed.items() if digest != wanted]
        problems: list[CovetError | OSError] = []
        for name in late:
            try:
                await self._installers[name]()
            except (CovetError, OSError) as error:
                problems.append(error)
            else:
                self._installed[name] = wanted
        if problems:
            raise problems[0]
        if late:
            self._inst.metrics.certificate_loads.inc()
            LOG.info("Took up the renewed certificate.")
        else:  # given at the last look: by now the server and the voter have read it, too
            certificates.note_in_use()

    async def _renew_client(self) -> None:
        inst = self._inst
        old, inst.client = inst.client, await open_client(inst)
        await old.close()

    async def _renew_server(self) -> None:
        inst = self._inst
        self._refuse_amid_action()
        if inst.server.pid is not None:  # else its next start takes the newest
            await configuring.install_certificate(inst)
            inst.server.reload()

    async def _renew_stream(self) -> None:
        inst = self._inst
        self._refuse_amid_action()
        if inst.upstream is not None:
            await asyncio.to_thread(inst.certificates.renew, inst.upstream.credentials)

    def _refuse_amid_action(self) -> None:
        """Wait for the next look while a start or a join may be copying the files of before.

        Raises:
            RefusedError: something is under way.
        """
        if self._inst.acting.locked():
            raise RefusedError("Busy", "The renewed certificate reaches the server once the action under way is over.")

    async def _renew_voter(self) -> None:
        self._resolved_at = None
        await self._addresses()

    async def _addresses(self) -> None:
        inst = self._inst
        now = inst.clock.monotonic()
        silent = any(
            not inst.voting.linked(p.instance) for p in inst.spec.peers if p.instance != inst.settings.instance
        )
        pace = PACE if silent else RESOLVE_PACE
        if self._resolved_at is not None and now - self._resolved_at < pace:
            return
        self._resolved_at = now
        others = [peer.address for peer in inst.spec.peers if peer.instance != inst.settings.instance]
        found = {address: await inst.names.addresses(address) for address in others}
        self._configure_voter(lambda address: found.get(address, ()))
        if inst.held is not None and inst.refusal is None:
            inst.names.forget_others(frozenset(others))
            await asyncio.to_thread(inst.names.store)

    async def _settings(self) -> None:
        inst = self._inst
        generation = inst.spec.generation
        if inst.vitals is not None and not inst.acting.locked():
            await configuring.apply(inst)
            inst.applied_generation = generation

    def _configure_voter(self, addresses: Callable[[str], tuple[str, ...]]) -> None:
        inst = self._inst
        ips = {peer.address: addresses(peer.address) for peer in inst.spec.peers}
        inst.voting.configure(inst.settings, inst.certificates.loaded, inst.spec, ips)

    async def _slots(self) -> None:
        """Keep the log that the other members need, in case this one leads next; a leader lets go of who left."""
        inst, now = self._inst, self._inst.clock.monotonic()
        if now - self._slots_at < SLOTS_PACE or inst.vitals is None:
            return
        leader = inst.election.target
        if inst.election.seated:
            self._slots_at = now
            await joining.drop_slots(inst)
        elif inst.election.follows and leader is not None:
            self._slots_at = now
            await self._advance_slots(leader)

    async def _advance_slots(self, leader: str) -> None:
        inst = self._inst
        status = await inst.client.status(inst.peer(inst.instance_of(leader)))
        if status.member != leader or status.position is None or status.rule is None:
            return
        end = status.position.lsn
        flushed = {f.member: None if f.lag_bytes is None else end - f.lag_bytes for f in status.followers}
        cohort = {member: flushed.get(member) for member in status.rule.cohort}
        await joining.advance_slots(inst, {**cohort, leader: end})

    async def _reserve(self) -> None:
        inst = self._inst
        if inst.held is not None and inst.refusal is None:
            inst.cramped = await asyncio.to_thread(durable.room, inst.settings.data) < LEAD_BYTES
            await asyncio.to_thread(inst.volume.keep_reserve)


async def open_client(inst: Instance) -> AgentClient:
    """Return an open client with the certificate in force."""
    return await AgentClient(inst.certificates.dialling, CALL_SECONDS, inst.names).__aenter__()


def read_spec(inst_spec: ShardSpec | None, mounted: bytes | None) -> ShardSpec:
    """Return the newer of the cached and the mounted spec; if they are of different shards, the mounted one.

    The pod is what its mount says. A volume with the spec of another shard is then found to be foreign: were its
    own spec believed because its generation is higher, the agent would lead a database that nobody gave it.

    Raises:
        SpecError: there is neither, or the mounted one makes no sense and nothing is cached.
    """
    try:
        fresh = codec.decode(mounted, ShardSpec) if mounted is not None else None
    except SpecError:
        if inst_spec is None:
            raise
        fresh = None
    specs = [spec for spec in (inst_spec, fresh) if spec is not None]
    if not specs:
        raise SpecError("SpecMissing", "No spec is mounted, and none is kept on the volume.")
    if fresh is not None and len({(spec.cluster_uid, spec.shard_uid) for spec in specs}) > 1:
        return fresh
    return max(specs, key=lambda spec: spec.generation)
