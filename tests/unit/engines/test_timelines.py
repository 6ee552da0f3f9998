"""History files: what a server reads of its line, and what would lead it astray."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from covet.core.agentapi import Ancestor
from covet.engines import timelines

HISTORY = (Ancestor(1, 0x5000), Ancestor(2, 0x1_0000_0010))
"""Of timeline 5: terms 3 and 4 came to nothing."""


def test_a_servers_own_file_is_read_as_it_is() -> None:
    """Words, comments and blank lines beside the numbers change nothing."""
    text = "1\t0/5000\tno recovery target specified\n\n# a comment\n2\t1/10\tat restore point\n"
    assert timelines.parse(text) == HISTORY


@given(st.lists(st.tuples(st.integers(1, 2**31), st.integers(0, 2**63)), max_size=5))
def test_what_is_written_is_read_back(line: list[tuple[int, int]]) -> None:
    """Every history survives being a file."""
    history = tuple(Ancestor(*values) for values in line)
    assert history == timelines.parse(timelines.render(history))


def test_the_chain_has_no_gap_and_begins_with_the_leaders_own() -> None:
    """The file after the last byte's timeline comes last: until then a server counts to its own timeline only."""
    chain = timelines.chain(5, HISTORY, 1)
    assert ["00000005.history", "00000004.history", "00000003.history", "00000002.history"] == list(chain)
    assert timelines.parse(chain["00000005.history"]) == HISTORY
    assert timelines.parse(chain["00000002.history"]) == HISTORY[:1]
    assert timelines.UNLED == chain["00000003.history"] == chain["00000004.history"]
    assert {} == timelines.chain(5, HISTORY, 5)


def test_files_off_the_leaders_line_are_strangers(tmp_path: Path) -> None:
    """Another parent, a later term, or a term that nobody led with a parent of its own; older ones are let be."""
    log = tmp_path / "pg_wal"
    log.mkdir()
    for name, text in (timelines.chain(5, HISTORY, 0) | {"00000001.history": "strange"}).items():
        (log / name).write_text(text)
    assert () == timelines.strangers(tmp_path, 5, HISTORY, 1)
    (log / "00000002.history").write_text("1\t0/4000\tanother fork\n")
    (log / "00000004.history").write_text("2\t0/6000\ta candidate\n")
    (log / "00000006.history").write_text(timelines.UNLED)
    found = [path.name for path in timelines.strangers(tmp_path, 5, HISTORY, 1)]
    assert ["00000002.history", "00000004.history", "00000006.history"] == found
    assert ["00000004.history", "00000006.history"] == [
        path.name for path in timelines.strangers(tmp_path, 5, HISTORY, 2)
    ]


def test_a_segment_says_where_it_begins() -> None:
    """Its name holds the timeline, 4 GiB steps and 16 MiB steps."""
    assert 0x1_0300_0000 == timelines.begin("000000050000000100000003")
    assert "1/3000000" == timelines.text_of(0x1_0300_0000)


def test_of_a_segment_with_many_forks_the_newest_files_are_kept() -> None:
    """Twenty-seven reigns within one segment are as many files of 16 MiB, of which a reader opens one."""
    names = [f"{timeline:08X}0000000000000004" for timeline in range(1, 29)]
    names += ["000000010000000000000003", "0000001B0000000000000005"]
    assert timelines.newest(names, 27) == (
        "000000010000000000000003",
        "0000001A0000000000000004",
        "0000001B0000000000000004",
        "0000001B0000000000000005",
        "0000001C0000000000000004",
    )


@given(st.sets(st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=40), st.integers(1, 40))
def test_no_segment_of_the_line_is_missing_from_what_is_kept(files: set[tuple[int, int]], timeline: int) -> None:
    """The newest file of each segment is there, and never more than was asked for."""
    names = [f"{tli:08X}{number:016X}" for tli, number in files]
    kept = timelines.newest(names, timeline)
    for number in {number for tli, number in files if tli <= timeline}:
        newest = max(tli for tli, other in files if other == number and tli <= timeline)
        assert f"{newest:08X}{number:016X}" in kept
        below = [name for name in kept if int(name[8:], 16) == number and int(name[:8], 16) <= timeline]
        assert len(below) <= 2
    assert {*kept} <= {*names}
