"""The part of the operator that issues certificates, for real agents: the same facts, decisions and values.

What the API server and the kubelet do besides is done here: Secrets are values, and each arrives in its agent's folder
after a while of its own.
"""

import asyncio
import dataclasses
import datetime as dt
import random
import ssl

from covet.api import spec
from covet.controllers import agents, outer, reading
from covet.controllers.outer import Outer
from covet.core import names
from covet.core.errors import CovetError
from covet.kube import ledger
from covet.kube.ledger import Key
from covet.kube.resources import Manifest
from covet.manifests import authorities as values
from covet.manifests import certificates, crosscertificates, secrets
from covet.manifests.certificates import Authority, Lifetimes
from covet.manifests.metadata import ClusterRef
from covet.peers.client import AgentClient
from covet.planner import authorities
from covet.planner.authorityactions import AnnounceAuthority, SwitchAuthority
from covet.planner.facts import ClusterFacts, InstanceFacts, PodFacts, ShardFacts, Unreachable
from tests.e2e.process.agents import Agent
from tests.e2e.process.shard import Shard
from tests.unit.manifests.outers import Company

REF = ClusterRef("shop", "ns", "5a1d0a54-0000-4000-8000-000000000001")
PACE = 1.0
"""Seconds between rounds."""
DELIVERY = 3.0
"""As a kubelet has it: each instance gets its Secret at another time."""


class Vouching:
    """Certificates of a shard that has not started yet, and rounds that keep them new.

    Args:
        shard: whose; its own authority is taken out of use, and its clients read `ca.crt` anew for each session.
        lifetimes: of what is issued.
        company: the authority of somebody else that is asked for; may be replaced at any time.

    Attributes:
        steps: of the authority, in order.
        issued: how many certificates were.
        delivery: seconds, at most, until a Secret arrives in a folder.
    """

    def __init__(self, shard: Shard, lifetimes: Lifetimes, company: Company | None = None) -> None:
        self.company = company
        self.delivery = DELIVERY
        self._shard = shard
        self._lifetimes = lifetimes
        self._objects: dict[Key, Manifest] = {}
        self._clients: list[AgentClient] = []
        self._deliveries: set[asyncio.Task[None]] = set()
        self.steps: list[str] = []
        self.issued = 0
        now = dt.datetime.now(dt.UTC)
        made = certificates.make_authority(REF.name, now, lifetimes)
        self._put(secrets.authority(REF, made, spec.VolumeFate.KEEP))
        for subject in (names.OPERATOR_COMMON_NAME, *(agent.peer.instance for agent in shard.agents)):
            self._issue(subject, now)
        for agent in shard.agents:
            self._deliver(agent)
        shard.client = self._client()
        shard.trust = self._bundle()

    async def run(self) -> None:
        """Do rounds until cancelled."""
        try:
            while True:
                await self._round()
                await asyncio.sleep(PACE)
        finally:
            for task in self._deliveries:
                task.cancel()
            for client in self._clients[:-1]:
                await client.close()

    async def _round(self) -> None:
        now = dt.datetime.now(dt.UTC)
        shards = (ShardFacts("s0", tuple([await self._look(agent) for agent in self._shard.agents])),)
        asked = self._asked(now)
        facts = ClusterFacts(
            name=REF.name,
            namespace=REF.namespace,
            uid=REF.uid,
            generation=1,
            authority=reading.authority(self._objects, REF, now),
            authorities=reading.reign(self._objects, REF, self._lifetimes.certificate / 3),
            outer=asked.facts if asked is not None else None,
            certificates=reading.certificates_of(self._objects, REF, shards, now, asked),
            shards=shards,
        )
        assert all(found.valid for found in facts.certificates.values())
        due = [subject for subject, found in facts.certificates.items() if found.due and not found.held]
        for subject in due:
            self._issue(subject, now)
        if names.OPERATOR_COMMON_NAME in due:
            self._shard.client = await self._client().__aenter__()
        for agent in self._shard.agents:
            if agent.peer.instance in due:
                task = asyncio.create_task(self._bring(agent))
                self._deliveries.add(task)
                task.add_done_callback(self._deliveries.discard)
        verdict = authorities.decide(facts, now)
        if verdict is not None and verdict.action is not None:
            self._step(verdict.action, now)
        self._shard.trust = self._bundle()

    def _step(self, action: object, now: dt.datetime) -> None:
        known = reading.authority_values(self._objects, REF)
        if isinstance(action, AnnounceAuthority):
            made = certificates.make_authority(REF.name, now, self._lifetimes, following=True)
            changed = values.announced(made)
        else:
            changed = values.switched(known) if isinstance(action, SwitchAuthority) else values.dropped()
        data = {key: text for key, text in {**known, **changed}.items() if text is not None}
        secret = self._objects["Secret", REF.namespace, names.authority_secret(REF.name)]
        self._put({**secret, "data": secrets.coded(data)})
        self.steps.append(type(action).__name__)

    async def _look(self, agent: Agent) -> InstanceFacts:
        name = agent.peer.instance
        pod = PodFacts(names.pod(name), agent.peer.address, "node-1", running=True)
        try:
            return InstanceFacts(name, pod, await self._shard.status(agent))
        except CovetError as error:
            return InstanceFacts(name, pod, Unreachable(error.reason))

    def _asked(self, now: dt.datetime) -> Outer | None:
        if self.company is None:
            return None
        secret = {"data": secrets.coded(self.company.values())}
        return outer.judge("clients", secret, outer.Terms((), now, crosscertificates.notice(self._lifetimes)))

    def _issue(self, subject: str, now: dt.datetime) -> None:
        known = reading.authority_values(self._objects, REF)
        signer = Authority(known[secrets.CERTIFICATE], known[secrets.KEY])
        trust = values.bundle(known)
        self.issued += 1
        if subject == names.OPERATOR_COMMON_NAME:
            made = certificates.issue_operator(signer, now, self._lifetimes, trust)
            self._put(secrets.operator_certificate(REF, made))
            return
        address = next(agent.peer.address for agent in self._shard.agents if agent.peer.instance == subject)
        addresses = (*certificates.instance_addresses(REF.name, "s0", subject, REF.namespace), address)
        made = certificates.issue_instance(signer, subject, addresses, now, self._lifetimes, trust)
        asked = self._asked(now)
        if asked is not None:
            key = ("Secret", REF.namespace, names.instance_secret(subject))
            before = self._held(key[2])[secrets.CERTIFICATE] if key in self._objects else ""
            above = crosscertificates.above(
                before, signer.certificate, asked.authority, addresses, now, self._lifetimes
            )
            made = dataclasses.replace(made, certificate=made.certificate + above)
        self._put(secrets.instance_certificate(REF, "s0", subject, made))

    async def _bring(self, agent: Agent) -> None:
        await asyncio.sleep(random.uniform(0, self.delivery))
        self._deliver(agent)

    def _deliver(self, agent: Agent) -> None:
        for key, text in self._held(names.instance_secret(agent.peer.instance)).items():
            temporary = agent.tls / f".{key}"
            temporary.write_text(text)
            temporary.chmod(0o644)
            temporary.rename(agent.tls / key)

    def _client(self) -> AgentClient:
        held = self._held(names.operator_secret(REF.name))
        credentials = agents.Credentials(*(held[key] for key in (secrets.CERTIFICATE, secrets.KEY, secrets.TRUST)))
        self._clients.append(AgentClient(agents.tls_context(credentials), 8.0))
        return self._clients[-1]

    def _bundle(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=values.bundle(reading.authority_values(self._objects, REF)))

    def _held(self, name: str) -> dict[str, str]:
        return secrets.values_of(self._objects["Secret", REF.namespace, name])

    def _put(self, manifest: Manifest) -> None:
        self._objects[ledger.key_of(manifest)] = manifest
