"""Answers of an agent become messages or our own errors, and a caller can tell no from silence."""

import ssl

import pytest

from covet.core.agentapi import Peer, Problem, Task
from covet.core.errors import RefusedError, UnreachableError
from covet.peers import client, codec

PEER = Peer("shop-s0-a", "shop-s0-a-0.shop-s0", 7443, 7444, 5432)
PROBLEM = codec.encode(Problem("AlreadyBorn", "It holds a database."))


def answer(status: int, body: bytes) -> Task:
    """Return what a caller of a route that answers a Task gets."""
    return client._answer(PEER, "/v1/x", status, body, Task)


def test_an_answer_is_its_message() -> None:
    """200 carries the message."""
    assert Task("Clone", 1, 2) == answer(200, codec.encode(Task("Clone", 1, 2)))


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_refusal_keeps_the_agents_reason_and_sentence(status: int) -> None:
    """4xx is a no, with the reason that goes into conditions and events."""
    with pytest.raises(RefusedError) as refused:
        answer(status, PROBLEM)
    assert ("AlreadyBorn", "It holds a database.") == (refused.value.reason, refused.value.message)


def test_a_server_that_is_away_is_not_a_refusal() -> None:
    """5xx says nothing about what the agent wants: it may come back."""
    with pytest.raises(UnreachableError) as unreachable:
        answer(503, PROBLEM)
    assert "AlreadyBorn" == unreachable.value.reason


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (502, b"bad gateway"), (404, b""), (200, b'{"kind":3}')]
)
def test_something_else_at_the_port_is_unreachable(status: int, body: bytes) -> None:
    """What does not speak the language of agents is no agent: nothing is concluded from it."""
    with pytest.raises(UnreachableError) as unreachable:
        answer(status, body)
    assert "AnswerInvalid" == unreachable.value.reason


async def test_a_client_that_was_not_opened_reaches_nobody() -> None:
    """Without its context a client says so instead of failing deep in a library."""
    with pytest.raises(UnreachableError):
        await client.AgentClient(ssl.create_default_context()).status(PEER)
