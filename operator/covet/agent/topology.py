"""Telling routers who leads: a line of JSON at once when something changes, and one a second besides.

A reader is owed the newest line only, so nothing queues up for one that is slow. One that takes nothing for
some seconds is dropped, and so is one whose certificate may have ended since it came.
"""

import asyncio
import contextlib
import dataclasses
import logging
import socket
from typing import Final

from aiohttp import web

from covet.agent import status
from covet.agent.instance import Instance
from covet.core import topology
from covet.core.agentapi import MemberState, Serving
from covet.core.errors import UnreachableError
from covet.core.topology import Topology, TopologyLeader, TopologyMember
from covet.peers import codec
from covet.planner.election.watch import LEADING

LOG: Final = logging.getLogger("covet.topology")

READERS: Final = 32
"""Streams at once, of the 128 places that the port has."""
SLOW_SECONDS: Final = 5.0
"""How long a reader may take nothing, once the buffers on the way to it are full."""
STREAM_SECONDS: Final = 3600.0
"""Then a stream ends in order, so that its reader comes again with the certificate that it has by then."""


def describe(inst: Instance, serial: int) -> Topology:
    """Return what this agent knows of its shard now."""
    spec, rule = inst.spec, inst.election.rule or inst.rule
    term, leader = _leader(inst)
    leads = leader is not None and leader.instance == inst.settings.instance
    writable = leads and status.serving(inst) is Serving.READ_WRITE
    service = inst.election.service
    return Topology(
        version=topology.VERSION,
        cluster_uid=spec.cluster_uid,
        shard=spec.shard,
        shard_uid=spec.shard_uid,
        instance=inst.settings.instance,
        serial=serial,
        term=term,
        seq=rule.seq if rule is not None and rule.term == term else 0,
        promise=inst.sworn.promise if inst.sworn else 0,
        leader=leader,
        writes=writable and service.writes,
        reads=writable and service.reads,
        members=_members(inst),
        map_epoch=inst.map_epoch,
    )


def _leader(inst: Instance) -> tuple[int, TopologyLeader | None]:
    """Return the term and the leader that this member is, or is about to follow; (0, None) while it does neither."""
    agent, promise = inst.election.agent, inst.sworn.promise if inst.sworn else 0
    if agent is None:
        return 0, None
    if agent.role in LEADING:
        term, member = agent.term, agent.config.me
    elif agent.target is not None and agent.target.term >= promise:
        term, member = agent.target.term, agent.target.leader
    else:
        return 0, None
    instance = inst.instance_of(member)
    peer = next((peer for peer in inst.spec.peers if peer.instance == instance), None)
    if peer is None:
        return 0, None
    return term, TopologyLeader(instance, member, peer.address, peer.sql_port)


def _members(inst: Instance) -> tuple[TopologyMember, ...]:
    rule = inst.election.rule or inst.rule
    cohort = {inst.instance_of(member): member for member in rule.cohort} if rule is not None else {}
    primary = inst.vitals is not None and not inst.vitals.standby
    senders = {inst.instance_of(reply.member): reply for reply in inst.senders}
    found = []
    for peer in inst.spec.peers:
        member = TopologyMember(
            peer.instance, peer.address, peer.sql_port, cohort.get(peer.instance, ""), votes=peer.instance in cohort
        )
        if peer.instance == inst.settings.instance:
            member = _own(inst, member)
        elif primary:
            sender = senders.get(peer.instance)
            streams = sender is not None and sender.state == "streaming"
            member = dataclasses.replace(member, streaming=streams, lag_bytes=sender.lag if sender else None)
        found.append(member)
    return tuple(found)


def _own(inst: Instance, member: TopologyMember) -> TopologyMember:
    """Return the speaker's own entry, with what only it can know."""
    state, _, _ = status.explain(inst)
    vitals = inst.vitals
    return dataclasses.replace(
        member,
        member=inst.identity.member if inst.identity and inst.identity.born else member.member,
        state=state.value,
        serving=status.serving(inst).value,
        streaming=vitals.streaming if vitals is not None and state is MemberState.FOLLOWER else None,
        replayed=vitals.replayed if vitals is not None else None,
        lag_bytes=status.lag_bytes(inst),
        lag_seconds=status.lag_seconds(inst),
    )


def essence(told: Topology) -> Topology:
    """Return a line without what moves all the time: if that changes, readers hear of it at once."""
    members = tuple(
        dataclasses.replace(member, replayed=None, lag_bytes=None, lag_seconds=None) for member in told.members
    )
    return dataclasses.replace(told, serial=0, members=members)


class Hub:
    """The readers of an agent, and the line that they are owed.

    Args:
        inst: the agent.
        slow: how long a reader may take nothing, in seconds.
    """

    def __init__(self, inst: Instance, slow: float = SLOW_SECONDS) -> None:
        self._inst = inst
        self._slow = slow
        self._readers = 0
        self._some = asyncio.Event()
        self._turned = asyncio.Event()
        self._line = b""
        self._serial = 0
        self._said: Topology | None = None
        self._said_at = 0.0
        self._closed = False

    @property
    def readers(self) -> int:
        """How many streams are open."""
        return self._readers

    async def run(self) -> None:
        """Write a line whenever there is news or the last is a second old, while anybody reads."""
        inst = self._inst
        while True:
            await self._some.wait()
            left = self._said_at + topology.PACE_SECONDS - inst.clock.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(inst.news.wait(), max(0.0, left))
            inst.news.clear()
            self._say(anyway=inst.clock.monotonic() - self._said_at >= topology.PACE_SECONDS)

    def _say(self, *, anyway: bool) -> None:
        """Owe every reader a new line, if it says something new."""
        told = describe(self._inst, self._serial + 1)
        if not anyway and self._said is not None and essence(told) == essence(self._said):
            return
        self._said, self._said_at, self._serial = told, self._inst.clock.monotonic(), told.serial
        self._line = codec.encode(told) + b"\n"
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Stream to a caller until it goes, is too slow, or its hour is over.

        Raises:
            UnreachableError: there are readers enough, or the agent ends.
        """
        if self._readers >= READERS or self._closed:
            raise UnreachableError(
                "ReadersMany",
                f"{self._inst.settings.instance} has {self._readers} readers and takes no more; try later.",
            )
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
        self._readers += 1
        self._some.set()
        try:
            _bound(request.transport)
            self._say(anyway=True)
            await response.prepare(request)
            async with asyncio.timeout(STREAM_SECONDS):
                await self._stream(request.transport, response)
        except TimeoutError:
            LOG.debug("A reader of the topology had its hour.")
        except OSError as error:
            LOG.debug("A reader of the topology went: %s.", error)
        finally:
            self._readers -= 1
            if not self._readers:
                self._some.clear()
        return response

    async def _stream(self, transport: asyncio.BaseTransport | None, response: web.StreamResponse) -> None:
        told = 0
        while not self._closed and transport is not None and not transport.is_closing():
            turned = self._turned
            if told != self._serial:
                told = self._serial
                try:
                    async with asyncio.timeout(self._slow):
                        await response.write(self._line)
                except TimeoutError:
                    LOG.info("A reader of the topology took nothing for %.0f s and is dropped.", self._slow)
                    _abort(transport)
                    return
            else:
                await turned.wait()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._turned.set()


def _bound(transport: asyncio.BaseTransport | None) -> None:
    """Let the kernel give up a reader whose host is gone: it would take a line a second for a quarter of an hour."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(2 * SLOW_SECONDS * 1000))


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.abort()
