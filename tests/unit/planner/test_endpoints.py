"""Where `-rw` leads: healed by what agents say, and never by an older leader than it was written for."""

from hypothesis import given
from hypothesis import strategies as st

from covet.core.agentapi import AgentStatus, MemberState, Rule, Serving
from covet.planner import endpoints
from covet.planner.facts import Endpoint, InstanceFacts, PodFacts, ShardFacts, Unreachable
from covet.planner.record import ShardRecord

RECORD = ShardRecord("s0", "uid", "shop-s0-a", "7", opened=True)


def instance(letter: str, *, leads: int, serves: bool, silent: bool, deleting: bool) -> InstanceFacts:
    """Return an instance; it leads a term unless that is 0."""
    pod = PodFacts(f"shop-s0-{letter}-0", f"10.0.0.{ord(letter)}", running=True, deleting=deleting)
    if silent:
        return InstanceFacts(f"shop-s0-{letter}", pod, Unreachable("silent"))
    state = MemberState.LEADER if leads else MemberState.FOLLOWER
    serving = Serving.READ_WRITE if leads and serves else Serving.READ_ONLY
    rule = Rule(leads or 1, 1, letter if leads else "x", ("a", "b", "c"), 1)
    answer = AgentStatus(
        1, "0", f"shop-s0-{letter}", state, state.value, "", serving, member=letter, system_id="7", rule=rule
    )
    return InstanceFacts(f"shop-s0-{letter}", pod, answer)


INSTANCES = st.tuples(
    *(
        st.builds(
            instance,
            st.just(letter),
            leads=st.sampled_from([0, 0, 2, 3, 4]),
            serves=st.booleans(),
            silent=st.booleans(),
            deleting=st.booleans(),
        )
        for letter in "abc"
    )
)
PUBLISHED = st.none() | st.builds(
    Endpoint,
    st.sampled_from([None, "10.0.0.97", "10.0.0.98", "10.9.9.9"]),
    st.booleans(),
    st.integers(0, 5),
)


@given(INSTANCES, PUBLISHED)
def test_the_term_never_goes_back_and_no_older_leader_is_named(
    instances: tuple[InstanceFacts, ...], published: Endpoint | None
) -> None:
    """Whoever is named leads in a term at least as new as the published one, or was published and is silent."""
    seen = ShardFacts("s0", instances, endpoint=published)
    before = published or Endpoint()
    found = endpoints.read_write(seen, RECORD)
    assert found.term >= before.term
    if found.address is None:
        return
    named = next(entry for entry in instances if entry.pod is not None and entry.pod.address == found.address)
    if isinstance(named.agent, AgentStatus):
        assert named.agent.state is MemberState.LEADER
        assert named.agent.serving is Serving.READ_WRITE
        assert named.agent.rule is not None
        assert found.term == named.agent.rule.term
        assert named.pod is not None
        assert not named.pod.deleting
    else:
        assert found == before


@given(INSTANCES, PUBLISHED)
def test_a_slice_that_was_healed_stays_as_it_is(
    instances: tuple[InstanceFacts, ...], published: Endpoint | None
) -> None:
    """The same look gives the same slice again: two rounds do not fight."""
    once = endpoints.read_write(ShardFacts("s0", instances, endpoint=published), RECORD)
    assert once == endpoints.read_write(ShardFacts("s0", instances, endpoint=once), RECORD)
