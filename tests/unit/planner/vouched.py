"""The certificates of a shard as values, without time and without I/O: who shows what, and who trusts whom."""

import dataclasses
import datetime as dt

import pytest

from covet.core import names
from covet.core.agentapi import AgentStatus, MemberState, Serving
from covet.planner import authorities
from covet.planner.actions import ClusterAction, SettleOrder
from covet.planner.authorityactions import AnnounceAuthority, DropAuthority, SwitchAuthority
from covet.planner.authorityfacts import Authorities, Reign
from covet.planner.facts import (
    CertificateFacts,
    ClusterFacts,
    InstanceFacts,
    PodFacts,
    ShardFacts,
    Unreachable,
)

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
INSTANCES = tuple(f"shop-s0-{letter}" for letter in "abc")
SUBJECTS = (names.OPERATOR_COMMON_NAME, *INSTANCES)
NOTICE = dt.timedelta(days=30)
LIFE = dt.timedelta(days=3650)


@dataclasses.dataclass(frozen=True)
class Held:
    """A certificate and what stands beside it, as a Secret or an agent holds them; authorities are numbers."""

    issuer: int
    trust: tuple[int, ...]


class Vouched:
    """A shard of three, its operator and its clients, as far as certificates go.

    Each of `works` is what an instance works with: it takes up what its Secret holds when the kubelet brings it.
    """

    def __init__(self) -> None:
        self.now = NOW
        self.made = [NOW]
        self.present, self.following, self.former = 0, None, None
        self.secrets = dict.fromkeys(SUBJECTS, Held(0, (0,)))
        self.works = dict.fromkeys(INSTANCES, Held(0, (0,)))
        self.clients: tuple[int, ...] = (0,)
        self.silent: set[str] = set()
        self.away: set[str] = set()
        self.order: dt.datetime | None = None
        self.steps: list[str] = []

    present: int
    following: int | None
    former: int | None

    @property
    def trusted(self) -> tuple[int, ...]:
        """Return whom the Secret of the authority says to trust."""
        return tuple(one for one in (self.present, self.following, self.former) if one is not None)

    def facts(self) -> ClusterFacts:
        """Return what a round observes."""
        order = {} if self.order is None else {names.ANNOTATION_REPLACE_AUTHORITY: self.order.isoformat()}
        made = self.made[self.present]
        reign = Reign.SIGNING if self.former is not None else Reign.STEADY
        reign = Reign.ANNOUNCED if self.following is not None else reign
        next_made = self.made[self.following] if self.following is not None else None
        trust = ("ConfigMap", "ns", names.trust_config("shop"))
        return ClusterFacts(
            name="shop",
            namespace="ns",
            uid="uid",
            generation=1,
            authority=CertificateFacts(made + LIFE, due=self.now >= made + LIFE * 2 / 3, life=LIFE),
            authorities=Authorities(reign, made, next_made, NOTICE),
            certificates={subject: self._certificate(held) for subject, held in self.secrets.items()},
            shards=(ShardFacts("s0", tuple(map(self._instance, INSTANCES))),),
            stale=(trust,) if self.clients != self.trusted else (),
            annotations=order,
        )

    def _certificate(self, held: Held) -> CertificateFacts:
        due = held != Held(self.present, self.trusted)
        return CertificateFacts(NOW + LIFE, due=due, fingerprint=repr(held))

    def _instance(self, name: str) -> InstanceFacts:
        if name in self.away:
            return InstanceFacts(name, PodFacts(names.pod(name)))
        pod = PodFacts(names.pod(name), node="node-1", running=True)
        if name in self.silent:
            return InstanceFacts(name, pod, Unreachable("AgentUnreachable"))
        said = AgentStatus(1, "v", name, MemberState.FOLLOWER, "Following", "", Serving.READ_ONLY)
        return InstanceFacts(name, pod, dataclasses.replace(said, certificates=repr(self.works[name])))

    def round(self, most: int = 100) -> int:
        """Do a round that dies after so many writes; return how many there were to do."""
        facts = self.facts()
        verdict = authorities.decide(facts, self.now)
        writes: list[ClusterAction | str] = [subject for subject, found in facts.certificates.items() if found.due]
        writes += [verdict.action] if verdict is not None and verdict.action is not None else []
        writes += ["clients"] if facts.stale else []
        order = authorities.settle(facts, self.now)
        writes += [order] if order is not None else []
        for write in writes[:most]:
            self._write(write)
            self.agree()
        return len(writes)

    def _write(self, write: ClusterAction | str) -> None:
        match write:
            case AnnounceAuthority():
                self.made.append(self.now)
                self.following = len(self.made) - 1
            case SwitchAuthority():
                assert self.following is not None
                self.present, self.following, self.former = self.following, None, self.present
            case DropAuthority():
                self.former = None
            case SettleOrder():
                self.order = None
            case "clients":
                self.clients = self.trusted
            case str():
                self.secrets[write] = Held(self.present, self.trusted)
        if not isinstance(write, str):
            self.steps.append(type(write).__name__)

    def deliver(self, instance: str) -> None:
        """Bring an instance what its Secret holds."""
        self.works[instance] = self.secrets[instance]
        self.agree()

    def agree(self) -> None:
        """Check that every handshake that can happen now succeeds."""
        assert [] == self.disagreements()

    def disagreements(self) -> list[tuple[Held, Held | tuple[int, ...]]]:
        """Return the handshakes that fail now, who shows and who verifies: among instances, operator and clients."""
        up = [self.works[name] for name in INSTANCES if name not in self.away]
        sides = [*up, self.secrets[names.OPERATOR_COMMON_NAME]]
        among = [(shown, other) for shown in sides for other in sides if shown.issuer not in other.trust]
        return [*among, *((shown, self.clients) for shown in up if shown.issuer not in self.clients)]

    def finish(self) -> None:
        """Let everything arrive, with time passing, until nothing is left to do."""
        for _ in range(40):
            left = self.round()
            for instance in INSTANCES:
                self.deliver(instance)
            self.now += dt.timedelta(days=2)
            if not left and self.facts().authorities == Authorities(
                Reign.STEADY, self.made[self.present], None, NOTICE
            ):
                return
        pytest.fail(f"not steady: {authorities.decide(self.facts(), self.now)}")
