"""What a person reads, to the letter; each of these was looked at when it was written down."""

import datetime as dt
import textwrap
from typing import Any

import pytest

from covet.cli import access, explaining, screen, views
from tests.unit.cli import samples
from tests.unit.cli.fakes import NOW, FakeAccess, World

NAME = "a23456789-123456789-123456789-123456789a"
"""The longest name that a cluster may have."""


def text(golden: str) -> str:
    """Return a golden text without its indentation."""
    return textwrap.dedent(golden).removeprefix("\n")


def shown(body: dict[str, Any], *arguments: str) -> str:
    """Return what a verb prints about a cluster."""
    done = World(FakeAccess(body)).call(*arguments)
    assert (0, "") == (done.code, done.err)
    return done.out


def test_a_cluster_that_is_well() -> None:
    """One glance: asked for, phase, shards, conditions."""
    assert text("""
        Cluster    shop in namespace default
        Asked for  PostgreSQL 15, 2 shards of 3 instances, durability Quorum
        Phase      Ready
        Writes     2 of 2 shards take writes

        SHARD  PRIMARY    TERM  REPLICAS       SLOTS       LAST FAILOVER
        s0     shop-s0-b  7     2/2 streaming  8192 (50%)  13m ago from shop-s0-a: LeaderSilent, 1.6 s
        s1     shop-s1-a  1     2/2 streaming  8192 (50%)  none yet

        CONDITION          STATUS  SINCE  REASON             MESSAGE
        Ready              True    3h     Settled            Every instance is where it should be.
        Available          True    3h     PrimariesServe     Every shard takes writes.
        Durable            True    3h     QuorumStreams      Every shard has its quorum.
        CertificatesValid  True    3h     CertificatesValid  Every certificate is valid and renewed in time.
        """) == shown(samples.cluster(), "status", "shop")


def ailing() -> dict[str, Any]:
    """Return a cluster with everything that can stand out."""
    orders = {"covet__dev/fenced": "shop-s1-c", "covet__dev/switchover__s1": "shop-s1-b"}
    body = samples.down(samples.cluster(**orders), "shop-s0-a", "shop-s0-b")
    body["metadata"]["generation"] = 4
    body["spec"]["maintenance"] = {"paused": True}
    body["status"]["phase"] = "Reconciling"
    body["status"]["primaries"] = "1/2"
    body["status"]["conditions"] = [
        samples.condition("Available", "False", "NoPrimary", "No primary takes writes in s0."),
        samples.condition(
            "Durable",
            "Unknown",
            "AgentUnreachable",
            "Nobody who may lead answers in s0; databases go on without the operator.",
        ),
    ]
    body["status"]["pendingChanges"] = [
        {"field": "spec.shards.count", "reason": "NotBuilt", "message": "The number of shards is fixed at birth."}
    ]
    return body


def test_a_cluster_that_ails() -> None:
    """What stands out is a sentence below the tables."""
    assert text("""
        Cluster    shop in namespace default
        Asked for  PostgreSQL 15, 2 shards of 3 instances, durability Quorum
        Phase      Reconciling
        Writes     1 of 2 shards take writes

        SHARD  PRIMARY    TERM  REPLICAS       SLOTS       LAST FAILOVER
        s0     none       7     1/3 streaming  8192 (50%)  13m ago from shop-s0-a: LeaderSilent, 1.6 s
        s1     shop-s1-a  1     2/2 streaming  8192 (50%)  none yet

        CONDITION  STATUS   SINCE  REASON            MESSAGE
        Available  False    3h     NoPrimary         No primary takes writes in s0.
        Durable    Unknown  3h     AgentUnreachable  Nobody who may lead answers in s0; databases go on
                                                     without the operator.

        - The operator has not seen the newest change yet (generation 4, seen: 3).
        - Paused (spec.maintenance.paused): the operator carries nothing out.
        - Fenced by a person: shop-s1-c. `kubectl covet unfence shop INSTANCE` lets one back in.
        - Ordered and not carried out yet: switchover of s1 to shop-s1-b.
        - spec.shards.count waits (NotBuilt): The number of shards is fixed at birth.
        """) == shown(ailing(), "status", "shop")


def test_a_cluster_that_nobody_has_looked_at() -> None:
    """Without a status there is what was asked for, and where to look."""
    body = samples.cluster()
    del body["status"], body["spec"]["durability"], body["spec"]["shards"]["instances"]
    assert text("""
        Cluster    shop in namespace default
        Asked for  PostgreSQL 15, 2 shards
        Phase      Unknown

        - The operator has not reported on this cluster yet. Does it run, and does it serve this namespace?
        """) == shown(body, "status", "shop")
    assert "The operator has not reported any instance of cluster shop yet.\n" == shown(body, "shards", "shop")


def test_the_instances() -> None:
    """One line each, in the order of the status."""
    assert text("""
        SHARD  INSTANCE   ROLE     STATE              LAG  VOTES  NODE
        s0     shop-s0-a  Unknown  Unreachable        -    yes    node-1
        s0     shop-s0-b  Unknown  Unreachable        -    yes    node-2
        s0     shop-s0-c  Replica  Streaming          Ok   yes    node-3
        s1     shop-s1-a  Primary  Serving            -    yes    node-1
        s1     shop-s1-b  Replica  Streaming          Ok   yes    node-2
        s1     shop-s1-c  Replica  Streaming, fenced  Ok   yes    node-3
        """) == shown(ailing(), "shards", "shop")


def test_instances_without_a_vote() -> None:
    """A new volume has none yet; without a rule nobody can say."""
    body = samples.cluster()
    samples.first(body)["members"][0]["member"] = "s0-a-ffffffffffff"
    samples.first(body)["instances"][0]["state"] = "CatchingUp"
    samples.first(body)["instances"][0]["lag"] = "Behind"
    del body["status"]["shards"][1]["rule"]
    lines = shown(body, "shards", "shop").splitlines()
    assert "s0     shop-s0-a  Replica  CatchingUp  Behind  no     node-1" == lines[1]
    assert {"-"} == {line.split()[5] for line in lines[4:]}


def test_why_of_a_shard_that_is_well() -> None:
    """Decision, failover, rule, the two sums, who counts, and what could still be lost."""
    assert text("""
        Shard     s0 of shop in namespace default
        Primary   shop-s0-b, term 7
        Decision  Elected, 13m ago: shop-s0-b had the highest position of 2 that promised term 7.
        Failover  LeaderSilent, 13m ago: shop-s0-a -> shop-s0-b: detect 1.2 s, fence 48 ms, promote 210 ms,
                  writable after 1.6 s; 8.0 KiB of log discarded
        Rule      term 7, change 2: shop-s0-b leads, 3 vote, W = 1
        Election  2 of 3 promises elect, the larger of a majority (2) and 3 - W (2); 3 can promise
        Commit    the primary and 1 of 2 followers flush before it is acknowledged; 2 flush now

        MEMBER             INSTANCE   STATE     REASON     PROMISED  CAN PROMISE  FLUSHES
        s0-a-0123456789a0  shop-s0-a  Follower  Streaming  7         yes          yes
        s0-b-0123456789a1  shop-s0-b  Leader    Serving    7         yes          -
        s0-c-0123456789a2  shop-s0-c  Follower  Streaming  7         yes          yes

        What would change it
        - Elections survive the loss of one more.
        - Writes survive the loss of one more follower.
        """) == shown(samples.cluster(), "why", "shop", "--shard", "s0")


def test_why_of_a_shard_that_cannot_elect() -> None:
    """It names who is missing, how many of them it takes, and the last way on."""
    assert text("""
        Shard     s0 of shop in namespace default
        Primary   none
        Decision  Elected, 13m ago: shop-s0-b had the highest position of 2 that promised term 7.
        Failover  LeaderSilent, 13m ago: shop-s0-a -> shop-s0-b: detect 1.2 s, fence 48 ms, promote 210 ms,
                  writable after 1.6 s; 8.0 KiB of log discarded
        Rule      term 7, change 2: shop-s0-b leads, 3 vote, W = 1
        Election  2 of 3 promises elect, the larger of a majority (2) and 3 - W (2); 1 can promise
        Commit    the primary and 1 of 2 followers flush before it is acknowledged; there is no primary

        MEMBER             INSTANCE   STATE        REASON     PROMISED  CAN PROMISE  FLUSHES
        s0-a-0123456789a0  shop-s0-a  Unreachable  -          -         no           no
        s0-b-0123456789a1  shop-s0-b  Unreachable  -          -         no           -
        s0-c-0123456789a2  shop-s0-c  Follower     Streaming  7         yes          yes

        What would change it
        - A primary is elected as soon as there is 1 more of: shop-s0-a (silent), shop-s0-b (silent).
        - If they are lost for good: `kubectl covet promote shop --shard s0 --instance INSTANCE
          --accept-loss`. It loses what only they hold.
        """) == shown(ailing(), "why", "shop", "--shard", "s0")


def test_why_of_a_shard_under_orders() -> None:
    """Fences, orders and members without a vote stand among what would change it."""
    body = ailing()
    shard = body["status"]["shards"][1]
    shard["members"][1].update(member="s1-b-ffffffffffff", state="Cloning", reason="BaseBackup")
    shard["instances"][1].update(role="Unknown", state="Cloning")
    assert (
        text("""
        What would change it
        - One more member lost, and nobody can be elected. Not there: s1-b-0123456789a1 (its volume was
          replaced).
        - Writes wait for 1 more of: s1-b-0123456789a1 (its volume was replaced), shop-s1-c (fenced).
        - shop-s1-b has no vote: the leader lets it vote once it streams and is at most 16 MiB behind.
        - `kubectl covet unfence shop shop-s1-c` lets shop-s1-c back.
        - A switchover to shop-s1-b is ordered and not carried out yet.
        """)
        == "What would" + shown(body, "why", "shop", "--shard", "s1").partition("What would")[2]
    )


@pytest.mark.parametrize(
    ("silent", "line"),
    [
        ((), "Elections survive the loss of two more."),
        (("b",), "Elections survive the loss of one more."),
        (
            ("b", "c"),
            "One more member lost, and nobody can be elected. Not there: shop-s0-b (silent), shop-s0-c (silent).",
        ),
        (("b", "c", "d"), "If shop-s0-a fails now, nobody is elected: that takes 1 more of: shop-s0-b (silent),"),
    ],
)
def test_five_members_lose_one_after_the_other(silent: tuple[str, ...], line: str) -> None:
    """What is said of elections follows the count."""
    body = samples.cluster()
    body["status"]["shards"] = [samples.shard("shop", "s0", leader="a", term=2, count=5)]
    found = shown(samples.down(body, *(f"shop-s0-{letter}" for letter in silent)), "why", "shop", "--shard", "s0")
    assert line in found.replace("\n  ", " ")


def test_a_single_instance_has_nobody_to_elect() -> None:
    """The sums of one are told in words."""
    body = samples.cluster()
    body["status"]["shards"] = [samples.shard("shop", "s0", leader="a", term=2, count=1)]
    well = shown(body, "why", "shop", "--shard", "s0")
    assert "Election  one member: it leads again when it is back, and nobody else can\n" in well
    assert "Commit    the primary acknowledges alone" in well
    lost = shown(samples.down(body, "shop-s0-a"), "why", "shop", "--shard", "s0")
    assert "- shop-s0-a (silent): the shard waits for it.\n" in lost


def test_async_elects_by_majority() -> None:
    """With W = 0 the primary acknowledges alone, and a majority elects."""
    body = samples.cluster()
    samples.first(body)["rule"]["acks"] = 0
    found = shown(body, "why", "shop", "--shard", "s0")
    assert "2 of 3 promises elect, a majority (2); 3 can promise" in found
    assert "a failover may lose what no follower has" in found


def test_an_older_operator_tells_less() -> None:
    """Without rule, members, decision and failover there is still an answer."""
    body = samples.cluster()
    for field in ("rule", "members", "decision", "lastFailover"):
        del samples.first(body)[field]
    assert text("""
        Shard     s0 of shop in namespace default
        Primary   shop-s0-b, term 7
        Decision  none told yet

        What would change it
        - Nothing can be said: the status holds no rule of this shard; it comes once a member answers.
        """) == shown(body, "why", "shop", "--shard", "s0")


@pytest.mark.parametrize("verb", [("status",), ("shards",), ("why", "--shard", "s0")])
def test_the_longest_names_fit(verb: tuple[str, ...]) -> None:
    """No line is wider than 100 columns, and no part of a name is left out."""
    body = samples.down(samples.cluster(NAME), f"{NAME}-s0-a", f"{NAME}-s1-a")
    body["status"]["shards"][0]["instances"][0]["node"] = "ip-10-0-123-231.eu-central-1.compute.internal.example.com"
    found = shown(body, verb[0], NAME, *verb[1:])
    assert [] == [line for line in found.splitlines() if len(line) > screen.PLAIN_WIDTH]
    assert "…" not in found


def test_plain_text_is_plain() -> None:
    """No colour and no space at the end of a line where nobody looks."""
    found = shown(ailing(), "status", "shop") + shown(ailing(), "why", "shop", "--shard", "s0")
    assert "\x1b" not in found
    assert [] == [line for line in found.splitlines() if line != line.rstrip()]


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sees what is wrong in red; NO_COLOR is heeded; the words are the same."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    seen = access.seen_of(ailing())
    coloured = screen.render(*views.status(seen, NOW), terminal=True)
    assert "\x1b[1;31mnone" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in screen.render(*explaining.explain(seen, seen.shard("s0"), NOW), terminal=True)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172799, "47h"), (172800, "2d")],
)
def test_ages_are_those_of_kubectl(seconds: int, said: str) -> None:
    """Coarser with age, and never negative where two clocks differ."""
    then = NOW - dt.timedelta(seconds=seconds)
    assert said == screen.age(then.isoformat(), NOW)


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-23T08:00:00"])
def test_what_is_no_moment_has_no_age(moment: str) -> None:
    """Nothing is guessed."""
    assert "-" == screen.age(moment, NOW)


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (20 << 20, "20.0 MiB"), (3 << 40, "3072.0 GiB")],
)
def test_bytes_for_people(number: int, said: str) -> None:
    """Powers of 1024, one digit after the point."""
    assert said == screen.bytes_of(number)
