"""A planned switchover, event by event: the named successor goes first, and nothing on its way waits for a clock."""

import dataclasses

import pytest

from covet.core.agentapi import Position, Rule
from covet.planner.election import effects, events, machine, messages, voter, watch
from covet.planner.election.messages import Beat, Confirm, Recruit, Resigned
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Member, Parting, Reign, Server, Stage, Task, Work
from covet.planner.election.timers import Timers
from covet.planner.election.watch import Config, Elect, Heard, Role, View, Watch

RULE = Rule(1, 1, "a", ("a", "b", "c"), 1)
NOW = 100_000
OPEN = messages.PROMOTED | messages.OPEN
FAREWELL = Resigned("a", 1, "b", 1, opened=True, reason="Switchover")


def follower(me: str) -> Watch:
    """Return the voter half of a follower of term 1 that heard its leader a moment ago."""
    view = View(Role.FOLLOWER, NOW - 9000, promise=1, rules=(RULE,), following=True, peers=("a", "b", "c"))
    heard = Heard(1, "a", NOW - 50, refused=False, echo_term=1, echo_at=NOW - 50)
    return dataclasses.replace(watch.started(Config(me), view, NOW - 9000), heard=heard)


def hear(state: Watch, message: messages.Message, after: int = 0) -> tuple[Watch, list[object]]:
    """Give the voter half a message and return what it says."""
    state, said = voter.step(state, events.Received(message), NOW + after)
    return state, list(said)


def asks(state: Watch, after: int) -> bool:
    """Tell whether a tick makes the voter half ask for an election."""
    _, said = voter.step(state, events.Tick(0), NOW + after)
    return any(isinstance(word, effects.Send) and isinstance(word.message, messages.Ask) for word in said)


def test_the_named_successor_stands_at_once() -> None:
    """It asks nobody whether the leader is gone, and waits for no random offset: the leader said so itself."""
    state, said = hear(follower("b"), FAREWELL)
    assert [Elect(1)] == said
    assert not asks(state, 50)


def test_a_successor_whose_candidacy_came_to_nothing_asks_like_anyone() -> None:
    """The word to stand may be lost between the two halves."""
    state, _ = hear(follower("b"), FAREWELL)
    assert asks(state, Timers().ask)


def test_a_farewell_that_is_repeated_makes_nobody_stand_again() -> None:
    """The leader repeats it for two seconds; the first one counts."""
    state, _ = hear(follower("b"), FAREWELL)
    assert [] == hear(state, FAREWELL, after=200)[1]


def test_a_farewell_of_an_old_term_makes_nobody_stand() -> None:
    """Late on its way, it says nothing about the leader that is heard now."""
    state = follower("b")
    state = dataclasses.replace(state, heard=dataclasses.replace(state.heard, term=2, leader="c"))
    assert [] == hear(state, FAREWELL)[1]


def test_others_leave_the_field_to_the_successor() -> None:
    """The third member asks only once the successor had its time."""
    state, said = hear(follower("c"), FAREWELL)
    assert [] == said
    assert not asks(state, Timers().successor - 1)
    assert asks(state, Timers().successor)


def test_others_leave_the_field_however_they_heard_of_the_resignation_first() -> None:
    """The successor's question may overtake the farewell that names it."""
    state, _ = hear(follower("c"), messages.Ask("b", 1, resigned=1))
    state, _ = hear(state, FAREWELL, after=5)
    assert not asks(state, Timers().ask + 20)


def test_nobody_waits_for_a_successor_that_is_gone() -> None:
    """A refused dial of it ends the wait."""
    state, _ = hear(follower("c"), FAREWELL)
    assert not asks(state, 10)
    _, said = voter.step(state, events.Refused("b"), NOW + 20)
    assert [messages.Ask] == list({type(word.message) for word in said if isinstance(word, effects.Send)})


# ---------------------------------------------------------------- the agent half


class Driver:
    """Gives a member events and keeps what it asked for last."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.now = NOW
        self.wanted: tuple[effects.Effect, ...] = ()

    def give(self, event: events.Event, after: int = 0) -> None:
        """Give one event."""
        self.now += after
        self.member, self.wanted = machine.step(self.member, event, self.now)

    def kinds(self) -> list[type]:
        """Return the classes of the last effects: of a message its own."""
        told = [effect for effect in self.wanted if not isinstance(effect, effects.Note)]
        return [type(effect.message) if isinstance(effect, effects.Send) else type(effect) for effect in told]

    def finish(self, position: Position | None = None, *, ok: bool = True) -> None:
        """Answer the task under way."""
        task = self.member.agent.task
        assert task is not None
        self.give(events.Done(task.ticket, ok=ok, position=position))

    def persist(self) -> None:
        """Confirm that what was sworn is on the disk."""
        self.give(events.Persisted(self.member.agent.sworn))


def standby(me: str, **changes: object) -> Driver:
    """Return a follower of term 1 whose server streams."""
    start = machine.start(Config(me), Sworn(1, RULE), ("a", "b", "c"), 0)
    settled: dict[str, object] = {"role": Role.FOLLOWER, "server": Server.STANDBY, "follows": 1, **changes}
    agent = dataclasses.replace(start.agent, **settled)  # type: ignore[arg-type]  # fields by name
    return Driver(Member(agent, dataclasses.replace(follower(me), view=machine.describe(agent, None, 0))))


def test_a_candidate_asks_for_promises_while_its_own_fence_is_under_way() -> None:
    """Its promise is on the disk: that is all that the others need of it."""
    driver = standby("b")
    driver.give(events.Received(FAREWELL))
    assert [effects.Persist] == driver.kinds()
    driver.persist()
    assert [Recruit, Recruit, effects.Fence] == driver.kinds()


def test_a_candidate_that_failed_fences_first() -> None:
    """What failed may be its own fence: then it disturbs nobody."""
    driver = standby("b", failures=1)
    driver.give(events.Received(FAREWELL))
    driver.persist()
    assert [effects.Fence] == driver.kinds()
    driver.finish(Position(1, 100))
    assert [Recruit, Recruit] == driver.kinds()


def test_a_candidate_decides_only_with_its_own_answer() -> None:
    """Others may be faster; its own position is missing until its fence is done."""
    driver = standby("b")
    driver.give(events.Received(FAREWELL))
    driver.persist()
    answer = messages.Recruited("c", 2, yes=True, promise=2, rule=RULE, position=Position(1, 100), reaped=1)
    driver.give(events.Received(answer))
    assert effects.Persist not in driver.kinds()
    driver.finish(Position(1, 100))
    assert Role.PROMOTING is driver.member.agent.role


def test_a_row_that_is_asked_for_too_early_is_confirmed_once_the_leader_is_followed() -> None:
    """The leader need not ask again."""
    driver = standby("c", follows=0)
    driver.give(events.Received(Beat("b", 2, 1, 1, OPEN)))
    driver.persist()
    assert [effects.Follow] == driver.kinds()
    driver.give(events.Received(Confirm("b", Rule(2, 1, "b", RULE.cohort, 1), 120)))
    assert [] == driver.kinds()
    driver.finish()
    assert [effects.AwaitRow] == driver.kinds()


def test_a_row_of_a_leader_that_is_followed_no_more_is_not_confirmed() -> None:
    """A promise made meanwhile takes the request back."""
    driver = standby("c", follows=0)
    driver.give(events.Received(Beat("b", 2, 1, 1, OPEN)))
    driver.persist()
    driver.give(events.Received(Confirm("b", Rule(2, 1, "b", RULE.cohort, 1), 120)))
    driver.give(events.Received(Recruit("a", 3)))
    assert driver.member.agent.asked is None


def handed_off(*, ok: bool = True) -> Driver:
    """Return the former leader after its hand-off."""
    start = machine.start(Config("a"), Sworn(1, RULE, led=1), ("a", "b", "c"), 0)
    reign = Reign(1, RULE, 0, 0, stage=Stage.DONE, seated=True, opened=True, promoted_at=0)
    agent = dataclasses.replace(
        start.agent,
        role=Role.LEADER,
        server=Server.PRIMARY,
        reign=reign,
        parting=Parting(1, "b", 0, opened=True, reason="Switchover"),
        tickets=1,
        task=Task(Work.HAND_OFF, 1, 1),
    )
    driver = Driver(dataclasses.replace(start, agent=agent))
    driver.give(events.Done(1, ok=ok, reason="" if ok else "Stopped"))
    return driver


def test_the_former_leader_stays_down_until_its_successor_has_its_row() -> None:
    """Its start would take the processor from the promotion that clients wait for."""
    driver = handed_off()
    assert {Resigned} == set(driver.kinds())
    driver.give(events.Received(Recruit("b", 2)), after=5)
    driver.persist()
    driver.finish(Position(1, 100))
    assert [messages.Recruited] == driver.kinds()
    driver.give(events.Received(Beat("b", 2, 1, 1, messages.PROMOTED)), after=50)
    assert effects.Start not in driver.kinds()
    driver.give(events.Received(Beat("b", 2, 1, 2, OPEN | messages.REWIND)), after=50)
    assert effects.Start in driver.kinds()


def test_the_former_leader_does_not_wait_for_ever() -> None:
    """Without word of the successor its server starts: its own vote and its log may be needed."""
    driver = handed_off()
    driver.give(events.Tick(0), after=Timers().rest - 1)
    assert effects.Start not in driver.kinds()
    driver.give(events.Tick(0), after=1)
    assert effects.Start in driver.kinds()


def test_the_former_leader_says_farewell_no_more_once_it_follows() -> None:
    """What it repeats ends with the role, and with it the quick pace of the agent."""
    driver = handed_off()
    driver.give(events.Received(Beat("b", 2, 1, 1, OPEN | messages.REWIND)), after=50)
    driver.give(events.Tick(0), after=50)
    assert driver.member.agent.parting is None


@pytest.mark.parametrize("ok", [True, False])
def test_a_hand_off_that_broke_names_no_successor(*, ok: bool) -> None:
    """Whoever is most advanced may lead then, and the former leader's server is started at once."""
    driver = handed_off(ok=ok)
    farewell = next(effect.message for effect in driver.wanted if isinstance(effect, effects.Send))
    assert isinstance(farewell, Resigned)
    assert ("b" if ok else "") == farewell.successor
    assert ok is (effects.Start not in driver.kinds())
