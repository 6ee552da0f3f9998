"""Which server settings a user may set, to which values, and which belong to Covet.

Standard library only: the operator refuses a spec by this table, and the agents filter by it
once more before a setting reaches a server. One line that the server cannot read makes it
ignore its whole file at a reload and refuse to start, so names and values are checked here first.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Final

from covet.planner import postgresql15
from covet.planner.setting import Kind, Setting

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")
_MAX_VALUE: Final = 1024
_MAX_SHOWN: Final = 80

_IDENTITY: Final = "it says where the server lives and how it is reached, which Covet manages"
_ACCESS: Final = "it decides who gets in, which Covet manages"
_DURABILITY: Final = "it could lose acknowledged commits"
_REPLICATION: Final = "it belongs to the replication that Covet manages"
_LOG: Final = "the agent reads the server's log from its standard error"
_CODE: Final = "it would run a command or load code outside the image"
_SESSIONS: Final = "it would reach into the agent's own sessions, by which Covet works"
_TRANSACTION: Final = "it is a property of one transaction, not of a server"

OWNED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "config_file", "data_directory", "external_pid_file", "listen_addresses", "port", "cluster_name",
            "unix_socket_directories", "unix_socket_group", "unix_socket_permissions", "bonjour", "bonjour_name",
            "include", "include_dir", "include_if_exists", "allow_in_place_tablespaces",
        ),
        _IDENTITY,
    ),
    **dict.fromkeys(
        (
            "hba_file", "ident_file", "ssl", "ssl_ca_file", "ssl_cert_file", "ssl_key_file", "ssl_crl_file",
            "ssl_crl_dir", "ssl_dh_params_file", "ssl_ciphers", "ssl_min_protocol_version",
            "ssl_max_protocol_version", "ssl_passphrase_command", "ssl_passphrase_command_supports_reload",
            "ssl_ecdh_curve", "authentication_timeout",
            "password_encryption", "krb_server_keyfile", "db_user_namespace", "allow_system_table_mods",
            "row_security", "ignore_system_indexes",
        ),
        _ACCESS,
    ),
    **dict.fromkeys(
        (
            "fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names", "wal_sync_method",
            "zero_damaged_pages", "ignore_checksum_failure", "ignore_invalid_pages", "data_sync_retry",
            "restart_after_crash", "wal_log_hints", "remove_temp_files_after_crash", "recovery_init_sync_method",
        ),
        _DURABILITY,
    ),
    **dict.fromkeys(
        (
            "wal_level", "primary_conninfo", "primary_slot_name", "promote_trigger_file", "hot_standby",
            "max_slot_wal_keep_size", "wal_keep_size", "recovery_min_apply_delay",
            "recovery_target", "recovery_target_action", "recovery_target_inclusive", "recovery_target_lsn",
            "recovery_target_name", "recovery_target_time", "recovery_target_timeline", "recovery_target_xid",
            "wal_receiver_timeout", "wal_receiver_status_interval", "wal_receiver_create_temp_slot",
            "wal_retrieve_retry_interval", "wal_sender_timeout", "max_standby_streaming_delay",
            "max_standby_archive_delay", "hot_standby_feedback", "archive_mode",
        ),
        _REPLICATION,
    ),
    **dict.fromkeys(
        (
            "logging_collector", "log_destination", "log_directory", "log_filename", "log_file_mode",
            "log_rotation_age", "log_rotation_size", "log_truncate_on_rotation", "log_line_prefix",
            "syslog_facility", "syslog_ident", "event_source", "update_process_title",
        ),
        _LOG,
    ),
    **dict.fromkeys(
        (
            "archive_command", "archive_library", "archive_cleanup_command", "recovery_end_command",
            "restore_command", "local_preload_libraries", "session_preload_libraries", "dynamic_library_path",
            "output_plugin_libraries",
            "extension_destdir", "jit_provider",
        ),
        _CODE,
    ),
    **dict.fromkeys(
        (
            "default_transaction_read_only", "pre_auth_delay", "post_auth_delay", "exit_on_error", "lc_messages",
            "timezone_abbreviations",
        ),
        _SESSIONS,
    ),
    **dict.fromkeys(("transaction_deferrable", "transaction_isolation", "transaction_read_only"), _TRANSACTION),
}  # fmt: skip
"""Settings that a user cannot set, each with the reason that a refusal gives."""


LIBRARIES: Final = ("auto_explain", "pg_stat_statements")
"""What `shared_preload_libraries` may name: libraries that are in the image and do no more than watch."""

FLOORS: Final[Mapping[str, tuple[str, str]]] = {
    "max_connections": ("20", "the agent and its peers need some of them"),
    "superuser_reserved_connections": ("3", "the agent has to get in when clients took all the others"),
    "max_wal_senders": ("16", "replicas stream by them, and two more serve each replica that is being made"),
    "max_replication_slots": ("32", "every replica needs one, and so does a replica that is being made"),
    "min_wal_size": ("32MB", "the server refuses to start with less than two segments of log"),
    "max_wal_size": ("32MB", "the server refuses to start with less than two segments of log"),
}
"""The smallest value of a setting below which Covet cannot work, with the reason."""

CEILINGS: Final[Mapping[str, tuple[str, str]]] = {
    "max_stack_depth": ("7MB", "a container's stack ends at 8MB"),
}
"""The same for the largest value."""

_BARRED: Final[Mapping[str, Mapping[str, str]]] = {
    "default_transaction_isolation": {"serializable": "no replica can serve a session that begins with it"},
    "huge_pages": {"on": "the pods ask for no huge pages, so the server would not start; write try"},
}
"""Values that the server takes and that stop a cluster."""

_LOCALES: Final = ("C", "POSIX", "C.UTF-8")
"""The locales of the image; with another one the server does not start."""

_MAX_BACKENDS: Final = 262143
_BACKENDS: Final[Mapping[str, int]] = {
    "max_connections": 200, "autovacuum_max_workers": 3, "max_worker_processes": 8, "max_wal_senders": 16,
}  # fmt: skip
"""What adds up to the server's limit of processes, with the values of a cluster that sets nothing."""
_RESERVED: Final = 3
_UNSET: Final[Mapping[str, int]] = {
    "max_connections": 200, "max_worker_processes": 8, "max_wal_senders": 16, "max_prepared_transactions": 0,
    "max_locks_per_transaction": 64,
}  # fmt: skip
"""What a replica needs as much of as its log was written with, with the values of a cluster that sets nothing."""
"""superuser_reserved_connections of a server that is told nothing."""

_PREFIXES: Final = frozenset(name.partition(".")[0] for name in postgresql15.SETTINGS if "." in name)


def refusals(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return one sentence for each setting that cannot be taken; empty if all can."""
    sentences = []
    for name, value in sorted(parameters.items()):
        sentence = _refusal(name, value)
        if sentence is not None:
            sentences.append(sentence)
        elif sum(other.lower() == name.lower() for other in parameters) > 1:
            sentences.append(f"Parameter {name.lower()} is given twice.")
    return tuple(sentences) or tuple(_together({name.lower(): value for name, value in parameters.items()}))


def accepted(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that may reach a server, by folded name, sorted."""
    return {name.lower(): value for name, value in sorted(parameters.items()) if _refusal(name, value) is None}


def _refusal(name: str, value: str) -> str | None:
    """Return why one setting cannot be taken, whatever the others are."""
    return _name_refusal(name) or _value_refusal(name.lower(), value)


def _name_refusal(name: str) -> str | None:
    folded = name.lower()
    if not _NAME.fullmatch(folded):
        return f"Parameter {name!r} is not a name of a server setting."
    if folded in OWNED:
        return f"Parameter {folded} cannot be set: {OWNED[folded]}."
    known = postgresql15.SETTINGS.get(folded)
    if known is None:
        return _unknown(folded)
    if known.context == "internal":
        return f"Parameter {folded} cannot be set: it is fixed when the server or its database is made."
    return None


def _unknown(name: str) -> str:
    prefix, dot, _ = name.partition(".")
    if dot and prefix not in _PREFIXES:
        prefixes = ", ".join(f"{known}." for known in sorted(_PREFIXES))
        return f"Parameter {name} is of no extension that is in the image: names may begin with {prefixes}"
    settable = [known for known, setting in postgresql15.SETTINGS.items() if _may_be_set(known, setting)]
    close = difflib.get_close_matches(name, settable, n=3)
    advice = f"Did you mean {' or '.join(close)}?" if close else "See the list of server settings in its manual."
    return f"Parameter {name} does not exist in PostgreSQL 15. {advice}"


def unlowered(parameters: Mapping[str, str], written: Mapping[str, int]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the parameters with which a server starts as a replica, and what of them cannot be lowered.

    Every server starts as a replica, and a replica does not start with less than its log was written with.

    Args:
        parameters: checked ones.
        written: the values that the log was written with, by setting.
    """
    asked = {name: parameters.get(name, str(_UNSET[name])) for name in _UNSET}
    low = {name: str(written[name]) for name in _UNSET if _number(name, asked[name]) < written.get(name, 0)}
    sentences = tuple(
        f"Parameter {name} cannot be lowered from {value} to {asked[name]}: every server starts as a replica, and a"
        " replica does not start with less than its log was written with."
        for name, value in low.items()
    )
    return {**parameters, **low}, sentences


def _may_be_set(name: str, setting: Setting) -> bool:
    return name not in OWNED and setting.context != "internal"


def _value_refusal(name: str, value: str) -> str | None:
    if len(value) > _MAX_VALUE or any(ord(character) < 32 or ord(character) == 127 for character in value):
        return f"Parameter {name} has a value with control characters or longer than {_MAX_VALUE}."
    fault = postgresql15.SETTINGS[name].fault(value) or _policy(name, value)
    shown = value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}..."
    return f"Parameter {name} cannot be {shown!r}: {fault}." if fault else None


def _policy(name: str, value: str) -> str | None:
    """Return what a value that the server takes would do to a cluster, None if it may stand."""
    setting = postgresql15.SETTINGS[name]
    if name in FLOORS and _number(name, value) < _number(name, FLOORS[name][0]):
        least, reason = FLOORS[name]
        return f"it must be at least {least}, because {reason}"
    if name in CEILINGS and _number(name, value) > _number(name, CEILINGS[name][0]):
        most, reason = CEILINGS[name]
        return f"it must be at most {most}, because {reason}"
    if name == "shared_preload_libraries":
        libraries = [library.strip(' "') for library in value.split(",") if library.strip()]
        unknown = [library for library in libraries if library not in LIBRARIES]
        return f"of libraries the image may load {' and '.join(LIBRARIES)}" if unknown else None
    if name in {"lc_monetary", "lc_numeric", "lc_time"} and value not in _LOCALES:
        return f"the image has the locales {', '.join(_LOCALES)}"
    return _BARRED.get(name, {}).get(value.lower()) if setting.kind is Kind.ENUM else None


def _together(parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with settings that are each right alone."""
    processes = sum(int(_number(name, parameters.get(name, str(unset)))) for name, unset in _BACKENDS.items())
    if processes >= _MAX_BACKENDS:
        yield (
            f"Parameters {', '.join(sorted(set(_BACKENDS) & set(parameters)))} ask for {processes} processes together;"
            f" the server refuses to start with {_MAX_BACKENDS} or more."
        )
    connections = _number("max_connections", parameters.get("max_connections", str(_BACKENDS["max_connections"])))
    reserved = _number(
        "superuser_reserved_connections", parameters.get("superuser_reserved_connections", str(_RESERVED))
    )
    if reserved >= connections:
        yield (
            f"Parameter superuser_reserved_connections ({reserved:.0f}) leaves nothing of max_connections"
            f" ({connections:.0f}): the server refuses to start with it."
        )


def _number(name: str, value: str) -> float:
    number = postgresql15.SETTINGS[name].number(value)
    return 0.0 if number is None else number
