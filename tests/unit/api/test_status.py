"""Status is written as the API server stores it, and read back the same."""

from covet.api import status


def test_a_status_survives_the_way_to_the_api_server_and_back() -> None:
    """What the operator wrote last is what it reads next, so that an unchanged round writes nothing."""
    written = status.ClusterStatus(
        observed_generation=3,
        phase="Ready",
        conditions=(
            status.Condition(
                type="Ready",
                status=status.Truth.TRUE,
                observed_generation=3,
                last_transition_time="2026-03-01T12:00:00Z",
                reason="AllInPlace",
                message="Every instance is where it should be.",
            ),
        ),
        primaries="1/1",
        shards=(
            status.ShardStatus(
                name="s0",
                slots=16384,
                primary="shop-s0-a",
                term=1,
                instances=(
                    status.InstanceStatus(name="shop-s0-a", role=status.Role.PRIMARY, state="Serving", node="n1"),
                    status.InstanceStatus(
                        name="shop-s0-b", role=status.Role.REPLICA, state="Streaming", lag=status.Lag.OK
                    ),
                ),
                rule=status.RuleStatus(term=1, seq=2, leader="s0-a-01", cohort=("s0-a-01", "s0-b-02"), acks=1),
                members=(
                    status.MemberStatus(
                        instance="shop-s0-a", member="s0-a-01", state="Leader", reason="Serving", promise=1
                    ),
                    status.MemberStatus(instance="shop-s0-b", state="Unreachable"),
                ),
                last_failover=status.LastFailover(
                    at="2026-03-01T12:00:00Z",
                    reason="LeaderSilent",
                    from_="shop-s0-b",
                    to="shop-s0-a",
                    term=1,
                    writable_ms=900,
                ),
                decision=status.Decision(at="2026-03-01T12:00:00Z", reason="Elected", message="By two of two."),
            ),
        ),
        map=status.MapStatus(epoch=1, hash="pg1", digest="sha256:00"),
        pending_changes=(status.PendingChange(field="spec.shards.count", reason="NotBuilt", message="Wait."),),
    )
    document = written.document()
    assert written == status.ClusterStatus.model_validate(document)
    assert "observedGeneration" in document
    assert "lag" not in document["shards"][0]["instances"][0]
    assert {"at", "reason", "from", "to", "term", "writableMs"} == set(document["shards"][0]["lastFailover"])
