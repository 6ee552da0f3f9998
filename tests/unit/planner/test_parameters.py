"""Which settings a user may set."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.engines import configuration
from covet.planner import parameters, postgresql15


@pytest.mark.parametrize(
    "name", ["fsync", "FSYNC", "hba_file", "archive_command", "listen_addresses", "primary_conninfo"]
)
def test_what_covet_owns_is_refused_by_name(name: str) -> None:
    """A setting that Covet owns is refused in any spelling, with its name and a reason."""
    (sentence,) = parameters.refusals({name: "on"})
    assert f"Parameter {name.lower()} cannot be set: " in sentence


@pytest.mark.parametrize("name", ["", "work mem", "x\ny", "a.b.c", "1st", "x" * 64, "fsync=off\nport"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """A name that could end its line in the file is no name."""
    assert 1 == len(parameters.refusals({name: "1"}))


@pytest.mark.parametrize("value", ["a\nb", "\0", "x" * 2000, "\x7f"])
def test_values_that_could_break_the_file_are_refused(value: str) -> None:
    """Control characters and endless values are refused."""
    assert 1 == len(parameters.refusals({"work_mem": value}))


def test_a_setting_given_twice_is_refused() -> None:
    """The same setting in two spellings leaves open which one counts."""
    assert 2 == len(parameters.refusals({"work_mem": "1MB", "WORK_MEM": "2MB"}))


def test_ordinary_settings_are_taken() -> None:
    """Tuning is the user's, extensions' settings included."""
    wanted = {"max_connections": "300", "shared_buffers": "1GB", "pg_stat_statements.max": "1000"}
    assert () == parameters.refusals(wanted)
    assert wanted == parameters.accepted(wanted)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("wrok_mem", "work_mem"), ("max_connection", "max_connections"), ("autovacum", "autovacuum")],
)
def test_a_misspelled_name_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    """The server would ignore its whole file for it, and refuse to start."""
    (sentence,) = parameters.refusals({name: "64MB"})
    assert sentence.startswith(f"Parameter {name} does not exist in PostgreSQL 15. Did you mean ")
    assert meant in sentence
    assert {} == parameters.accepted({name: "64MB"})


def test_advice_never_names_what_would_be_refused() -> None:
    """Whoever follows the advice is not refused again."""
    (sentence,) = parameters.refusals({"fsinc": "off"})
    assert "fsync" not in sentence


def test_a_name_of_no_extension_in_the_image_is_refused() -> None:
    """A prefix that nobody reads would be a setting that silently does nothing."""
    (sentence,) = parameters.refusals({"timescaledb.license": "apache"})
    assert "of no extension that is in the image" in sentence
    assert "pg_stat_statements." in sentence


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("work_mem", "much", "write a whole number, alone (in kB) or with one of the units B, kB, MB, GB, TB"),
        ("work_mem", "64 mb", "with one of the units"),
        ("work_mem", "1kB", "it must be between 64kB and "),
        ("shared_buffers", "64kB", "it must be between 128kB and "),
        ("statement_timeout", "5MB", "with one of the units us, ms, s, min, h, d"),
        ("max_connections", "1e9", "it must be between 1 and 262143"),
        ("max_connections", "many", "write a whole number without a unit"),
        ("random_page_cost", "-1", "it must be between 0 and 1.79769e+308"),
        ("jit", "maybe", "write on or off"),
        ("jit", "o", "write on or off"),
        ("log_min_messages", "loud", "write one of debug5, debug4"),
        ("pg_stat_statements.track", "some", "write one of none, top, all"),
        ("max_stack_depth", "1GB", "it must be at most 7MB"),
        ("max_wal_senders", "0", "it must be at least 16"),
        ("max_replication_slots", "4", "it must be at least 32"),
        ("superuser_reserved_connections", "0", "it must be at least 3"),
        ("min_wal_size", "16MB", "two segments"),
        ("default_transaction_isolation", "Serializable", "no replica can serve"),
        ("huge_pages", "on", "write try"),
        ("lc_time", "de_DE.UTF-8", "the image has the locales C, POSIX, C.UTF-8"),
        ("shared_preload_libraries", "auto_explain, evil", "auto_explain and pg_stat_statements"),
    ],
)
def test_a_value_that_the_server_or_the_cluster_cannot_live_with_is_refused(name: str, value: str, says: str) -> None:
    """The refusal names the value, and what to write instead."""
    (sentence,) = parameters.refusals({name: value})
    assert sentence.startswith(f"Parameter {name} cannot be {value!r}: ")
    assert says in sentence
    assert {} == parameters.accepted({name: value})


@pytest.mark.parametrize(
    "name",
    ["default_transaction_read_only", "pre_auth_delay", "post_auth_delay", "transaction_read_only", "exit_on_error"],
)
def test_what_would_reach_into_the_agents_sessions_is_refused(name: str) -> None:
    """A parameter must not stop the agent from working."""
    (sentence,) = parameters.refusals({name: "on"})
    assert f"Parameter {name} cannot be set: " in sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("work_mem", "0x100"),
        ("work_mem", " 64 MB "),
        ("work_mem", "0.5GB"),
        ("shared_buffers", "16384"),
        ("statement_timeout", "1.5min"),
        ("autovacuum_vacuum_cost_delay", "2.5"),
        ("log_min_duration_statement", "-1"),
        ("max_wal_senders", "16"),
        ("jit", "OFF"),
        ("jit", "tr"),
        ("log_min_messages", "WARNING"),
        ("shared_preload_libraries", "auto_explain, pg_stat_statements"),
        ("shared_preload_libraries", ""),
        ("search_path", '"$user", public'),
        ("auto_explain.log_min_duration", "250ms"),
    ],
)
def test_what_the_server_takes_is_taken(name: str, value: str) -> None:
    """Units, spellings and number forms are those of the server."""
    assert () == parameters.refusals({name: value})
    assert {name: value} == parameters.accepted({name: value})


def test_settings_that_are_right_alone_and_wrong_together_are_refused() -> None:
    """The server refuses to start when processes or reserved connections do not add up."""
    (reserved,) = parameters.refusals({"max_connections": "50", "superuser_reserved_connections": "50"})
    assert "leaves nothing of max_connections" in reserved
    (many,) = parameters.refusals({"max_connections": "200000", "max_worker_processes": "100000"})
    assert "max_connections, max_worker_processes ask for 300019 processes" in many
    assert () == parameters.refusals({"max_connections": "300", "superuser_reserved_connections": "250"})


def test_an_agent_takes_settings_that_only_fit_together() -> None:
    """Each of them alone would not fit the default of the other."""
    wanted = {"max_connections": "300", "superuser_reserved_connections": "250"}
    assert wanted == parameters.accepted(wanted)


def test_what_the_agent_writes_after_the_users_settings_is_refused() -> None:
    """A setting that Covet overwrites must not look as if it were taken."""
    owned = configuration._owned(
        configuration.Configuration(
            instance="shop-s0-a",
            listen="0.0.0.0",  # noqa: S104 -- rendered, never bound
            port=5432,
            folder=Path("/conf"),
            sockets=Path("/run"),
            rule=None,
            upstream=None,
            parameters={},
            max_slot_wal_keep_bytes=1 << 30,
        )
    )
    assert set() == set(owned) - set(parameters.OWNED)


def test_floors_hold_what_covet_gives_by_itself() -> None:
    """Covet's own defaults pass its own table, and are what the sums are made with."""
    defaults = dict(configuration._DEFAULTS)
    assert () == parameters.refusals(defaults)
    for name, unset in parameters._BACKENDS.items():
        assert str(unset) == defaults.get(name, str(unset))


def test_everything_that_is_owned_or_bounded_exists() -> None:
    """A name that PostgreSQL 15 does not have would be refused for the wrong reason."""
    ways = {"include", "include_dir", "include_if_exists"}
    unknown = (set(parameters.OWNED) | set(parameters.FLOORS) | set(parameters.CEILINGS)) - set(postgresql15.SETTINGS)
    assert ways == unknown


@given(
    st.sampled_from(sorted(postgresql15.SETTINGS)),
    st.text(st.sampled_from("0123456789.-+xXeEkKMGBsminh ofn"), max_size=80),
)
def test_every_value_of_every_setting_is_judged(name: str, value: str) -> None:
    """However a value looks, the answer is a sentence or none, never an error."""
    assert len(parameters.refusals({name: value})) <= 1


@given(st.dictionaries(st.text(max_size=20) | st.sampled_from(sorted(parameters.OWNED)), st.text(max_size=20)))
def test_nothing_owned_or_dangerous_is_accepted(wanted: dict[str, str]) -> None:
    """Whatever is asked for, what reaches the server is harmless to the file and not Covet's."""
    for name, value in parameters.accepted(wanted).items():
        assert name not in parameters.OWNED
        assert set(name) <= set(string.ascii_lowercase + string.digits + "_.")
        assert value.isprintable() or not any(ord(character) < 32 for character in value)
