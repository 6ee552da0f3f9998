"""Which server settings a user may set, and which belong to Covet.

Standard library only: the operator refuses a spec by this table, and the agents filter by it
once more before a setting reaches a server.
"""

import re
from collections.abc import Mapping
from typing import Final

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")
_MAX_VALUE: Final = 1024

_IDENTITY: Final = "it says where the server lives and how it is reached, which Covet manages"
_ACCESS: Final = "it decides who gets in, which Covet manages"
_DURABILITY: Final = "it could lose acknowledged commits"
_REPLICATION: Final = "it belongs to the replication that Covet manages"
_LOG: Final = "the agent reads the server's log from its standard error"
_CODE: Final = "it would run a command or load code outside the image"

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
            "syslog_facility", "syslog_ident", "event_source", "stats_temp_directory", "update_process_title",
        ),
        _LOG,
    ),
    **dict.fromkeys(
        (
            "archive_command", "archive_library", "archive_cleanup_command", "recovery_end_command",
            "restore_command", "local_preload_libraries", "session_preload_libraries", "shared_preload_libraries",
            "dynamic_library_path", "jit_provider",
        ),
        _CODE,
    ),
}  # fmt: skip
"""Settings that a user cannot set, each with the reason that a refusal gives."""


def refusals(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return one sentence for each setting that cannot be taken; empty if all can."""
    sentences = []
    for name, value in sorted(parameters.items()):
        folded = name.lower()
        if not _NAME.fullmatch(folded):
            sentences.append(f"Parameter {name!r} is not a name of a server setting.")
        elif folded in OWNED:
            sentences.append(f"Parameter {folded} cannot be set: {OWNED[folded]}.")
        elif len(value) > _MAX_VALUE or any(ord(character) < 32 or ord(character) == 127 for character in value):
            sentences.append(f"Parameter {folded} has a value with control characters or longer than {_MAX_VALUE}.")
        elif sum(other.lower() == folded for other in parameters) > 1:
            sentences.append(f"Parameter {folded} is given twice.")
    return tuple(sentences)


def accepted(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that may reach a server, by folded name, sorted."""
    return {name.lower(): value for name, value in sorted(parameters.items()) if not refusals({name: value})}
