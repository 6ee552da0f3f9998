"""Each verb does what its help says, in the words that a person reads."""

import json

import pytest

from covet.cli import access, application
from tests.unit.cli import samples
from tests.unit.cli.fakes import FakeAccess, World

SWITCHOVER = "covet.dev/switchover.s0"
PROMOTE = "covet.dev/promote.s0"
FENCED = "covet.dev/fenced"
LEADERLESS = samples.down(samples.cluster(), "shop-s0-b", "shop-s0-c")


def test_status_as_json_is_the_object_s_own(world: World) -> None:
    """Programs read the status as the reference describes it, and nothing is lost on the way."""
    shown = json.loads(world.call("status", "shop", "-o", "json").out)
    assert samples.cluster()["status"] == shown["status"]
    assert {"cluster", "namespace", "generation", "fenced", "orders", "status"} == set(shown)


def test_shards_as_json(world: World) -> None:
    """Programs read the shards alone."""
    shown = json.loads(world.call("shards", "shop", "-o", "json").out)
    assert samples.cluster()["status"]["shards"] == shown["shards"]


def test_why_as_json_counts(world: World) -> None:
    """Programs read the sums, with the names of those who are there and who are not."""
    shown = json.loads(world.call("why", "shop", "--shard", "s0", "-o", "json").out)
    assert {"needed": 2, "of": 3, "absent": [], "spare": 1} == {
        key: shown["arithmetic"]["election"][key] for key in ("needed", "of", "absent", "spare")
    }
    assert "shop-s0-a" == shown["lastFailover"]["from"]


def test_watch_shows_each_change_until_the_cluster_is_gone(world: World) -> None:
    """One document a line, the first at once; a cluster that is deleted ends it with its code."""
    world.api.script = [lambda body: body["status"].update(phase="Reconciling")]
    done = world.call("status", "shop", "--watch", "-o", "json")
    assert ["Ready", "Reconciling"] == [json.loads(line)["status"]["phase"] for line in done.out.splitlines()]
    assert 3 == done.code


def test_watch_as_tables_leaves_a_line_between(world: World) -> None:
    """Without a terminal nothing is erased: one table below the other."""
    world.api.script = [lambda body: body["status"].update(phase="Reconciling")]
    shown = world.call("status", "shop", "-w").out
    assert 2 == shown.count("Cluster    shop")
    assert "\n\nCluster    shop" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_options_of_kubectl_stand_on_either_side(world: World, place: str) -> None:
    """A person puts them where kubectl allows them."""
    options = ["-n", "prod", "--context", "east", "--kubeconfig", "/etc/kube"]
    call = [*options, "shards", "shop"] if place == "before" else ["shards", "shop", *options]
    assert 0 == world.call(*call).code
    assert [access.Target("prod", "east", "/etc/kube")] == world.targets


def test_a_switchover_is_an_annotation(world: World) -> None:
    """The order names shard and instance; the operator does the rest."""
    done = world.call("switchover", "shop", "--shard", "s0", "--to", "shop-s0-c")
    assert [{SWITCHOVER: "shop-s0-c"}] == world.api.written
    assert (0, "Ordered: s0 of shop from shop-s0-b to shop-s0-c.\n") == (done.code, done.out)


def test_a_switchover_to_the_primary_is_done_already(world: World) -> None:
    """Nothing is ordered where nothing is to do."""
    done = world.call("switchover", "shop", "--shard", "s0", "--to", "shop-s0-b")
    assert (0, "shop-s0-b leads s0 already.\n", []) == (done.code, done.out, world.api.written)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--shard", "s9", "--to", "shop-s0-c"), 3, "no shard s9: it has s0, s1"),
        (("--shard", "s0", "--to", "shop-s1-a"), 3, "no instance shop-s1-a: it has shop-s0-a"),
        (("--shard", "s0"), 2, "Missing option '--to'"),
    ],
)
def test_a_switchover_to_nowhere_is_refused(world: World, arguments: tuple[str, ...], code: int, words: str) -> None:
    """A slip of the keyboard is told at once, with what there is."""
    done = world.call("switchover", "shop", *arguments)
    assert (code, []) == (done.code, world.api.written)
    assert words in done.err


def test_a_switchover_without_a_primary_is_refused() -> None:
    """There is nobody to take over from; the message says where to look."""
    world = World(FakeAccess(LEADERLESS))
    done = world.call("switchover", "shop", "--shard", "s0", "--to", "shop-s0-a")
    assert (1, []) == (done.code, world.api.written)
    assert "kubectl covet why shop --shard s0" in done.err


def test_a_second_switchover_waits_for_the_first() -> None:
    """An order that stands is not overwritten; the message tells how to withdraw it."""
    world = World(FakeAccess(samples.cluster(**{"covet__dev/switchover__s0": "shop-s0-a"})))
    done = world.call("switchover", "shop", "--shard", "s0", "--to", "shop-s0-c")
    assert (1, []) == (done.code, world.api.written)
    assert "kubectl annotate covetclusters shop -n default covet.dev/switchover.s0-" in done.err


def test_a_fenced_instance_is_not_led_to() -> None:
    """Who is kept out of service cannot lead."""
    world = World(FakeAccess(samples.cluster(**{"covet__dev/fenced": "shop-s0-c"})))
    done = world.call("switchover", "shop", "--shard", "s0", "--to", "shop-s0-c")
    assert (1, []) == (done.code, world.api.written)
    assert "kubectl covet unfence shop shop-s0-c" in done.err


def test_an_order_is_written_again_after_a_conflict(world: World) -> None:
    """The operator writes the object often; losing a race is no reason to give up."""
    world.api.conflicts = access.ATTEMPTS - 1
    assert 0 == world.call("fence", "shop", "shop-s0-c").code
    assert [{FENCED: "shop-s0-c"}] == world.api.written


def test_an_order_that_always_loses_the_race_ends(world: World) -> None:
    """It ends with a sentence, not with a loop."""
    world.api.conflicts = access.ATTEMPTS
    done = world.call("fence", "shop", "shop-s0-c")
    assert (1, []) == (done.code, world.api.written)
    assert "changed by somebody else 8 times" in done.err


def test_fences_are_listed_in_order() -> None:
    """The list is sorted, whatever the order of the calls, and holds nobody twice."""
    world = World(FakeAccess(samples.cluster(**{"covet__dev/fenced": "shop-s1-c,shop-s0-c"})))
    assert 0 == world.call("fence", "shop", "shop-s1-b", "--yes").code
    assert [{FENCED: "shop-s0-c,shop-s1-b,shop-s1-c"}] == world.api.written
    assert "shop-s1-b is fenced already.\n" == world.call("fence", "shop", "shop-s1-b").out


def test_the_last_unfence_removes_the_annotation() -> None:
    """An empty list is no list."""
    world = World(FakeAccess(samples.cluster(**{"covet__dev/fenced": "shop-s0-c"})))
    assert "Unfenced: shop-s0-c.\n" == world.call("unfence", "shop", "shop-s0-c").out
    assert [{FENCED: None}] == world.api.written
    assert "shop-s0-c is not fenced.\n" == world.call("unfence", "shop", "shop-s0-c").out


def test_what_is_no_longer_there_can_be_unfenced() -> None:
    """A fence outlives an instance that was taken away; it must not stay for ever."""
    world = World(FakeAccess(samples.cluster(**{"covet__dev/fenced": "shop-s0-g"})))
    assert 0 == world.call("unfence", "shop", "shop-s0-g").code
    assert [{FENCED: None}] == world.api.written


@pytest.mark.parametrize("verb", ["fence", "unfence"])
def test_an_unknown_instance_is_named(world: World, verb: str) -> None:
    """A name that is not there changes nothing."""
    done = world.call(verb, "shop", "shop-s0-x")
    assert (3, []) == (done.code, world.api.written)
    assert "kubectl covet shards shop" in done.err


def test_fencing_the_last_follower_asks() -> None:
    """A person is told that writes will stop, and says no."""
    world = World(FakeAccess(samples.down(samples.cluster(), "shop-s0-a")))
    done = world.call("fence", "shop", "shop-s0-c", typed="n\n")
    assert (1, []) == (done.code, world.api.written)
    assert "0 of the 1 followers are left" in done.err


def test_fencing_the_last_follower_goes_on_after_yes() -> None:
    """A person who says yes, there or before, gets it."""
    world = World(FakeAccess(samples.down(samples.cluster(), "shop-s0-a")))
    assert 0 == world.call("fence", "shop", "shop-s0-c", typed="y\n").code
    assert [{FENCED: "shop-s0-c"}] == world.api.written


def test_fencing_a_primary_that_nobody_can_follow_asks() -> None:
    """With one other member left, nobody is elected."""
    world = World(FakeAccess(samples.down(samples.cluster(), "shop-s0-a")))
    done = world.call("fence", "shop", "shop-s0-b", typed="\n")
    assert (1, []) == (done.code, world.api.written)
    assert "1 others are there of the 2" in done.err


def test_fencing_a_primary_says_what_follows(world: World) -> None:
    """The shard elects another one."""
    done = world.call("fence", "shop", "shop-s0-b")
    assert (0, "Fenced: shop-s0-b, the primary; another one is elected.\n") == (done.code, done.out)


def test_a_promotion_needs_the_word() -> None:
    """Without --accept-loss nothing is ordered, and the message says what would be lost and who is missing."""
    world = World(FakeAccess(LEADERLESS))
    done = world.call("promote", "shop", "--shard", "s0", "--instance", "shop-s0-a")
    assert (1, []) == (done.code, world.api.written)
    assert "loses every acknowledged write of s0 that it does not hold" in done.err
    assert "Not there: shop-s0-b, shop-s0-c." in done.err
    assert "--accept-loss" in done.err


@pytest.mark.parametrize("typed", ["s1\n", "\n", "yes\n", ""])
def test_a_promotion_asks_for_the_shard_s_name(typed: str) -> None:
    """Whoever types anything else, or nothing, did not mean it."""
    world = World(FakeAccess(LEADERLESS))
    done = world.call("promote", "shop", "--shard", "s0", "--instance", "shop-s0-a", "--accept-loss", typed=typed)
    assert 0 != done.code
    assert [] == world.api.written


@pytest.mark.parametrize(("more", "typed"), [((), "s0\n"), (("--yes",), "")])
def test_a_promotion_that_is_meant_is_ordered(more: tuple[str, ...], typed: str) -> None:
    """The typed name, or --yes, orders it."""
    world = World(FakeAccess(LEADERLESS))
    call = ("promote", "shop", "--shard", "s0", "--instance", "shop-s0-a", "--accept-loss", *more)
    done = world.call(*call, typed=typed)
    assert (0, [{PROMOTE: "shop-s0-a"}]) == (done.code, world.api.written)


def test_a_shard_that_takes_writes_is_not_promoted(world: World) -> None:
    """Where nothing needs to be lost, nothing is."""
    done = world.call("promote", "shop", "--shard", "s0", "--instance", "shop-s0-a", "--accept-loss", "--yes")
    assert (1, []) == (done.code, world.api.written)
    assert "kubectl covet switchover shop --shard s0" in done.err


def test_a_promotion_that_stands_is_ordered_once() -> None:
    """The same again changes nothing; another one has to wait."""
    standing = samples.cluster(**{"covet__dev/promote__s0": "shop-s0-a"})
    world = World(FakeAccess(samples.down(standing, "shop-s0-b", "shop-s0-c")))
    call = ("promote", "shop", "--shard", "s0", "--accept-loss", "--yes", "--instance")
    assert (0, "Ordered already.\n") == (world.call(*call, "shop-s0-a").code, world.call(*call, "shop-s0-a").out)
    other = world.call(*call, "shop-s0-c")
    assert (1, []) == (other.code, world.api.written)
    assert "a promotion of shop-s0-a is ordered already" in other.err


def test_psql_enters_the_primary_s_pod(world: World) -> None:
    """The program kubectl gets the same target, psql the person's arguments, and the way in by its environment."""
    done = world.call("psql", "shop", "--shard", "s0", "--context", "east", "-n", "prod", "--", "-c", "select 1")
    assert 0 == done.code
    kubectl = "kubectl --context=east --namespace=prod exec -i shop-s0-b-0 -c instance --"
    way = "env PGHOST=/run/covet PGUSER=covet PGDATABASE=app PSQL_HISTORY=/dev/null /usr/lib/postgresql/15/bin/psql"
    assert [[*kubectl.split(), *way.split(), "-c", "select 1"]] == world.started


def test_psql_enters_a_replica_that_streams() -> None:
    """One that does not is passed over."""
    world = World(FakeAccess(samples.down(samples.cluster(), "shop-s0-a")))
    assert 0 == world.call("psql", "shop", "--shard", "s0", "--replica").code
    assert "shop-s0-c-0" in world.started[0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "Name one with --shard: s0, s1"),
        (("--shard", "s0"), 1, "has no primary"),
    ],
)
def test_psql_with_nowhere_to_go(arguments: tuple[str, ...], code: int, words: str) -> None:
    """It says which shards there are, or what to do without a primary."""
    world = World(FakeAccess(LEADERLESS))
    done = world.call("psql", "shop", *arguments)
    assert (code, []) == (done.code, world.started)
    assert words in done.err


def test_psql_without_a_replica() -> None:
    """Nobody streams: the message says so."""
    world = World(FakeAccess(samples.down(samples.cluster(), "shop-s0-a", "shop-s0-c")))
    done = world.call("psql", "shop", "--shard", "s0", "--replica")
    assert 1 == done.code
    assert "No replica of shard s0 streams" in done.err


def test_psql_without_kubectl(world: World) -> None:
    """The program that it needs is named."""
    world.kubectl_missing = True
    done = world.call("psql", "shop", "--shard", "s0")
    assert (3, "Error: There is no program kubectl on PATH: psql is reached through `kubectl exec`.\n") == (
        done.code,
        done.err,
    )


@pytest.mark.parametrize("verb", [verb for verb in application.VERBS if verb != "completion"])
def test_every_verb_names_a_cluster_that_is_not_there(world: World, verb: str) -> None:
    """The message says what there is and how to list the rest; no verb ends in a traceback."""
    more = {
        "why": ["--shard", "s0"],
        "switchover": ["--shard", "s0", "--to", "x"],
        "promote": ["--shard", "s0", "--instance", "x"],
        "fence": ["x"],
        "unfence": ["x"],
    }
    done = world.call(verb, "cart", *more.get(verb, []))
    assert (3, "") == (done.code, done.out)
    assert (
        "Error: There is no CovetCluster cart in namespace default; there are: shop."
        " `kubectl get covetclusters --all-namespaces` lists them all.\n"
    ) == done.err


def test_an_internal_error_is_a_sentence(world: World) -> None:
    """What nobody foresaw is told in one line too, with how to see more."""
    del world.api.bodies["shop"]["metadata"]["annotations"]
    world.api.bodies["shop"]["metadata"]["annotations"] = ["no mapping"]
    done = world.call("status", "shop")
    assert 70 == done.code
    assert done.err.startswith("Error: kubectl-covet has a fault (")
    assert "COVET_TRACEBACK=1" in done.err
    assert 1 == done.err.count("\n")


def test_an_unknown_verb_is_a_question_of_usage(world: World) -> None:
    """The words and the code of click and code."""
    done = world.call("statsu", "shop")
    assert 2 == done.code
    assert "No such command 'statsu'" in done.err
