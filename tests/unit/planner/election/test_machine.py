"""One member, event by event: what must be on the disk, stopped or confirmed before what."""

import dataclasses

import pytest

from covet.core.agentapi import Position, Rule
from covet.core.errors import SpecError
from covet.planner.election import candidacy, changing, effects, events, following, leading, machine, messages, pulse
from covet.planner.election.messages import Beat, Confirm, HandOver, Recruit, Recruited
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Member, Reign
from covet.planner.election.timers import Timers
from covet.planner.election.watch import Config, Leader, Role
from covet.planner.quorum import Order

RULE = Rule(1, 1, "a", ("a", "b", "c"), 1)
LATER = 10_000


class Driver:
    """Gives a member events and keeps what it asked for last."""

    def __init__(self, sworn: Sworn, name: str = "b") -> None:
        self.member: Member = machine.start(Config(name), sworn, ("a", "b", "c"), 0)
        self.now = LATER
        self.wanted: tuple[effects.Effect, ...] = ()

    def give(self, event: events.Event, after: int = 0) -> tuple[effects.Effect, ...]:
        """Give one event and return the effects."""
        self.now += after
        self.member, self.wanted = machine.step(self.member, event, self.now)
        return self.wanted

    def kinds(self) -> list[type]:
        """Return the classes of the last effects."""
        return [type(effect) for effect in self.wanted if not isinstance(effect, effects.Note)]

    def finish(self, position: Position | None = None) -> tuple[effects.Effect, ...]:
        """Answer the last effect with a ticket."""
        ticket = next(effect.ticket for effect in reversed(self.wanted) if hasattr(effect, "ticket"))
        return self.give(events.Done(ticket, ok=True, position=position))

    def persist(self) -> tuple[effects.Effect, ...]:
        """Confirm that what was sworn is on the disk."""
        return self.give(events.Persisted(self.member.agent.sworn))


def started(sworn: Sworn, name: str = "b") -> Driver:
    """Return a member whose closed server runs."""
    driver = Driver(sworn, name)
    driver.give(events.Tick(0))
    driver.give(events.ServerDied())
    assert [effects.Start] == driver.kinds()
    driver.finish()
    return driver


def recruited(term: int = 5) -> Driver:
    """Return a member that was recruited and answered."""
    driver = started(Sworn(1, RULE))
    driver.give(events.Received(Recruit("c", term)))
    driver.persist()
    driver.finish(Position(1, 100))
    return driver


def test_a_promise_is_on_the_disk_before_the_fence_and_the_fence_before_the_answer() -> None:
    """A recruited member answers only what can no longer be taken back (I1, I3)."""
    driver = started(Sworn(1, RULE))
    driver.give(events.Received(Recruit("c", 5)))
    assert [effects.Persist] == driver.kinds()
    driver.persist()
    assert [effects.Fence] == driver.kinds()
    answer = driver.finish(Position(1, 100))[0]
    assert isinstance(answer, effects.Send)
    assert isinstance(answer.message, Recruited)
    assert (True, 5, Position(1, 100)) == (answer.message.yes, answer.message.promise, answer.message.position)


def test_a_term_is_promised_once() -> None:
    """Whoever asks second for the same term is refused (I1)."""
    driver = recruited()
    refusal = driver.give(events.Received(Recruit("a", 5)))[0]
    assert isinstance(refusal, effects.Send)
    assert isinstance(refusal.message, Recruited)
    assert not refusal.message.yes


def test_the_same_request_gets_the_same_answer() -> None:
    """A candidate whose answer was lost asks again and gets it again."""
    driver = recruited()
    assert [effects.Send] == [type(effect) for effect in driver.give(events.Received(Recruit("c", 5)))]


def test_a_fence_of_an_older_term_answers_nobody() -> None:
    """A fence that was under way when a higher term was promised says nothing about that promise."""
    driver = started(Sworn(1, RULE))
    driver.give(events.Received(Recruit("c", 5)))
    fence = driver.persist()[-1]
    assert isinstance(fence, effects.Fence)
    driver.give(events.Received(Recruit("a", 6)))
    driver.give(events.Done(fence.ticket, ok=True, position=Position(1, 100)))
    assert effects.Send not in driver.kinds()


def test_a_member_that_just_started_is_not_recruited() -> None:
    """It forgot whom it echoed, and a read lease may rest on that."""
    driver = Driver(Sworn(1, RULE))
    driver.now = 1000
    answer = driver.give(events.Received(Recruit("c", 5)))[0]
    assert isinstance(answer, effects.Send)
    assert isinstance(answer.message, Recruited)
    assert "JustStarted" == answer.message.reason


@pytest.mark.parametrize("term", [4, 6])
def test_a_hand_over_of_another_term_is_not_taken(term: int) -> None:
    """Only the promised term can be led."""
    driver = recruited()
    driver.give(events.Received(HandOver("c", term, RULE, 0)))
    assert Role.RECRUITED is driver.member.agent.role


def test_a_term_is_led_once_even_after_a_crash() -> None:
    """The mark on the disk outlives the memory."""
    driver = started(Sworn(5, RULE, led=5))
    driver.give(events.Received(HandOver("c", 5, RULE, 0)))
    assert Role.PROMOTING is not driver.member.role


def test_a_new_leader_opens_only_after_its_row_was_confirmed_and_the_old_lease_is_over() -> None:
    """Mark, promote, own rule, row, confirmation, wait, open: in this order (I4, I12)."""
    driver = recruited()
    driver.give(events.Received(HandOver("c", 5, RULE, 700)))
    assert effects.Persist in driver.kinds()
    assert effects.Promote not in driver.kinds()
    driver.persist()
    assert [effects.Promote] == driver.kinds()
    driver.finish()
    assert effects.WriteRow not in driver.kinds()
    driver.give(events.Tick(0))
    driver.persist()
    assert effects.WriteRow in driver.kinds() or effects.WriteRow in [type(e) for e in driver.give(events.Tick(0))]
    row = driver.member.agent.reign
    assert row is not None
    driver.give(events.Done(row.ticket, ok=True, lsn=110))
    driver.give(events.Received(messages.Confirmed("c", 5, 1)))
    driver.give(events.Tick(0))
    assert effects.Serve not in driver.kinds()
    driver.give(events.Tick(0), after=700)
    assert effects.Serve in driver.kinds()


def test_a_server_that_may_write_without_a_term_is_stopped() -> None:
    """A leader that hears a higher leader stops at once (I7)."""
    driver = recruited()
    driver.give(events.Received(HandOver("c", 5, RULE, 0)))
    driver.persist()
    driver.finish()
    driver.give(events.Received(Beat("a", 9, 1, 1, messages.PROMOTED | messages.OPEN)))
    assert effects.Stop in driver.kinds()


def test_a_row_is_confirmed_only_after_it_is_on_the_disk_of_promises_too() -> None:
    """A follower's word means flushed and remembered."""
    driver = started(Sworn(1, RULE))
    driver.give(events.Received(Beat("a", 2, 1, 1, messages.PROMOTED | messages.OPEN)))
    driver.persist()
    assert [effects.Follow] == driver.kinds()
    driver.finish()
    rule = Rule(2, 1, "a", ("a", "b", "c"), 1)
    driver.give(events.Received(Confirm("a", rule, 120)))
    assert [effects.AwaitRow] == driver.kinds()
    driver.finish()
    assert [effects.Persist] == driver.kinds()
    driver.persist()
    assert [effects.Send("a", messages.Confirmed("b", 2, 1))] == list(driver.wanted)


def test_a_lower_term_is_not_followed() -> None:
    """Below its promise a member follows nobody and says so."""
    driver = started(Sworn(7, RULE))
    echo = driver.give(events.Received(Beat("a", 2, 1, 1, messages.PROMOTED | messages.OPEN)))
    assert [effects.Send] == [type(effect) for effect in echo]
    assert 7 == driver.member.agent.sworn.promise
    assert driver.member.agent.target is None


@pytest.mark.parametrize(
    "wrong",
    [{"read_fence": 1300}, {"suspect": 900}, {"grace": 1200}, {"stop": 1000}, {"beat": 500}, {"open_wait": 950}],
)
def test_timers_in_another_order_are_refused(wrong: dict[str, int]) -> None:
    """Timers that would break a promise never start."""
    with pytest.raises(SpecError):
        dataclasses.replace(Timers(), **wrong)


def test_a_cohort_of_three_shrinks_to_one_by_way_of_two() -> None:
    """W is lowered with the last follower's leave, whose confirmation counts."""
    first = changing.plan(RULE, ("a",), 0, ready=("b",))
    assert first is not None
    assert (("a", "b"), 1, Order.SETTING_FIRST) == (first.rule.cohort, first.rule.acks, first.order)
    second = changing.plan(first.rule, ("a",), 0)
    assert second is not None
    assert (("a",), 0, Order.ROW_FIRST, ("b",), 1) == (
        second.rule.cohort,
        second.rule.acks,
        second.order,
        second.voters,
        second.needed,
    )


def test_a_person_who_accepts_loss_gets_a_leader_of_whoever_answers() -> None:
    """Without a recruit set nobody leads, unless a person says so; then the cohort is who answered."""
    driver = started(Sworn(1, RULE))
    driver.give(events.PromoteOrder())
    driver.persist()
    driver.finish(Position(1, 100))
    driver.give(events.Tick(0), after=Timers().recruit)
    reign = driver.member.agent.reign
    assert reign is not None
    assert Rule(2, 1, "b", ("b",), 0) == reign.rule


def test_without_that_word_a_lone_member_waits() -> None:
    """One of three elects nobody, however long it is alone."""
    driver = started(Sworn(1, RULE))
    for _ in range(200):
        driver.give(events.Tick(500), after=50)
    assert Role.PROMOTING is not driver.member.agent.role
    assert 1 == driver.member.agent.sworn.promise


def test_a_cohort_of_one_elects_itself() -> None:
    """After its start a single member waits for a leader that it may have forgotten, then leads."""
    driver = started(Sworn(1, Rule(1, 1, "b", ("b",), 0)))
    driver.give(events.Tick(0), after=2000)
    driver.give(events.Tick(0), after=200)
    assert Role.CANDIDATE is driver.member.agent.role


def says_unacknowledged(*looks: tuple[int, bool]) -> bool:
    """Return what a read-fenced leader's heartbeats say, after looks at its walsenders: (moment, replied)."""
    reign = Reign(5, RULE, LATER, LATER, promoted_at=LATER, opened=True, replied_at=LATER)
    start = machine.start(Config("a"), Sworn(5, RULE), ("a", "b", "c"), 0)
    agent = dataclasses.replace(start.agent, role=Role.READ_FENCED, reign=reign)
    member = dataclasses.replace(start, agent=agent)
    for moment, replied in looks:
        followers = frozenset({"b", "c"}) if replied else frozenset()
        member = machine.act(member, events.WalSenders(followers, frozenset()), LATER + moment, [])
    assert member.agent.reign is not None
    flags = leading.flags(member.agent, member.agent.reign, pulse.report(member.watch), LATER + 5000)
    return bool(flags & messages.UNACKNOWLEDGED)


def test_a_leader_that_sees_no_replies_says_so() -> None:
    """Nobody vetoes an election for a leader that can acknowledge nothing."""
    assert says_unacknowledged((250, False), (4800, False))


def test_a_leader_that_stood_still_does_not_take_that_for_silence() -> None:
    """It did not look at its walsenders for seconds; an election would depose a leader that works."""
    assert not says_unacknowledged((250, True))
    assert not says_unacknowledged((250, True), (4900, True))


@pytest.mark.parametrize(("failures", "patience"), [(0, 1500), (1, 3000), (2, 6000), (7, 6000)])
def test_a_candidate_that_failed_before_waits_longer(failures: int, patience: int) -> None:
    """On a machine where every fence takes more than a candidate's first patience somebody comes to lead."""
    agent = machine.start(Config("a"), Sworn(1, RULE), ("a", "b", "c"), 0).agent
    agent = candidacy.begin(dataclasses.replace(agent, failures=failures), 1, 1000, [])
    assert agent.candidacy is not None
    assert Role.CANDIDATE is candidacy.turn(agent, agent.candidacy, 1000 + patience - 1, 0, []).role
    assert Role.RECRUITED is candidacy.turn(agent, agent.candidacy, 1000 + patience, 0, []).role


def test_candidacies_that_go_on_failing_leave_more_room_between_them() -> None:
    """Each failure doubles the pause, three times; a leader that is followed ends the count."""
    agent = machine.start(Config("a"), Sworn(1, RULE), ("a", "b", "c"), 0).agent
    pauses = []
    for _ in range(5):
        agent = candidacy.give_up(agent, 1000, 500, [], "TooFewAnswered")
        assert agent.retry_at is not None
        pauses.append(agent.retry_at - 1000)
    assert [200, 400, 800, 1600, 1600] == pauses
    leader = Leader("b", 9, promoted=True, rewind=False)
    assert 0 == following.hear(agent, leader, 2000, []).failures


@pytest.mark.parametrize(
    ("reason", "promise", "ends"),
    [("PromisedHigher", 9, 1200), ("LeaseHolds", 1, 1200), ("Rewinding", 1, 2500), ("JustStarted", 1, 2500)],
)
def test_a_member_that_is_unable_does_not_hurry_a_candidate(reason: str, promise: int, ends: int) -> None:
    """A rival or a living leader ends a candidacy soon; a member amid a rewind leaves the third all of its time."""
    agent = machine.start(Config("a"), Sworn(1, RULE), ("a", "b", "c"), 0).agent
    agent = candidacy.begin(agent, 1, 1000, [])
    no = Recruited("c", agent.term, yes=False, promise=promise, reason=reason)
    agent = candidacy.take(agent, no, 1000, 0, [])
    assert agent.candidacy is not None
    assert Role.CANDIDATE is candidacy.turn(agent, agent.candidacy, ends - 1, 0, []).role
    assert Role.RECRUITED is candidacy.turn(agent, agent.candidacy, ends, 0, []).role
