"""The agent API as its callers see it: the operator, and agents that ask other agents.

Errors of the network become `UnreachableError`, from which nothing may be concluded; a
refusal carries the reason and the sentence of the agent that refused.
"""

import ssl
from typing import Self, TypeVar

import aiohttp
from aiohttp import abc

from covet.core.agentapi import AgentStatus, Peer, Problem, Rule, ShardSpec
from covet.core.agentorders import (
    BootstrapOrder,
    CheckpointAnswer,
    CheckpointRequest,
    CloneOrder,
    CohortOrder,
    DatabaseOrder,
    Inside,
    InsideRequest,
    JoinAnswer,
    JoinRequest,
    LoginOrder,
    MapOrder,
    OpenOrder,
    PrepareAnswer,
    PrepareOrder,
    PromoteOrder,
    RetireOrder,
    SealOrder,
    SwitchoverOrder,
    UnsealOrder,
)
from covet.core.errors import RefusedError, SpecError, UnreachableError
from covet.peers import codec

T = TypeVar("T")

KEPT_SECONDS = 5.0
"""How long a connection is kept for the next call: the peer may have moved by then, and an old one hangs."""
MAX_BODY_BYTES = 4 << 20
"""Longest body either side accepts: a map of 16384 slots in JSON stays far below it."""


class AgentClient:
    """Calls agents over mTLS.

    Args:
        tls: context with the caller's certificate and the cluster's authority.
        timeout: seconds for a whole call, connecting included.
        resolver: where the addresses of peers come from; None asks DNS. Names in certificates are
            checked either way.
        kept: seconds for which a connection is kept for the next call.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        timeout: float = 5.0,
        resolver: abc.AbstractResolver | None = None,
        kept: float = KEPT_SECONDS,
    ) -> None:
        self._tls = tls
        self._timeout = timeout
        self._resolver = resolver
        self._kept = kept
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            ssl=self._tls,
            limit=64,
            limit_per_host=4,
            keepalive_timeout=self._kept,
            resolver=self._resolver,
            use_dns_cache=self._resolver is None,
        )
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=self._timeout))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections that are kept open."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def status(self, peer: Peer, limit: float | None = None) -> AgentStatus:
        """Return what an agent says of its instance; `limit` in seconds, if it is not that of other calls."""
        return await self._call("GET", peer, "/v1/status", None, AgentStatus, limit=limit)

    async def put_spec(self, peer: Peer, spec: ShardSpec) -> AgentStatus:
        """Hand an agent a newer spec; an older one is ignored by it."""
        return await self._call("PUT", peer, "/v1/spec", spec, AgentStatus)

    async def bootstrap(self, peer: Peer, order: BootstrapOrder) -> AgentStatus:
        """Order the one initdb in the life of a shard."""
        return await self._call("POST", peer, "/v1/bootstrap", order, AgentStatus)

    async def clone(self, peer: Peer, order: CloneOrder) -> AgentStatus:
        """Order an instance with an empty volume to copy the leader."""
        return await self._call("POST", peer, "/v1/clone", order, AgentStatus)

    async def join(self, peer: Peer, request: JoinRequest) -> JoinAnswer:
        """Ask the leader's agent for a role and a slot."""
        return await self._call("POST", peer, "/v1/join", request, JoinAnswer)

    async def checkpoint(self, peer: Peer, request: CheckpointRequest, limit: float) -> CheckpointAnswer:
        """Ask the leader's agent for a checkpoint, which may take as long as its disk needs."""
        return await self._call("POST", peer, "/v1/checkpoint", request, CheckpointAnswer, limit=limit)

    async def prepare(self, peer: Peer, order: PrepareOrder, limit: float) -> PrepareAnswer:
        """Have the successor's agent do whatever can be done before its leader stops."""
        return await self._call("POST", peer, "/v1/prepare", order, PrepareAnswer, limit=limit)

    async def cohort(self, peer: Peer, order: CohortOrder) -> Rule:
        """Order the leader to take one step towards a cohort."""
        return await self._call("POST", peer, "/v1/cohort", order, Rule)

    async def switchover(self, peer: Peer, order: SwitchoverOrder) -> AgentStatus:
        """Order the leader to hand over; it answers when it begins."""
        return await self._call("POST", peer, "/v1/switchover", order, AgentStatus)

    async def promote(self, peer: Peer, order: PromoteOrder) -> AgentStatus:
        """Order an instance to lead without a quorum: a person accepts that commits may be lost."""
        return await self._call("POST", peer, "/v1/promote", order, AgentStatus)

    async def open(self, peer: Peer, order: OpenOrder) -> AgentStatus:
        """Order the leader to let clients in."""
        return await self._call("POST", peer, "/v1/open", order, AgentStatus)

    async def put_database(self, peer: Peer, order: DatabaseOrder) -> AgentStatus:
        """Order the leader to make the application's database and owner."""
        return await self._call("PUT", peer, "/v1/database", order, AgentStatus)

    async def put_login(self, peer: Peer, order: LoginOrder) -> AgentStatus:
        """Order the leader to make a login role of the database's owner."""
        return await self._call("PUT", peer, "/v1/login", order, AgentStatus)

    async def retire_login(self, peer: Peer, order: RetireOrder) -> AgentStatus:
        """Order the leader to take a login out of service."""
        return await self._call("POST", peer, "/v1/retire", order, AgentStatus)

    async def put_map(self, peer: Peer, order: MapOrder) -> AgentStatus:
        """Order the leader to store a newer map."""
        return await self._call("PUT", peer, "/v1/map", order, AgentStatus)

    async def inside(self, peer: Peer) -> Inside:
        """Ask the leader what the application's database holds."""
        return await self._call("POST", peer, "/v1/inside", InsideRequest(), Inside)

    async def seal(self, peer: Peer, order: SealOrder) -> AgentStatus:
        """Order the leader to let nothing be made in the application's database."""
        return await self._call("POST", peer, "/v1/seal", order, AgentStatus)

    async def unseal(self, peer: Peer) -> AgentStatus:
        """Order the leader to let clients make things in the application's database again."""
        return await self._call("POST", peer, "/v1/unseal", UnsealOrder(), AgentStatus)

    async def _call(
        self, method: str, peer: Peer, path: str, message: object | None, kind: type[T], *, limit: float | None = None
    ) -> T:
        if self._session is None:
            raise UnreachableError("ClientClosed", "The agent client is not open: use it as a context manager.")
        host = f"[{peer.address}]" if ":" in peer.address else peer.address
        url = f"https://{host}:{peer.agent_port}{path}"
        data = None if message is None else codec.encode(message)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=limit or self._timeout),
            ) as answer:
                body = await answer.content.read(MAX_BODY_BYTES)
                while chunk := await answer.content.read(MAX_BODY_BYTES):
                    body += chunk
                    if len(body) > MAX_BODY_BYTES:
                        raise UnreachableError("AnswerTooLong", f"{peer.instance} answered {path} without end.")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            cause = str(error) or type(error).__name__
            raise UnreachableError("AgentUnreachable", f"{peer.instance} did not answer {path}: {cause}.") from error
        return _answer(peer, path, answer.status, body, kind)


def _answer(peer: Peer, path: str, status: int, body: bytes, kind: type[T]) -> T:
    """Turn an HTTP answer into the message it carries, or into the error it stands for."""
    try:
        if status == 200:
            return codec.decode(body, kind)
        problem = codec.decode(body, Problem)
    except SpecError as error:
        raise UnreachableError(
            "AnswerInvalid", f"{peer.instance} answered {path} with HTTP {status} and no message: {error.message}"
        ) from error
    if status >= 500:
        raise UnreachableError(problem.reason, f"{peer.instance}: {problem.message}")
    raise RefusedError(problem.reason, problem.message)
