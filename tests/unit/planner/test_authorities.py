"""An authority follows another while everything that either issued is in use: no two sides ever disagree."""

import dataclasses
import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covet.core import events, names
from covet.core.agentapi import AgentStatus
from covet.planner import authorities
from covet.planner.authorityactions import AnnounceAuthority
from covet.planner.authorityfacts import Reign
from covet.planner.facts import CertificateFacts
from covet.planner.plan import ROUTINE
from tests.unit.planner.vouched import INSTANCES, LIFE, NOTICE, NOW, Held, Vouched


def ordered() -> Vouched:
    """Return one whose authority a person wants replaced."""
    shop = Vouched()
    shop.now += dt.timedelta(days=1)
    shop.order = shop.now
    return shop


def message(shop: Vouched) -> str:
    """Return what is said of it."""
    verdict = authorities.decide(shop.facts(), shop.now)
    assert verdict is not None
    return verdict.message


def test_an_authority_follows_another_in_three_steps() -> None:
    """Announced, signing, alone; then the order is settled, and nothing is left to do."""
    shop = ordered()
    shop.finish()
    assert ["AnnounceAuthority", "SwitchAuthority", "DropAuthority", "SettleOrder"] == shop.steps
    assert {Held(1, (1,))} == {*shop.works.values(), *shop.secrets.values()}
    assert (1,) == shop.clients


def test_an_authority_that_is_young_stays() -> None:
    """Nothing is done before a third of its life is left."""
    shop = Vouched()
    shop.now = NOW + LIFE * 2 / 3 - dt.timedelta(seconds=1)
    assert 0 == shop.round()
    shop.now += dt.timedelta(seconds=1)
    assert 1 == shop.round()
    assert Reign.ANNOUNCED is authorities.decide(shop.facts(), shop.now).reign  # type: ignore[union-attr]  # there is one


def test_clients_have_time_to_read_the_announcement() -> None:
    """By age the next authority signs after a month; if a person wants it, after two minutes."""
    for order, notice in ((False, NOTICE), (True, authorities.ORDERED_NOTICE)):
        shop = Vouched()
        shop.now = NOW + LIFE * 2 / 3
        shop.round()
        announced = shop.now
        shop.order = shop.now if order else None
        for _ in range(3):
            shop.round()
            for instance in INSTANCES:
                shop.deliver(instance)
        shop.now = announced + notice - dt.timedelta(seconds=1)
        assert 0 == shop.round()
        assert f"signs from {announced + notice:%Y-%m-%dT%H:%M:%SZ}" in message(shop)
        shop.now += dt.timedelta(seconds=1)
        shop.round()
        assert 1 == shop.present


@pytest.mark.parametrize("phase", [Reign.ANNOUNCED, Reign.SIGNING])
@pytest.mark.parametrize("how", ["late", "silent"])
def test_who_is_late_is_waited_for_and_named(phase: Reign, how: str) -> None:
    """Neither step is taken before everybody was heard to work with its newest Secret."""
    shop = ordered()
    while authorities.decide(shop.facts(), shop.now).reign is not phase:  # type: ignore[union-attr]  # there is one
        shop.round()
        for instance in INSTANCES:
            shop.deliver(instance)
        shop.now += dt.timedelta(minutes=2)
    if how == "silent":
        shop.silent.add("shop-s0-b")
    for _ in range(5):
        shop.round()
        for instance in "ac":
            shop.deliver(f"shop-s0-{instance}")
        shop.now += dt.timedelta(days=40)
    assert message(shop).endswith("It waits for shop-s0-b.")
    assert phase is shop.facts().authorities.reign  # type: ignore[union-attr]  # there is one


def test_a_pod_that_no_node_has_taken_is_not_waited_for() -> None:
    """It reads the newest Secret when it starts."""
    shop = ordered()
    shop.away.add("shop-s0-c")
    for _ in range(10):
        shop.round()
        for instance in "ab":
            shop.deliver(f"shop-s0-{instance}")
        shop.now += dt.timedelta(minutes=2)
    assert (1, None, None) == (shop.present, shop.following, shop.former)
    shop.deliver("shop-s0-c")
    shop.away.clear()
    shop.agree()


def test_an_agent_that_does_not_say_what_it_works_with_is_waited_for() -> None:
    """Agents of before this version hold the change up, by name: their pods have to be restarted."""
    shop = ordered()
    shop.finish()
    facts = shop.facts()
    quiet = dataclasses.replace(facts.shards[0].instances[0])
    assert isinstance(quiet.agent, AgentStatus)
    quiet = dataclasses.replace(quiet, agent=dataclasses.replace(quiet.agent, certificates=""))
    shard = dataclasses.replace(facts.shards[0], instances=(quiet, *facts.shards[0].instances[1:]))
    assert ["shop-s0-a"] == list(authorities.lagging(dataclasses.replace(facts, shards=(shard,)), NOW))


def test_an_authority_made_before_an_order_is_not_what_was_ordered() -> None:
    """Whoever stole a key stole that of the announced one, too: another follows it."""
    shop = Vouched()
    shop.now = NOW + LIFE * 2 / 3
    shop.round()
    shop.now += dt.timedelta(hours=1)
    shop.order = shop.now
    shop.finish()
    assert (2, 3) == (shop.present, len(shop.made))
    assert shop.made[2] >= NOW + LIFE * 2 / 3 + dt.timedelta(hours=1)


@pytest.mark.parametrize("value", ["soon", "2026-01-01", "2031-01-01T00:00:00Z"])
def test_an_order_that_is_no_moment_of_the_past_is_refused(value: str) -> None:
    """It is removed and said; nothing is made."""
    facts = dataclasses.replace(Vouched().facts(), annotations={names.ANNOTATION_REPLACE_AUTHORITY: value})
    refused = authorities.settle(facts, NOW)
    assert refused is not None
    assert (events.AUTHORITY_REFUSED, True) == (refused.reason, refused.refused)
    assert value in refused.message
    verdict = authorities.decide(facts, NOW)
    assert verdict is not None
    assert verdict.action is None


def test_an_authority_that_cannot_be_used_is_not_replaced() -> None:
    """It has ended, cannot be read, or is somebody else's: a person is asked, and nothing is decided."""
    shop = ordered()
    facts = shop.facts()
    assert authorities.decide(dataclasses.replace(facts, authorities=None), shop.now) is None
    assert authorities.decide(dataclasses.replace(facts, authority=CertificateFacts(NOW, valid=False)), NOW) is None


def test_the_step_comes_from_the_whole_plan_too() -> None:
    """An ordinary round plans it, and stays settled: nothing is wrong with the cluster."""
    assert AnnounceAuthority in ROUTINE


PASSING = {"minute": dt.timedelta(minutes=1), "month": dt.timedelta(days=31)}
EVENTS = st.sampled_from(["round", "deliver", "silence", "speak", "leave", "come", "minute", "month", "order"])


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 4), st.sampled_from(INSTANCES)), max_size=60))
def test_c1_c2_no_two_sides_ever_disagree(happenings: list[tuple[str, int, str]]) -> None:
    """Whenever the operator dies, Secrets arrive late, agents fall silent or pods go: every handshake succeeds."""
    shop = Vouched()
    for kind, count, instance in happenings:
        happen(shop, kind, count, instance)
        assert [] == shop.disagreements()
    for instance in sorted(shop.away):
        happen(shop, "come", 0, instance)
    shop.silent.clear()
    shop.finish()
    alone = Held(shop.present, (shop.present,))
    assert {alone} == {*shop.works.values(), *shop.secrets.values()}
    assert alone.trust == shop.clients


def happen(shop: Vouched, kind: str, count: int, instance: str) -> None:
    """Let something happen."""
    shop.now += PASSING.get(kind, dt.timedelta())
    match kind:
        case "round":
            shop.round(count)
        case "deliver":
            if instance not in shop.away:
                shop.deliver(instance)
        case "silence":
            shop.silent.add(instance)
        case "speak":
            shop.silent.discard(instance)
        case "leave":
            shop.away.add(instance)
        case "come":
            shop.works[instance] = shop.secrets[instance]
            shop.away.discard(instance)
        case "order":
            shop.order = shop.now
