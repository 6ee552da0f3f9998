"""The server's files: what Covet owns cannot be set by others, and closed means closed."""

from pathlib import Path

from covet.core.agentapi import Peer, Rule
from covet.engines import configuration
from covet.engines.configuration import Configuration, Upstream

PEER = Peer("shop-s0-a", "shop-s0-a-0.shop-s0.default.svc", 7443, 7444, 5432)
UPSTREAM = Upstream(PEER, "covet_s0_b", "s0-b-0123456789ab", "s0_b_0123456789ab", Path("/v/agent/cred/1"))


def settings(**changes: object) -> dict[str, str]:
    """Return the settings of a rendered file; a later line wins, as in the server."""
    told: dict[str, object] = {
        "instance": "shop-s0-b",
        "listen": "127.0.0.1",
        "port": 5432,
        "folder": Path("/v/conf"),
        "sockets": Path("/run/covet"),
        "rule": None,
        "upstream": None,
        "parameters": {},
        "max_slot_wal_keep_bytes": 1 << 30,
    }
    text = configuration.render_settings(Configuration(**told | changes))  # type: ignore[arg-type]  # built by name
    return dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)


def test_what_covet_owns_wins_over_everything() -> None:
    """Even a setting that slipped through every check stands above the owned one, which wins."""
    assert "'on'" == settings(parameters={"fsync": "off"})["fsync"]
    assert "'8MB'" == settings(parameters={"work_mem": "8MB"})["work_mem"]


def test_a_user_can_change_a_default() -> None:
    """Defaults come first, so that the user's setting wins."""
    assert "'500'" == settings(parameters={"max_connections": "500"})["max_connections"]


def test_safety_settings() -> None:
    """The settings that the invariants rest on."""
    wanted = {
        "restart_after_crash": "'off'",
        "wal_log_hints": "'on'",
        "synchronous_commit": "'on'",
        "hot_standby": "'on'",
        "max_standby_streaming_delay": "'1s'",
        "max_slot_wal_keep_size": "'1024MB'",
        "ssl": "'on'",
        "ssl_min_protocol_version": "'TLSv1.2'",
        "password_encryption": "'scram-sha-256'",
        "primary_conninfo": "''",
        "synchronous_standby_names": "''",
    }
    rendered = settings()
    assert wanted == {name: rendered[name] for name in wanted}


def test_the_setting_names_all_members() -> None:
    """`synchronous_standby_names` is the same text on every member, names quoted; empty when nobody is waited for."""
    rule = Rule(1, 3, "s0-a-1", ("s0-a-1", "s0-b-2", "s0-c-3"), 1)
    assert 'ANY 1 ("s0-a-1", "s0-b-2", "s0-c-3")' == configuration.standby_names(rule)
    assert "" == configuration.standby_names(Rule(1, 1, "s0-a-1", ("s0-a-1",), 0))
    assert "" == configuration.standby_names(None)


def test_a_follower_streams_verified_under_its_own_name() -> None:
    """Host and certificate are verified, the credentials lie under the term, name and slot are the member's."""
    rendered = settings(upstream=UPSTREAM)
    conninfo = rendered["primary_conninfo"].replace("''", "'")
    for part in (
        "sslmode='verify-full'",
        "application_name='s0-b-0123456789ab'",
        "user='covet_s0_b'",
        "sslkey='/v/agent/cred/1/tls.key'",
        "connect_timeout='5'",
        "tcp_user_timeout='5000'",
    ):
        assert part in conninfo
    assert "'s0_b_0123456789ab'" == rendered["primary_slot_name"]


def test_closed_admits_the_agent_and_replication_alone() -> None:
    """The closed access file has two lines; the open one adds rejects before it admits."""
    closed = _lines(configuration.render_access(opened=False))
    opened = _lines(configuration.render_access(opened=True))
    assert [
        "local all covet peer map=agent",
        "hostssl replication,postgres +covet_members all cert map=members",
    ] == closed
    assert closed == opened[:2]
    assert [
        "hostssl all covet all reject",
        "hostssl all +covet_members all reject",
        "hostssl all all all scram-sha-256",
    ] == opened[2:]


def test_no_line_admits_plain_text() -> None:
    """There is no `host` and no `hostnossl` line in either file."""
    for opened in (False, True):
        for line in _lines(configuration.render_access(opened=opened)):
            assert line.startswith(("local ", "hostssl "))


def test_identities_are_literal() -> None:
    """A subject maps to its own role; quotes keep a name from being read as a pattern."""
    text = configuration.render_identities("covet", [("shop-s0-b", "covet_s0_b"), ("shop-s0-a", "covet_s0_a")])
    assert [
        'agent "covet" covet',
        'members "shop-s0-a" "covet_s0_a"',
        'members "shop-s0-b" "covet_s0_b"',
    ] == _lines(text)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]
