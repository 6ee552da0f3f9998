"""`logs` shows what all instances write as one story, and goes on through restarts."""

import asyncio
import json
import textwrap
from collections.abc import AsyncIterator

import pytest

from covet.cli import journal, raw, tailing
from covet.kube import person
from covet.kube.inquiry import Inquiry
from covet.testing import reach
from tests.unit.cli.surroundings import Caller, Surroundings, line

PATIENCE = 60.0
"""Seconds that a test waits at most for what comes at once on an idle machine."""


@pytest.fixture
def told(around: Surroundings) -> Surroundings:
    """Two instances that have written something, in turns."""
    around.logs = {
        "shop-s0-a-0": [
            line("08:00:01.100", "shop-s0-a", "Leading in term 7.", term=7),
            line("08:00:03.300", "shop-s0-a", "A follower is silent.", "warning", member="s0-c-0123456789a2", age=1.5),
        ],
        "shop-s0-b-0": [
            line("08:00:02.200", "shop-s0-b", "LOG:  started streaming", source="postgres"),
            line("08:00:04.400", "shop-s0-b", "It failed.", "error", trace="Traceback:\n  boom"),
        ],
        "shop-s1-a-0": ["2026-11-23T08:00:02.500000000Z exec failed\x1b[31m"],
        "covet-7d9-x": [line("08:00:05.000", "", "Round done.", cluster="shop")],
    }
    return around


@pytest.mark.usefixtures("told")
async def test_lines_of_all_instances_in_the_order_of_time(caller: Caller) -> None:
    """Aligned, with what they say beside their words; nothing in them steers a terminal."""
    done = await caller.call("logs", "shop")
    expected = r"""
        --- 2026-11-23 UTC
        08:00:01.100  shop-s0-a  info      Leading in term 7.  term=7
        08:00:02.200  shop-s0-b  info      postgres: LOG:  started streaming
        08:00:02.500  shop-s1-a  -         exec failed\x1b[31m
        08:00:03.300  shop-s0-a  warning   A follower is silent.  member=s0-c-0123456789a2 age=1.5
        08:00:04.400  shop-s0-b  error     It failed.
            Traceback:
              boom
        """
    assert textwrap.dedent(expected).lstrip("\n") == done.out
    assert (0, "") == (done.code, done.err)


@pytest.mark.usefixtures("told")
async def test_what_is_quieter_is_left_out(caller: Caller) -> None:
    """All but what cannot be judged."""
    done = await caller.call("logs", "shop", "--level", "error")
    assert ["exec failed\\x1b[31m", "It failed."] == [
        row.split("  ")[-1].strip() for row in done.out.splitlines() if row.startswith("08:")
    ]


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("chosen", "origins"),
    [
        (["--shard", "s1"], {"shop-s1-a"}),
        (["--instance", "shop-s0-b"], {"shop-s0-b"}),
        (["--instance", "shop-s0-b", "--shard", "s1"], {"shop-s0-b", "shop-s1-a"}),
        (["--operator"], {"covet-7d9-x"}),
    ],
)
async def test_some_of_them(caller: Caller, chosen: list[str], origins: set[str]) -> None:
    """By shard, by instance, or the operator."""
    done = await caller.call("logs", "shop", *chosen, "-o", "json")
    assert origins == {json.loads(row)["instance"] for row in done.out.splitlines()}


@pytest.mark.usefixtures("told")
async def test_json_lines_are_whole(caller: Caller) -> None:
    """Programs get one object a line, with the fields of the writer."""
    done = await caller.call("logs", "shop", "--instance", "shop-s0-a", "-o", "json", "--level", "warning")
    assert {
        "ts": "2026-11-23T08:00:03.300Z",
        "instance": "shop-s0-a",
        "level": "warning",
        "msg": "A follower is silent.",
        "logger": "covet.loop",
        "member": "s0-c-0123456789a2",
        "age": 1.5,
    } == {"logger": "covet.loop", **json.loads(done.out)}


async def test_how_much_is_asked_of_the_kubelet(caller: Caller, told: Surroundings) -> None:
    """It need not send what nobody wants."""
    await caller.call("logs", "shop", "--instance", "shop-s0-a", "--tail", "1", "--since", "10m", "--previous")
    assert [
        {
            "container": "instance",
            "timestamps": "true",
            "tailLines": "1",
            "sinceSeconds": "600",
            "previous": "true",
            "pod": "shop-s0-a-0",
        }
    ] == told.queries


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--instance", "shop-s9-a"], 3, "Cluster shop has no instance shop-s9-a"),
        (["--shard", "s9"], 3, "Cluster shop has no shard s9: it has s0, s1."),
        (["--since", "soon"], 2, "'soon' is no span of time"),
        (["--follow", "--previous"], 2, "cannot be followed"),
    ],
)
async def test_what_makes_no_sense(caller: Caller, arguments: list[str], code: int, words: str) -> None:
    """A slip of the keyboard is told at once."""
    done = await caller.call("logs", "shop", *arguments)
    assert code == done.code
    assert words in done.err


async def test_a_missing_right_is_named(caller: Caller, told: Surroundings) -> None:
    """With the subresource, for a role that grants pods alone is not enough."""
    told.denied.add(("get", "pods/log"))
    done = await caller.call("logs", "shop")
    assert 4 == done.code
    assert 'resources: ["pods/log"]' in done.err


@pytest.fixture
async def beside(around: Surroundings) -> AsyncIterator[raw.Raw]:
    """The real adapter."""
    kube = Inquiry(reach.configured(around.url), timeout=5.0, caller=person.CALLER)
    yield raw.Raw(kube)
    await kube.close()


class Following:
    """Follows the pods that `pods` names, from a fresh look at each time."""

    def __init__(self, beside: raw.Raw, pods: list[str], hold: float) -> None:
        self.pods = pods
        self.told: list[str] = []
        self._lines = tailing.follow(beside, self._find, tailing.Extent(), self.told.append, hold)

    async def _find(self) -> list[tailing.Source]:
        return [tailing.Source("default", name, "instance", name.removesuffix("-0")) for name in self.pods]

    async def take(self, number: int) -> list[str]:
        """Return the messages of the next lines."""
        async with asyncio.timeout(PATIENCE):
            return [(await anext(self._lines)).message for _ in range(number)]

    async def end(self) -> None:
        """Have enough."""
        await self._lines.aclose()


async def test_following_mends_the_order_of_what_arrives_late(around: Surroundings, beside: raw.Raw) -> None:
    """A line waits a moment for an earlier one of another pod."""
    around.logs = {"shop-s0-a-0": [line("08:00:02.000", "a", "second")], "shop-s0-b-0": []}
    following = Following(beside, ["shop-s0-a-0", "shop-s0-b-0"], hold=3.0)
    taking = asyncio.create_task(following.take(2))
    async with asyncio.timeout(PATIENCE):
        while len(around.queries) < 2:  # noqa: ASYNC110 -- the server keeps a list
            await asyncio.sleep(0.01)
    await around.write("shop-s0-b-0", line("08:00:01.000", "b", "first"))
    assert ["first", "second"] == await taking
    await following.end()


async def test_following_goes_on_after_a_stream_that_ended(
    around: Surroundings, beside: raw.Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that was restarted, or an API server: no line is lost or told twice."""
    monkeypatch.setattr(tailing, "LOOK_AGAIN", 0.05)
    before = [line("08:00:01.000", "a", "one"), line("08:00:01.500", "a", "two")]
    around.logs = {"shop-s0-a-0": list(before)}
    following = Following(beside, ["shop-s0-a-0"], hold=0.0)
    assert ["one", "two"] == await following.take(2)
    async with around.grown:
        del around.logs["shop-s0-a-0"]
        around.grown.notify_all()
    await around.write("shop-s0-a-0", *before, line("08:00:01.700", "a", "three"), line("08:00:09.000", "a", "four"))
    assert ["three", "four"] == await following.take(2)
    await following.end()


async def test_following_takes_up_a_pod_that_comes_later(
    around: Surroundings, beside: raw.Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its first line."""
    monkeypatch.setattr(tailing, "LOOK_AGAIN", 0.05)
    around.logs = {"shop-s0-a-0": [line("08:00:01.000", "a", "one")], "shop-s0-b-0": [line("08:00:05.000", "b", "two")]}
    following = Following(beside, ["shop-s0-a-0"], hold=0.0)
    assert ["one"] == await following.take(1)
    following.pods.append("shop-s0-b-0")
    assert ["two"] == await following.take(1)
    await following.end()


def test_a_line_of_no_known_form_is_kept_as_it_is() -> None:
    """Also one that only looks like JSON, and one without a time."""
    for text in ('{"no": "message"}', "plain words", '["msg"]'):
        assert (text, None) == (
            journal.parse("a", f"2026-11-23T08:00:00Z {text}").message,
            journal.parse("a", f"2026-11-23T08:00:00Z {text}").level,
        )
    assert "unable to retrieve container logs" == journal.parse("a", "unable to retrieve container logs").message


def test_what_a_line_says_beside_its_words_is_quoted_where_that_helps() -> None:
    """A word as it is, words in quotes, a list as it is written in JSON."""
    text = '{"msg": "Opening.", "cluster": "ns/shop", "action": "Open(a, b)", "next": ["PushSpec", "s0:Open"], "n": 3}'
    parsed = journal.parse("op", f"2026-11-23T08:00:00Z {text}")
    shown = journal.lay_out(parsed, 2, "", lambda words, _: words)
    assert shown.endswith('Opening.  cluster=ns/shop action="Open(a, b)" next=["PushSpec", "s0:Open"] n=3')
