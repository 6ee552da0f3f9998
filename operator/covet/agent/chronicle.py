"""What a failover was: who led before, why that ended, and how long each phase took until clients could write.

Read off the role changes of the election core, so that nothing is parsed and nothing waits for it. The numbers
are of this member's own monotonic clock; the last failover that ended here is kept on the volume.
"""

import dataclasses
import datetime as dt
import logging
from collections.abc import Callable
from typing import Final

from covet.core import clock
from covet.core.agentapi import Decided, Discarded, LastFailover
from covet.planner.election.effects import Note
from covet.planner.election.state import Agent, Member
from covet.planner.election.watch import LEADING, Role

LOG: Final = logging.getLogger("covet.chronicle")

PHASES: Final = ("detect", "fence", "promote", "writable")

UNSAID: Final = "Resigned"
"""The reason of a farewell that gave none, or that was heard from others."""

TELLING: Final = frozenset(
    {
        "Opened",
        "Outvoted",
        "ReadFenced",
        "TooFewReplies",
        "Resigning",
        "HandingOff",
        "LossAccepted",
        "HigherLeader",
        "LeaderRecruited",
        "Diverged",
        "Fenced",
    }
)
"""Decisions that stand until the next one. Candidacies are none: in an outage they repeat by themselves."""


@dataclasses.dataclass(frozen=True)
class Story:
    """A change of the leader under way, in milliseconds of the monotonic clock.

    Args:
        reason: what ended the reign before.
        former: member that led it, empty if nobody is known.
        sign: when that leader was last heard, None if never or if it said farewell.
        begun: when this member set out to promise a new term.
        elected: when it was to lead, None before.
        promoted: when its server was on the term's timeline, None before.
        opened: when the core let clients in, None before.
    """

    term: int
    reason: str
    former: str
    sign: int | None
    begun: int
    elected: int | None = None
    promoted: int | None = None
    opened: int | None = None


def observe(story: Story | None, before: Agent, member: Member, now: int) -> Story | None:
    """Return the story after one step of the core, None while nothing is under way.

    Args:
        story: as it was.
        before: the agent half before the step.
        member: both halves after it.
        now: milliseconds of the monotonic clock.
    """
    agent = member.agent
    if agent.role in {Role.FOLLOWER, Role.REJOIN}:
        return None
    moved = (agent.role, agent.term) != (before.role, before.term)
    if moved and agent.role in {Role.CANDIDATE, Role.RECRUITED} and before.role is not Role.CANDIDATE:
        story = _begin(story, before, member, now)
    if agent.role not in LEADING or agent.reign is None:
        return story
    if before.role in LEADING and story is None:
        return None
    if story is None or (story.opened is not None and story.term != agent.term):
        story = _begin(None, before, member, now)
    said = member.watch.farewell if story.reason == UNSAID else ""
    story = dataclasses.replace(story, term=agent.term, reason=said or story.reason)
    if story.elected is None or (moved and before.role not in LEADING):
        story = dataclasses.replace(story, elected=now, promoted=None, opened=None)
    if story.promoted is None and agent.reign.promoted_at is not None:
        story = dataclasses.replace(story, promoted=now)
    if story.opened is None and agent.reign.opened:
        story = dataclasses.replace(story, opened=now)
    return story


def _begin(story: Story | None, before: Agent, member: Member, now: int) -> Story:
    """Return the story of a new candidacy; one that came to nothing goes on as the same failover."""
    watch, term = member.watch, member.agent.term
    if story is not None and story.opened is None and watch.heard.at <= story.begun:
        return dataclasses.replace(story, term=term, elected=None, promoted=None)
    reason = reason_of(before, member, now)
    farewell = watch.resigned > 0 and watch.resigned >= watch.heard.term
    rule = before.saved.rule
    former = watch.heard.leader or (rule.leader if rule is not None else "")
    sign = watch.heard.at if watch.heard.term > 0 and not farewell else None
    return Story(term, reason, former, sign, now)


def reason_of(before: Agent, member: Member, now: int) -> str:
    """Return what ended the reign before, as far as this member knows: a CamelCase fact."""
    candidacy, watch = member.agent.candidacy, member.watch
    if candidacy is not None and candidacy.accept_loss:
        return "LossAccepted"
    if before.role is Role.RESIGNED:
        return (before.parting.reason if before.parting is not None else "") or UNSAID
    if watch.resigned > 0 and watch.resigned >= watch.heard.term and before.role is not Role.STOPPED:
        return watch.farewell or UNSAID
    if before.role is Role.STOPPED:
        return "Stopped"
    return _unsaid(before, member, now)


def _unsaid(before: Agent, member: Member, now: int) -> str:
    """Return what a leader's end looked like that said no farewell."""
    heard = member.watch.heard
    if before.role is Role.BOOT or heard.term == 0:
        return "Boot"
    if heard.refused:
        return "DialsRefused"
    # Who still hears the leader is asked by others, who do not.
    return "LeaderSilent" if now - heard.at >= member.watch.config.timers.suspect else "Recruited"


def conclude(story: Story, at: dt.datetime, now: int, instance_of: Callable[[str], str], me: str) -> LastFailover:
    """Return what is told of a story that ended: clients are in.

    Args:
        story: of a leader that the core opened.
        at: wall-clock time.
        now: milliseconds of the monotonic clock.
        instance_of: turns a member into its instance.
        me: this instance.
    """
    elected = story.elected if story.elected is not None else now
    promoted = story.promoted if story.promoted is not None else now
    first = story.sign if story.sign is not None else story.begun
    return LastFailover(
        at=clock.rfc3339(at),
        reason=story.reason,
        former=instance_of(story.former) if story.former else None,
        to=me,
        term=story.term,
        detect_ms=None if story.sign is None else max(0, story.begun - story.sign),
        fence_ms=max(0, elected - story.begun),
        promote_ms=max(0, promoted - elected),
        writable_ms=max(0, now - first),
        former_member=story.former or None,
    )


def seconds_of(last: LastFailover) -> dict[str, float]:
    """Return the phases that were measured, in seconds."""
    spans = (last.detect_ms, last.fence_ms, last.promote_ms, last.writable_ms)
    return {phase: span / 1000 for phase, span in zip(PHASES, spans, strict=True) if span is not None}


def decide(known: Decided | None, note: Note, at: dt.datetime) -> Decided | None:
    """Return the decision that stands after a note; the same one again keeps its time."""
    same = known is not None and (known.reason, known.message) == (note.reason, note.message)
    if same or note.reason not in TELLING:
        return known
    return Decided(clock.rfc3339(at), note.reason, note.message)


class Chronicle:
    """The story under way, and what is told of the last one.

    Attributes:
        story: of the change under way, None without one.
        last: the last failover that ended here, None before the first.
        decided: the decision that stands.
        discarded: what the last rejoin gave up, None without one.
    """

    def __init__(self) -> None:
        self.story: Story | None = None
        self.last: LastFailover | None = None
        self.decided: Decided | None = None
        self.discarded: Discarded | None = None

    def step(self, before: Agent, member: Member, now: int, *, opened: bool) -> None:
        """Take note of one step of the core; before the shard was opened there is nothing to fail over."""
        self.story = observe(self.story, before, member, now) if opened else None

    def note(self, note: Note, at: dt.datetime) -> None:
        """Take note of a decision."""
        self.decided = decide(self.decided, note, at)

    def admitted(self, at: dt.datetime, now: int, instance_of: Callable[[str], str], me: str) -> LastFailover | None:
        """Take note that clients were let in; return the failover that this ends, None if it ends none.

        Whoever follows, or was told of already, ends none.
        """
        story = self.story
        if story is None or story.opened is None or (self.last is not None and self.last.term >= story.term):
            return None
        self.last = conclude(story, at, now, instance_of, me)
        LOG.info(
            "Term %s takes writes, %s -> %s (%s): detected in %s ms, fenced in %s, promoted in %s, %s in all.",
            *(self.last.term, self.last.former, me, self.last.reason),
            *(self.last.detect_ms, self.last.fence_ms, self.last.promote_ms, self.last.writable_ms),
        )
        return self.last
