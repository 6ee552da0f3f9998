"""Which settings a user may set."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.planner import parameters


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


@given(st.dictionaries(st.text(max_size=20) | st.sampled_from(sorted(parameters.OWNED)), st.text(max_size=20)))
def test_nothing_owned_or_dangerous_is_accepted(wanted: dict[str, str]) -> None:
    """Whatever is asked for, what reaches the server is harmless to the file and not Covet's."""
    for name, value in parameters.accepted(wanted).items():
        assert name not in parameters.OWNED
        assert set(name) <= set(string.ascii_lowercase + string.digits + "_.")
        assert value.isprintable() or not any(ord(character) < 32 for character in value)
