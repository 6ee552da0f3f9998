"""Which parameters a server goes by: a bad one never costs Covet's own settings, nor a start."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from covet.agent.tuning import DEATHS, Tuning
from covet.engines.programs import ProgramError

GOOD = {"work_mem": "8MB"}


async def takes(_parameters: Mapping[str, str]) -> None:
    """Stand for a server's program that can read everything."""


async def refuses(_parameters: Mapping[str, str]) -> None:
    """Stand for a server's program that cannot read the file."""
    raise ProgramError("ProgramFailed", 'postgres ended with 1: 22023 [7] LOG:  invalid value for "x"')


async def nothing() -> Mapping[str, int]:
    """Stand for a volume whose log holds nobody to anything."""
    return {}


async def settled(path: Path, wanted: Mapping[str, str] = GOOD) -> Tuning:
    """Return a tuning that took up some parameters, with which the server started."""
    path.parent.mkdir(exist_ok=True)
    tuning = Tuning(path)
    await tuning.settle(wanted, takes, nothing)
    tuning.started()
    tuning.answered()
    await tuning.settle(wanted, takes, nothing)
    return tuning


async def test_a_typo_leaves_the_last_good_parameters_in_force(tmp_path: Path) -> None:
    """A name that does not exist is reported and left out; a value that cannot be read leaves the one of before."""
    tuning = await settled(tmp_path / "p.json")
    await tuning.settle({"work_mem": "9XB", "wrok_mem": "1MB", "temp_buffers": "9MB"}, takes, nothing)
    assert GOOD | {"temp_buffers": "9MB"} == tuning.in_force
    assert "wrok_mem" in (tuning.problem or "")
    assert "work_mem" in (tuning.problem or "")


async def test_what_is_wrong_together_is_not_taken(tmp_path: Path) -> None:
    """Settings that are each right and with which no server starts change nothing."""
    tuning = await settled(tmp_path / "p.json")
    await tuning.settle({"max_connections": "20", "superuser_reserved_connections": "20"}, takes, nothing)
    assert GOOD == tuning.in_force
    assert "superuser_reserved_connections" in (tuning.problem or "")


async def test_what_the_servers_own_program_refuses_is_not_taken(tmp_path: Path) -> None:
    """The table may be wrong: the program has the last word, and its sentence is reported without its prefix."""
    tuning = await settled(tmp_path / "p.json")
    await tuning.settle({"work_mem": "9MB"}, refuses, nothing)
    assert GOOD == tuning.in_force
    assert 'postgres ended with 1: LOG:  invalid value for "x"' == tuning.problem


async def test_an_agent_that_starts_under_a_bad_spec_goes_by_what_it_kept(tmp_path: Path) -> None:
    """The last good parameters outlive the agent."""
    await settled(tmp_path / "p.json")
    tuning = Tuning(tmp_path / "p.json")
    await tuning.settle({"work_mem": "1XB"}, takes, nothing)
    assert GOOD == tuning.in_force
    assert tuning.problem is not None


async def test_parameters_that_keep_the_server_from_starting_are_given_up(tmp_path: Path) -> None:
    """Starts that end with an error before the server answers bring the proven parameters back."""
    tuning = await settled(tmp_path / "p.json")
    huge = {"shared_buffers": "1000GB"}
    await tuning.settle(huge, takes, nothing)
    for _ in range(DEATHS):
        assert huge == tuning.in_force
        tuning.started()
        tuning.died(1)
    assert GOOD == tuning.in_force
    assert "does not start" in (tuning.problem or "")
    await tuning.settle({"work_mem": "16MB"}, takes, nothing)
    assert {"work_mem": "16MB"} == tuning.in_force
    assert tuning.problem is None


async def test_a_server_that_was_killed_says_nothing_about_its_parameters(tmp_path: Path) -> None:
    """Neither a signal nor an end after an answer costs new parameters."""
    tuning = await settled(tmp_path / "p.json")
    await tuning.settle({"work_mem": "9MB"}, takes, nothing)
    for code in (-9, -9, -9):
        tuning.started()
        tuning.died(code)
    tuning.started()
    tuning.answered()
    for _ in range(DEATHS):
        tuning.died(1)
    assert {"work_mem": "9MB"} == tuning.in_force
    assert tuning.problem is None


async def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    """parameters.json is a memory, no truth: a broken one does not stop the agent."""
    (tmp_path / "p.json").write_text("{")
    tuning = Tuning(tmp_path / "p.json")
    await tuning.settle({}, takes, nothing)
    assert {} == tuning.in_force
    assert tuning.problem is None


@pytest.mark.parametrize(
    ("wanted", "kept", "told"),
    [
        ({"max_connections": "100"}, {"max_connections": "300"}, "from 300 to 100"),
        ({}, {"max_connections": "300"}, "from 300 to 200"),
        ({"max_connections": "400"}, {"max_connections": "400"}, None),
    ],
)
async def test_what_a_replica_needs_is_not_lowered(
    tmp_path: Path, wanted: dict[str, str], kept: dict[str, str], told: str | None
) -> None:
    """With less than its log was written with a replica does not start: the higher value stays, and it is said."""

    async def written() -> Mapping[str, int]:
        return {"max_connections": 300, "max_wal_senders": 16}

    tuning = await settled(tmp_path / "p.json")
    await tuning.settle(wanted, takes, written)
    assert kept == tuning.in_force
    assert (told is None) is (tuning.problem is None)
    assert (told or "") in (tuning.problem or "")
