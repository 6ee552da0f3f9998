"""The agent API over TLS: probes for the kubelet, status and orders for those whose certificate allows it.

A client certificate is asked for and verified by TLS if one is shown; which subject may do
what stands in the table of routes. Probes need none.
"""

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import web

from covet.agent import birth, cloning, joining, orders, ruling, status, succeeding
from covet.agent.door import Door
from covet.agent.instance import Instance
from covet.agent.topology import Hub
from covet.core import names, topology
from covet.core.agentapi import Problem, Serving, ShardSpec
from covet.core.agentorders import (
    BootstrapOrder,
    CheckpointRequest,
    CloneOrder,
    CohortOrder,
    DatabaseOrder,
    InsideRequest,
    JoinRequest,
    LoginOrder,
    MapOrder,
    OpenOrder,
    PrepareOrder,
    PromoteOrder,
    RetireOrder,
    SealOrder,
    SwitchoverOrder,
    UnsealOrder,
)
from covet.core.errors import CovetError, RefusedError, SpecError, UnreachableError
from covet.engines.programs import ProgramError
from covet.engines.sessions import SqlError
from covet.peers import codec
from covet.peers.client import MAX_BODY_BYTES

LOG: Final = logging.getLogger("covet.api")

ALIVE_SECONDS: Final = 10.0
"""How long the loop or the voter may be silent before the kubelet restarts the pod."""

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[Instance, web.Request, str], Awaitable[object]]


class Caller(enum.Enum):
    """Who may use a route, by the subject of the client's certificate."""

    ANYONE = "Anyone"
    HOLDER = "Holder"
    """Any certificate of the cluster's authority."""
    SHARD = "Shard"
    """The operator and the instances of this shard."""
    PEER = "Peer"
    """The instances of this shard."""
    OPERATOR = "Operator"
    ROUTER = "Router"
    """The operator and the routers of the cluster."""


async def _status(inst: Instance, _request: web.Request, _caller: str) -> object:
    return await status.read(inst)


def _ordered(kind: type[T], carry_out: Callable[[Instance, T], Awaitable[object]]) -> Answer:
    """Return what carries out an order of a kind and answers with the status after it."""

    async def answer(inst: Instance, request: web.Request, _caller: str) -> object:
        await carry_out(inst, await _body(request, kind))
        return await status.read(inst)

    return answer


async def _join(inst: Instance, request: web.Request, caller: str) -> object:
    return await joining.admit(inst, caller, await _body(request, JoinRequest))


async def _checkpoint(inst: Instance, request: web.Request, _caller: str) -> object:
    return await joining.checkpoint(inst, await _body(request, CheckpointRequest))


async def _prepare(inst: Instance, request: web.Request, caller: str) -> object:
    return await succeeding.prepare(inst, caller, await _body(request, PrepareOrder))


async def _inside(inst: Instance, request: web.Request, _caller: str) -> object:
    return await orders.look_inside(inst, await _body(request, InsideRequest))


async def _cohort(inst: Instance, request: web.Request, _caller: str) -> object:
    return await ruling.advance(inst, await _body(request, CohortOrder))


ROUTES: Final[tuple[tuple[str, str, Caller, Answer], ...]] = (
    ("GET", "/v1/status", Caller.SHARD, _status),
    ("PUT", "/v1/spec", Caller.OPERATOR, _ordered(ShardSpec, Instance.take_spec)),
    ("POST", "/v1/bootstrap", Caller.OPERATOR, _ordered(BootstrapOrder, birth.order)),
    ("POST", "/v1/clone", Caller.OPERATOR, _ordered(CloneOrder, cloning.order)),
    ("POST", "/v1/join", Caller.PEER, _join),
    ("POST", "/v1/checkpoint", Caller.PEER, _checkpoint),
    ("POST", "/v1/prepare", Caller.PEER, _prepare),
    ("POST", "/v1/cohort", Caller.OPERATOR, _cohort),
    ("POST", "/v1/switchover", Caller.OPERATOR, _ordered(SwitchoverOrder, ruling.switch_over)),
    ("POST", "/v1/promote", Caller.OPERATOR, _ordered(PromoteOrder, ruling.promote)),
    ("POST", "/v1/open", Caller.OPERATOR, _ordered(OpenOrder, orders.open_shard)),
    ("PUT", "/v1/database", Caller.OPERATOR, _ordered(DatabaseOrder, orders.put_database)),
    ("PUT", "/v1/login", Caller.OPERATOR, _ordered(LoginOrder, orders.put_login)),
    ("POST", "/v1/retire", Caller.OPERATOR, _ordered(RetireOrder, orders.retire_login)),
    ("PUT", "/v1/map", Caller.OPERATOR, _ordered(MapOrder, orders.put_map)),
    ("POST", "/v1/inside", Caller.OPERATOR, _inside),
    ("POST", "/v1/seal", Caller.OPERATOR, _ordered(SealOrder, orders.seal)),
    ("POST", "/v1/unseal", Caller.OPERATOR, _ordered(UnsealOrder, orders.unseal)),
)


class Api:
    """The listening end of the agent API.

    Args:
        inst: the agent.
    """

    def __init__(self, inst: Instance) -> None:
        self._inst = inst
        self.hub = Hub(inst)
        self._runner: web.AppRunner | None = None
        self._door: Door | None = None

    async def start(self) -> None:
        """Listen with the certificate in force."""
        inst = self._inst
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._notice])
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/startupz", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get(
            topology.ROUTE, self._handler(topology.ROUTE, Caller.ROUTER, self._topology), allow_head=False
        )
        for method, path, caller, answer in ROUTES:
            app.router.add_route(method, path, self._handler(path, caller, answer))
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        if self._runner.server is not None:
            self._door = Door(self._runner.server, inst.clock.monotonic, inst.metrics.turned_away.inc)
            await self.renew()
            self._door.open(inst.settings.listen, inst.own.agent_port)

    async def renew(self) -> None:
        """Use the newest certificate for new connections; those that are open go on under the old one."""
        if self._door is not None:
            self._door.admit_with(self._inst.certificates.answering)

    async def stop(self) -> None:
        """Stop listening and end what is under way."""
        self.hub.close()
        if self._door is not None:
            await self._door.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _notice(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Tell the door which connections bring requests."""
        transport = request.transport
        if self._door is None:
            return await handler(request)
        self._door.began(transport)
        try:
            return await handler(request)
        finally:
            self._door.ended(transport)

    async def _livez(self, _request: web.Request) -> web.Response:
        inst = self._inst
        now = inst.clock.monotonic()
        if inst.voting.ended.is_set() or now - inst.voting.reported_at > ALIVE_SECONDS:
            return web.Response(status=503, text="the voter is silent\n")
        if now - inst.ticked_at > ALIVE_SECONDS:
            return web.Response(status=503, text="the loop is stuck\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        serving = status.serving(self._inst)
        return web.Response(status=503 if serving is Serving.CLOSED else 200, text=f"{serving.value}\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        try:
            allow(self._inst, Caller.HOLDER, subject(request))
        except RefusedError as error:
            return _problem(403, error)
        status.fill_metrics(self._inst, await status.read(self._inst))
        return web.Response(body=self._inst.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _topology(self, _inst: Instance, request: web.Request, _caller: str) -> object:
        return await self.hub.serve(request)

    def _handler(self, path: str, caller: Caller, answer: Answer) -> Handler:
        inst = self._inst

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                name = subject(request)
                allow(inst, caller, name)
            except RefusedError as error:
                inst.metrics.orders.labels(path, "forbidden").inc()
                return _problem(403, error)
            try:
                message = await answer(inst, request, name)
            except CovetError as error:
                inst.metrics.orders.labels(path, "refused").inc()
                LOG.info(
                    "%s of %s was refused: %s", path, name, error.message, extra={"fields": {"reason": error.reason}}
                )
                return _problem(_code(error), error)
            inst.metrics.orders.labels(path, "done").inc()
            if isinstance(message, web.StreamResponse):
                return message
            return web.Response(body=codec.encode(message), content_type="application/json")

        return handle


def subject(request: web.Request) -> str:
    """Return the common name of the client's certificate, empty without one."""
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport else None
    for relative in (certificate or {}).get("subject", ()):
        for key, value in relative:
            if key == "commonName":
                return str(value)
    return ""


def allow(inst: Instance, caller: Caller, name: str) -> None:
    """Refuse a subject that may not use a route.

    Raises:
        RefusedError: it may not.
    """
    peers = {peer.instance for peer in inst.spec.peers}
    operator = name == names.OPERATOR_COMMON_NAME
    allowed = {
        Caller.ANYONE: True,
        Caller.HOLDER: bool(name),
        Caller.SHARD: operator or name in peers,
        Caller.PEER: name in peers,
        Caller.OPERATOR: operator,
        Caller.ROUTER: operator or name == names.ROUTER_COMMON_NAME,
    }[caller]
    if not allowed:
        who = f"subject {name!r}" if name else "a caller without certificate"
        raise RefusedError("Forbidden", f"This route is not for {who}.")


async def _body(request: web.Request, kind: type[T]) -> T:
    try:
        async with asyncio.timeout(5.0):
            text = await request.read()
    except (web.HTTPRequestEntityTooLarge, TimeoutError) as error:
        raise SpecError("BodyInvalid", "The body is too long or came too slowly.") from error
    return codec.decode(text, kind)


def _code(error: CovetError) -> int:
    if isinstance(error, SpecError):
        return 400
    if isinstance(error, UnreachableError | SqlError | ProgramError):
        return 503
    return 409


def _problem(code: int, error: CovetError) -> web.Response:
    body = codec.encode(Problem(error.reason, error.message))
    return web.Response(status=code, body=body, content_type="application/json")
