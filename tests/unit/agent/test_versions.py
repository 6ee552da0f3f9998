"""A cohort amid an upgrade: what an agent of another version says and wrote is understood, and taken for no more."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from covet.agent.volume import Volume
from covet.core.agentapi import AgentStatus, MemberState, Position, Rule, Serving
from covet.core.agentorders import JoinAnswer
from covet.peers import codec
from covet.planner.election import messages
from covet.planner.election.messages import (
    Ask,
    Beat,
    Confirm,
    Confirmed,
    Echo,
    HandOver,
    Message,
    Recruit,
    Recruited,
    Reply,
    Resigned,
)
from covet.planner.election.rules import Sworn

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"
RULE = Rule(3, 1, A, (A, B), 1)
WHOLE = [
    Beat(A, 3, 1, 1000, 4, end=1 << 40, read=990),
    Echo(A, 3, 1000, 3, 1, following=True),
    Ask(A, 1, 0, Position(3, 7)),
    Reply(A, 1, yes=True, promise=3, reach=Position(3, 7), reason="Heard"),
    Recruit(A, 3),
    Recruited(A, 3, yes=True, promise=3, rule=RULE, position=Position(3, 7), echo_age=5, echo_term=2, reaped=1),
    HandOver(A, 3, RULE, 5),
    Confirm(A, RULE, 9),
    Confirmed(A, 3, 1),
    Resigned(A, 3, B, 4, opened=True, reason="ServerDied"),
]


def least(message: Message) -> Message:
    """Return a message as somebody says it who knows none of the fields that have defaults."""
    changes: dict[str, Any] = {
        field.name: field.default for field in dataclasses.fields(message) if field.default is not dataclasses.MISSING
    }
    return dataclasses.replace(message, **changes)


@pytest.mark.parametrize("message", WHOLE, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_message_of_another_version_is_understood(message: Message, version: int) -> None:
    """Whatever its number, missing fields at its end take their defaults, and further ones are passed over."""
    known = sum(field.default is dataclasses.MISSING for field in dataclasses.fields(message))
    _, kind, *values = json.loads(messages.encode(message))
    assert least(message) == messages.decode(json.dumps([version, kind, *values[:known]]).encode())
    assert message == messages.decode(json.dumps([version, kind, *values, "news", {"more": 1}]).encode())


def test_an_older_answer_gives_no_leave_and_no_word_of_the_volume() -> None:
    """What it does not say is never taken for a yes: it gives no leave, and its volume is not called ill."""
    join = json.loads(codec.encode(JoinAnswer(RULE, "7", leave=True)))
    del join["leave"]
    assert codec.decode(json.dumps(join), JoinAnswer).leave is False
    status = AgentStatus(
        1, "0", "shop-s0-a", MemberState.LEADER, "", "", Serving.READ_WRITE, volume_problem="DiskStalled"
    )
    told = json.loads(codec.encode(status))
    del told["volumeProblem"]
    assert "" == codec.decode(json.dumps(told), AgentStatus).volume_problem


def test_a_promise_that_a_newer_agent_wrote_is_kept(tmp_path: Path) -> None:
    """After a downgrade its unknown fields are passed over, and what is known still binds."""
    volume = Volume(tmp_path)
    volume.write_promise(Sworn(4, RULE, led=3, rewinding=True))
    path = volume.agent / "promise.json"
    told = json.loads(path.read_bytes())
    path.write_text(json.dumps(told | {"news": [1, 2]}))
    assert Sworn(4, RULE, led=3, rewinding=True) == volume.read_promise()


def test_a_promise_that_an_older_agent_wrote_is_read(tmp_path: Path) -> None:
    """Without the fields that came later it binds all the same."""
    volume = Volume(tmp_path)
    volume.agent.mkdir()
    (volume.agent / "promise.json").write_text('{"promise": 4}')
    assert Sworn(4) == volume.read_promise()
