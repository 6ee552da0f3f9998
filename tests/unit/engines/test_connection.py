"""How a follower's server reaches its leader while the resolver is away."""

from pathlib import Path

from covet.core.agentapi import Peer
from covet.engines import configuration
from covet.engines.configuration import Upstream

PEER = Peer("shop-s0-a", "shop-s0-a-0.shop-s0", 7443, 7444, 5432)


def test_i9_the_last_known_address_is_dialled_before_the_name() -> None:
    """A host without hostaddr goes to the resolver, and nobody can end a receiver that waits for that."""
    upstream = Upstream(PEER, "r", "m", "s", Path("/c"), ("10.0.0.7",))
    words = configuration.connection(upstream, "m")
    assert f"host='{PEER.address},{PEER.address}'" in words
    assert "hostaddr='10.0.0.7,'" in words


def test_an_address_for_a_name_is_dialled_once() -> None:
    """Without a name there is nothing that a resolver could fail at."""
    plain = Upstream(PEER, "r", "m", "s", Path("/c"), (PEER.address,))
    assert "hostaddr" not in configuration.connection(plain, "m")
