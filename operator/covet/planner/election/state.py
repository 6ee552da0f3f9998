"""The facts of the agent half of a member: what it swore, what its server does, what it is about."""

import dataclasses
import enum
from collections.abc import Mapping

from covet.core.agentapi import Position, Rule
from covet.planner.election import watch
from covet.planner.election.effects import Effect
from covet.planner.election.messages import Confirm, Recruited
from covet.planner.election.rules import Sworn
from covet.planner.election.watch import Config, Role, Watch
from covet.planner.quorum import Step

Out = list[Effect]


class Server(enum.Enum):
    """What the server process is, as far as its last effect said."""

    DOWN = "Down"
    STANDBY = "Standby"
    PRIMARY = "Primary"


class Work(enum.Enum):
    """The one effect on the server that is under way."""

    START = "Start"
    STOP = "Stop"
    FENCE = "Fence"
    PROMOTE = "Promote"
    FOLLOW = "Follow"
    REJOIN = "Rejoin"
    HAND_OFF = "HandOff"


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """An effect under way, the ticket that its answer bears, and the term it is for."""

    work: Work
    ticket: int
    term: int


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """The leader to follow.

    Args:
        rewind: it lets diverged members rewind.
    """

    leader: str
    term: int
    rewind: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Candidacy:
    """A candidate's term.

    Args:
        since: when its recruiting began, for the bound on it.
        asked_at: when requests were last sent, `NEVER` before the first.
        answers: by member, the own one among them.
        times: by member, when its answer came.
        accept_loss: a person ordered it; whoever answers in time is the recruit set.
    """

    term: int
    since: int
    asked_at: int
    answers: Mapping[str, Recruited] = dataclasses.field(default_factory=dict)
    times: Mapping[str, int] = dataclasses.field(default_factory=dict)
    accept_loss: bool = False


class Stage(enum.Enum):
    """How far the leader's rule row, or the change of its rule, is."""

    SETTING_BEFORE = "SettingBefore"
    OWN = "Own"
    WRITING = "Writing"
    CONFIRMING = "Confirming"
    SETTING_AFTER = "SettingAfter"
    DONE = "Done"


@dataclasses.dataclass(frozen=True, slots=True)
class Reign:
    """A leader's term.

    Args:
        rule: in force, or the term's first while it is not confirmed.
        next: the step under way; None for the term's first row.
        stage: of the row or step.
        ticket: of the row or setting effect under way, 0 for none.
        lsn: end of the row's commit, 0 while unknown.
        confirmed: followers that confirmed the row under way.
        seated: the term's own row was confirmed by W followers.
        opened: clients were let in.
        open_at: not before then, for the old leader's read lease.
        promoted_at: when the server was on the new timeline, None before.
        progressed_at: when the promotion last moved.
        asked_at: when confirmations were last asked for.
        replied_at: when W walsenders last had replies.
        looked_at: when somebody last looked whether they have.
        caught_up: members that stream and are less than a segment behind.
        stray_since: since when a lone higher promise stands.
    """

    term: int
    rule: Rule
    open_at: int
    progressed_at: int
    next: Step | None = None
    stage: Stage = Stage.OWN
    ticket: int = 0
    lsn: int = 0
    confirmed: frozenset[str] = frozenset()
    seated: bool = False
    opened: bool = False
    promoted_at: int | None = None
    asked_at: int = 0
    replied_at: int = 0
    looked_at: int = 0
    caught_up: frozenset[str] = frozenset()
    stray_since: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Parting:
    """A resignation to be sent, and repeated, once the server is reaped.

    Args:
        sent_at: None until it is reaped.
        reason: a CamelCase fact, for people.
    """

    term: int
    successor: str
    promise: int
    opened: bool
    sent_at: int | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Confirming:
    """A rule row to confirm.

    Args:
        flushed: the log reaches its end here; the rule is on its way to promise.json.
    """

    leader: str
    rule: Rule
    ticket: int
    flushed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Agent:
    """Everything that the agent half holds.

    Args:
        sworn: what promise.json shall hold; `saved`: what it does hold; they meet by `Persist`.
        writing: a `Persist` is under way.
        term: of the role: promised to, followed or led.
        follows: the term whose leader the server's settings name, 0 for nobody.
        recruiter: who waits for the answer to a promise under way, empty for nobody.
        answer: given for `term`, for repeated requests.
        rests_until: after a switchover the server stays down until then, or until the successor has its row: its start
            would take the processor from the promotion that clients wait for.
        asked: a row to confirm once the leader of `term` is followed.
        retry_at: a failed candidate asks again then.
        failures: candidacies that failed since a leader was followed or opened here: each doubles the next pause.
    """

    config: Config
    sworn: Sworn
    saved: Sworn
    started: int
    since: int
    role: Role = Role.BOOT
    term: int = 0
    server: Server = Server.DOWN
    writing: bool = False
    task: Task | None = None
    tickets: int = 0
    peers: tuple[str, ...] = ()
    follows: int = 0
    target: Target | None = None
    recruiter: str = ""
    answer: Recruited | None = None
    candidacy: Candidacy | None = None
    reign: Reign | None = None
    parting: Parting | None = None
    confirming: Confirming | None = None
    rests_until: int | None = None
    asked: Confirm | None = None
    reach: Position | None = None
    retry_at: int | None = None
    failures: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """One member: both halves. `machine.step` moves it."""

    agent: Agent
    watch: Watch

    @property
    def role(self) -> Role:
        """The state as the design names it."""
        role = self.agent.role
        if role not in watch.QUIET:
            return role
        ballot = self.watch.ballot
        return Role.PREVOTE if ballot.asked_at is not None or ballot.elect_at is not None else role


def enter(agent: Agent, role: Role, now: int, **changes: object) -> Agent:
    """Return the agent in another role; whatever belonged to the old one ends.

    The ticket of a task under way is kept only if its answer still matters: see `settling`.
    """
    ended = dict.fromkeys(("answer", "candidacy", "reign", "confirming", "asked", "retry_at"))
    merged: dict[str, object] = {**ended, "recruiter": "", "role": role, "since": now, **changes}
    return dataclasses.replace(agent, **merged)  # type: ignore[arg-type]  # mypy cannot see through the merged names


def begin(agent: Agent, work: Work, term: int = 0) -> Agent:
    """Return the agent with a task under way; its ticket is the number of tickets so far."""
    number = agent.tickets + 1
    return dataclasses.replace(agent, tickets=number, task=Task(work, number, term))


def rules_of(agent: Agent) -> tuple[Rule, ...]:
    """Return the rules whose cohorts count: the newest one; on a leader amid a change, both."""
    reign = agent.reign
    if reign is not None and reign.next is not None:
        return reign.rule, reign.next.rule
    if reign is not None:
        return (reign.rule,)
    return (agent.sworn.rule,) if agent.sworn.rule is not None else ()


def swear(agent: Agent, promise: int) -> Sworn:
    """Return what the agent has sworn once it promised a term too; a promise never goes down."""
    return dataclasses.replace(agent.sworn, promise=max(agent.sworn.promise, promise))
