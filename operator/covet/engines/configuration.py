"""The server's three configuration files, rendered from facts: settings, access, identities.

They lie outside PGDATA, where neither a base backup nor pg_rewind can replace them.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from covet.core import names
from covet.core.agentapi import Peer, Rule
from covet.engines import quoting

SUPERUSER: Final = "covet"
"""The server's one superuser: the agent, over the unix socket only."""
MEMBERS: Final = "covet_members"
"""Group role of the roles that instances stream with."""
PROBE_USER: Final = "covet_probe"
"""A name that never exists: a dial with it tells an open server (asks for a password) from a closed one."""

MIB: Final = 1 << 20


@dataclasses.dataclass(frozen=True)
class Upstream:
    """Whom a follower streams from, and as who.

    Args:
        credentials: folder with ca.crt, tls.crt and tls.key for libpq.
        addresses: what the peer's name last stood for; tried after the name itself.
    """

    peer: Peer
    role: str
    member: str
    slot: str
    credentials: Path
    addresses: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Configuration:
    """Everything that the settings file is made of.

    Args:
        folder: where the three files and the server's certificate lie.
        sockets: folder of the unix socket.
        rule: the rule whose members have to acknowledge commits; None for nobody.
        upstream: None for a server that follows nobody.
        parameters: the user's settings, already checked.
    """

    instance: str
    listen: str
    port: int
    folder: Path
    sockets: Path
    rule: Rule | None
    upstream: Upstream | None
    parameters: Mapping[str, str]
    max_slot_wal_keep_bytes: int


def standby_names(rule: Rule | None) -> str:
    """Return `synchronous_standby_names` for a rule: all members, quoted, the same text everywhere."""
    if rule is None or rule.acks == 0:
        return ""
    members = ", ".join(quoting.identifier(member) for member in rule.cohort)
    return f"ANY {rule.acks} ({members})"


def connection(upstream: Upstream, application: str) -> str:
    """Return the libpq string that reaches the upstream's server over mTLS.

    A cut line has to be noticed within seconds, in both directions: keepalives find a silent
    peer, tcp_user_timeout finds one that no longer acknowledges what was sent. The last known addresses are dialled
    first, for a receiver that waits for a resolver that is away cannot be ended, and a fence needs it ended; the
    certificate has to fit the name all the same.
    """
    known = [address for address in upstream.addresses if address != upstream.peer.address]
    hosts = {"host": ",".join([upstream.peer.address] * (1 + len(known)))}
    if known:
        hosts["hostaddr"] = ",".join([*known, ""])
    return quoting.conninfo(
        hosts
        | {
            "port": str(upstream.peer.sql_port),
            "user": upstream.role,
            "application_name": application,
            "sslmode": "verify-full",
            "sslrootcert": str(upstream.credentials / "ca.crt"),
            "sslcert": str(upstream.credentials / "tls.crt"),
            "sslkey": str(upstream.credentials / "tls.key"),
            "gssencmode": "disable",
            "connect_timeout": "5",
            "keepalives": "1",
            "keepalives_idle": "2",
            "keepalives_interval": "1",
            "keepalives_count": "3",
            "tcp_user_timeout": "5000",
        }
    )


def render_settings(configuration: Configuration) -> str:
    """Return the text of postgresql.conf: defaults, then the user's settings, then what Covet owns."""
    lines = ["# Written by covet-agent; changes are overwritten."]
    lines += _lines(_DEFAULTS)
    lines += _lines(dict(sorted(configuration.parameters.items())))
    lines += _lines(_owned(configuration))
    return "\n".join(lines) + "\n"


def render_access(*, opened: bool, sealed: bool = False) -> str:
    """Return the text of pg_hba.conf.

    Args:
        opened: clients are let in; closed admits the agent and the members' replication, nobody else.
        sealed: admits the agent alone, members neither: how far they are has to be known first.
    """
    lines = [
        "# Written by covet-agent; changes are overwritten.",
        f"local all {SUPERUSER} peer map=agent",
    ]
    if not sealed:
        # Database postgres for pg_rewind: a member that comes back reads the leader's files.
        lines.append(f"hostssl replication,postgres +{MEMBERS} all cert map=members")
    if opened:
        lines += [
            f"hostssl all {SUPERUSER} all reject",
            f"hostssl all +{MEMBERS} all reject",
            "hostssl all all all scram-sha-256",
        ]
    return "\n".join(lines) + "\n"


def render_identities(os_user: str, roles: Iterable[tuple[str, str]]) -> str:
    """Return the text of pg_ident.conf.

    Args:
        os_user: name of the system user that the agent and the server run as.
        roles: (subject of an instance's certificate, its replication role) of every peer.
    """
    lines = ["# Written by covet-agent; changes are overwritten."]
    lines.append(f"agent {_ident(os_user)} {SUPERUSER}")
    lines += [f"members {_ident(subject)} {_ident(role)}" for subject, role in sorted(roles)]
    return "\n".join(lines) + "\n"


def letters(instance: str, cluster: str, shard: str) -> str:
    """Return the letters of an instance: `shop-s0-a` of cluster shop, shard s0 -> `a`."""
    return instance.removeprefix(names.instance(cluster, shard, ""))


def _ident(token: str) -> str:
    """Return a token of pg_ident.conf; a quoted one is never a regular expression or a keyword."""
    escaped = token.replace('"', '""')
    return f'"{escaped}"'


def _lines(settings: Mapping[str, str]) -> list[str]:
    return [f"{name} = {quoting.setting(value)}" for name, value in settings.items()]


_DEFAULTS: Final[Mapping[str, str]] = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_senders": "16",
    "max_replication_slots": "32",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "on",
    "log_lock_waits": "on",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


def _owned(configuration: Configuration) -> dict[str, str]:
    folder, upstream = configuration.folder, configuration.upstream
    return {
        "listen_addresses": configuration.listen,
        "port": str(configuration.port),
        "cluster_name": configuration.instance,
        "unix_socket_directories": str(configuration.sockets),
        "unix_socket_permissions": "0700",
        "ssl": "on",
        "ssl_min_protocol_version": "TLSv1.2",
        "ssl_ca_file": str(folder / "tls" / "ca.crt"),
        "ssl_cert_file": str(folder / "tls" / "tls.crt"),
        "ssl_key_file": str(folder / "tls" / "tls.key"),
        "password_encryption": "scram-sha-256",
        "authentication_timeout": "10s",
        # logical, though nothing decodes yet: resharding will stream rows, and raising it later restarts every server.
        "wal_level": "logical",
        "wal_log_hints": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "synchronous_standby_names": standby_names(configuration.rule),
        # A backend killed by a signal must not bring the server back read-write by itself: the agent decides (I7).
        "restart_after_crash": "off",
        "hot_standby": "on",
        "hot_standby_feedback": "off",
        "max_standby_streaming_delay": "1s",
        "max_slot_wal_keep_size": f"{max(1, configuration.max_slot_wal_keep_bytes // MIB)}MB",
        "wal_sender_timeout": "5s",
        "wal_receiver_timeout": "5s",
        "wal_receiver_status_interval": "1s",
        "wal_retrieve_retry_interval": "500ms",
        "recovery_target_timeline": "latest",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_line_prefix": "%e [%p] %q%u@%d ",
        "primary_conninfo": connection(upstream, upstream.member) if upstream else "",
        "primary_slot_name": upstream.slot if upstream else "",
    }
