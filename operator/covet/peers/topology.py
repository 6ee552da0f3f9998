"""The stream of an agent's topology, as a router reads it: lines until the agent or the network ends it.

What to make of the lines of several agents, `covet.core.topology.conclude` says.
"""

import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Final

import aiohttp
from aiohttp import abc

from covet.core.agentapi import Peer, Problem
from covet.core.errors import RefusedError, SpecError, UnreachableError
from covet.core.topology import MAX_LINE_BYTES, ROUTE, SILENT_SECONDS, VERSION, Topology
from covet.peers import codec

DIAL_SECONDS: Final = 2.0
"""How long a dial may take: an agent that is gone must not hold up its reader."""


@contextlib.asynccontextmanager
async def follow(
    tls: ssl.SSLContext, peer: Peer, resolver: abc.AbstractResolver | None = None, silent: float = SILENT_SECONDS
) -> AsyncIterator[AsyncIterator[Topology]]:
    """Open the stream of one agent.

    Args:
        tls: context with a router's certificate and the cluster's authority.
        peer: whose agent to ask; its address stands in the agent's certificate.
        resolver: where its address comes from; None asks DNS.
        silent: seconds without a line after which the stream is dead.

    Yields:
        The lines, the first at once. Their end is an UnreachableError.

    Raises:
        RefusedError: the agent does not tell this caller.
        UnreachableError: it did not answer, or has readers enough.
    """
    limits = aiohttp.ClientTimeout(total=None, sock_connect=DIAL_SECONDS, connect=DIAL_SECONDS, sock_read=silent)
    host = f"[{peer.address}]" if ":" in peer.address else peer.address
    connector = aiohttp.TCPConnector(ssl=tls, resolver=resolver, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=limits, read_bufsize=MAX_LINE_BYTES) as session:
        with _translated(peer):
            answer = await session.get(f"https://{host}:{peer.agent_port}{ROUTE}", allow_redirects=False)
        try:
            if answer.status != 200:
                with _translated(peer):
                    body = await answer.content.read(MAX_LINE_BYTES)
                raise _refusal(peer, answer.status, body)
            async with contextlib.aclosing(_lines(peer, answer)) as lines:
                yield lines
        finally:
            answer.close()


async def _lines(peer: Peer, answer: aiohttp.ClientResponse) -> AsyncGenerator[Topology, None]:
    while True:
        with _translated(peer):
            line = await answer.content.readline()
        if not line.endswith(b"\n"):
            raise UnreachableError("StreamEnded", f"{peer.instance} ended its stream; open it again.")
        yield read(line, peer)


def read(line: bytes, peer: Peer) -> Topology:
    """Return the topology that a line tells.

    Raises:
        UnreachableError: it tells none, or one of a later version that means something else.
    """
    try:
        told = codec.decode(line, Topology)
    except SpecError as error:
        raise UnreachableError("LineInvalid", f"{peer.instance} told no topology: {error.message}") from error
    if told.version > VERSION:
        raise UnreachableError(
            "TopologyNewer",
            f"{peer.instance} tells topologies of version {told.version}, this reader knows {VERSION}: upgrade it.",
        )
    return told


@contextlib.contextmanager
def _translated(peer: Peer) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        cause = str(error) or type(error).__name__
        raise UnreachableError("StreamBroken", f"The topology stream of {peer.instance} broke: {cause}.") from error


def _refusal(peer: Peer, status: int, body: bytes) -> UnreachableError | RefusedError:
    try:
        problem = codec.decode(body, Problem)
    except SpecError:
        return UnreachableError("AnswerInvalid", f"{peer.instance} answered {ROUTE} with HTTP {status}.")
    if status >= 500:
        return UnreachableError(problem.reason, f"{peer.instance}: {problem.message}")
    return RefusedError(problem.reason, problem.message)
