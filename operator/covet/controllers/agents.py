"""The agents of one cluster as the operator reaches them: by pod address, verified by name.

The certificate is checked against the pod's DNS name, but the address comes from the pod itself:
a name that DNS denied once stays denied in its cache for seconds, which a birth cannot afford.
"""

import asyncio
import dataclasses
import socket
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiohttp import abc

from covet.core import agentapi, names
from covet.core.agentapi import AgentStatus, Peer
from covet.core.clock import Clock
from covet.core.errors import CovetError, UnreachableError
from covet.peers.client import AgentClient
from covet.planner.facts import Unreachable

STATUS_TIMEOUT: Final = 3.0
"""Seconds an agent has to say how it is."""
ORDER_TIMEOUT: Final = 20.0
"""Seconds an agent has to carry out an order; long work goes on after its answer."""
KEPT_SECONDS: Final = 2.0
"""How long a connection is kept between rounds."""


@dataclasses.dataclass(frozen=True)
class Credentials:
    """The operator's certificate for one cluster, as PEM."""

    certificate: str
    key: str
    trust: str


class PodResolver(abc.AbstractResolver):
    """Answers with the addresses of pods, and with nothing else."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[abc.ResolveResult]:
        """Return the one address of a pod.

        Raises:
            OSError: the pod has none.
        """
        address = self.addresses.get(host)
        if address is None:
            raise OSError(f"{host} has no pod with an address")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            abc.ResolveResult(
                hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        """Nothing is held open."""


class Agents:
    """Connections to the agents of one cluster, kept between rounds.

    Questions and orders share them, and none is kept for long: each has a buffer of a quarter of a megabyte, and there
    are three to a shard.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._credentials: Credentials | None = None
        self._resolver = PodResolver()
        self._client: AgentClient | None = None
        self._silent_since: dict[str, float] = {}

    async def use(self, credentials: Credentials, addresses: Mapping[str, str]) -> None:
        """Take the newest certificate and the addresses of this round (DNS name to IP address)."""
        self._resolver.addresses = dict(addresses)
        if credentials == self._credentials:
            return
        context = await asyncio.to_thread(tls_context, credentials)
        await self.close()
        self._client = await AgentClient(context, ORDER_TIMEOUT, self._resolver, KEPT_SECONDS).__aenter__()
        self._credentials = credentials

    async def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            await self._client.close()
        self._client = self._credentials = None

    @property
    def orders(self) -> AgentClient:
        """Return the client for orders.

        Raises:
            UnreachableError: there is no certificate yet.
        """
        if self._client is None:
            raise UnreachableError("AgentUnreachable", "The operator has no certificate for this cluster yet.")
        return self._client

    async def ask(self, peer: Peer) -> AgentStatus | Unreachable | None:
        """Return what an agent says of its instance; silence is a value. None without a certificate."""
        if self._client is None:
            return None
        try:
            answer = await self._client.status(peer, STATUS_TIMEOUT)
        except CovetError as error:
            return self._silence(peer.instance, error)
        if answer.protocol > agentapi.PROTOCOL:
            newer = f"it speaks version {answer.protocol} of the agent API and this operator {agentapi.PROTOCOL}"
            return self._silence(peer.instance, UnreachableError("ProtocolTooNew", newer))
        self._silent_since.pop(peer.instance, None)
        return answer

    def forget(self, instance: str) -> None:
        """Forget for how long an instance was silent: it has no running pod."""
        self._silent_since.pop(instance, None)

    def _silence(self, instance: str, error: CovetError) -> Unreachable:
        now = self._clock.monotonic()
        since = self._silent_since.setdefault(instance, now)
        return Unreachable(error.reason, now - since)


def peer_of(instance: str, shard_set: str, namespace: str) -> Peer:
    """Return how an instance's agent is reached."""
    address = names.pod_address(instance, shard_set, namespace)
    return Peer(instance, address, names.AGENT_PORT, names.VOTER_PORT, names.SQL_PORT)


def tls_context(credentials: Credentials) -> ssl.SSLContext:
    """Return a context that shows our certificate and trusts the cluster's authority alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=credentials.trust)
    # The ssl module reads keys from files only; this one is readable by us alone and gone at once.
    with tempfile.TemporaryDirectory(prefix="covet-") as folder:
        path = Path(folder) / "client.pem"
        path.touch(mode=0o600)
        path.write_text(credentials.key + "\n" + credentials.certificate)
        context.load_cert_chain(path)
    return context
