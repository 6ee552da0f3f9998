"""The bench's oracle sees what is wrong with a history, and nothing in one that is right."""

import json

from benchmarks.nemesis import oracle
from benchmarks.nemesis.oracle import Ack, History

MS = oracle.MILLISECOND


def ack(number: int, at: int, term: int = 1, *, writer: int = 0, host: str = "a", sent: int | None = None) -> Ack:
    """Return an acknowledgement at a millisecond, sent one before."""
    return Ack(number, writer, host, term, (at - 1 if sent is None else sent) * MS, at * MS)


def history(*acks: Ack, doubts: frozenset[int] = frozenset()) -> History:
    """Return a history of acknowledgements in their order."""
    return History(tuple(sorted(acks, key=lambda one: one.at)), doubts)


def test_a_log_is_read_as_it_was_written() -> None:
    """Acknowledgements come in the order of their answers, writes in doubt by number."""
    lines = [
        ["ack", 2, 1, "b", 3, 20, 30, "rw"],
        ["doubt", 3, 1, "b", 30, 40, "TimeoutError", "rw"],
        ["ack", 1, 0, "a", 2, 5, 9, "dsn"],
    ]
    expected = History((Ack(1, 0, "a", 2, 5, 9, "dsn"), Ack(2, 1, "b", 3, 20, 30, "rw")), frozenset({3}))
    assert expected == oracle.read(json.dumps(line) for line in lines)


def test_the_ways_to_a_shard_are_told_apart() -> None:
    """Clients of the Service may wait longer than those that know every member."""
    seen = History((Ack(1, 0, "a", 1, 9, 10, "dsn"), Ack(2, 1, "a", 1, 19, 20, "rw")), frozenset({3}))
    assert [1] == [one.number for one in oracle.over(seen, "dsn").acks]


def test_i2_a_lost_acknowledged_write_is_seen() -> None:
    """A write that was acknowledged and is not there is a problem; one in doubt is none, there or not."""
    seen = history(ack(1, 10), ack(2, 20), doubts=frozenset({3}))
    expected = ["1 acknowledged writes are not on c, the first is 2"]
    assert expected == oracle.judge_rows(seen, [1, 3], "c")
    assert [] == oracle.judge_rows(seen, [1, 2], "c")


def test_i2_a_write_that_is_there_twice_is_seen() -> None:
    """Exactly once means not twice either."""
    assert ["1 writes are more than once on c, the first is 1"] == oracle.judge_rows(history(ack(1, 10)), [1, 1], "c")


def test_a_write_that_nobody_sent_is_seen() -> None:
    """Rows come from writers only."""
    assert ["1 writes on c that nobody sent, the first is 9"] == oracle.judge_rows(history(ack(1, 10)), [1, 9], "c")


def test_i1_two_hosts_that_acknowledge_one_term_are_seen() -> None:
    """A term has one leader."""
    seen = history(ack(1, 10, host="a"), ack(2, 20, host="b"))
    assert ["term 1 was acknowledged by a, b"] == oracle.judge_terms(seen)


def test_i3_an_old_leader_that_acknowledges_after_a_new_one_opened_is_seen() -> None:
    """What was sent after the newer term's first answer must not be acknowledged by the older."""
    seen = history(ack(1, 10), ack(2, 20, 2, host="b"), ack(3, 40, 1, sent=25))
    assert ["write 3 was sent to term 1 after term 2 had opened"] == oracle.judge_terms(seen)


def test_i3_an_answer_that_travelled_late_is_no_second_leader() -> None:
    """A write that was under way when the newer term opened may be answered late."""
    assert [] == oracle.judge_terms(history(ack(1, 10), ack(2, 20, 2, host="b"), ack(3, 40, 1, sent=15)))


def test_rows_of_earlier_runs_that_vanish_are_seen() -> None:
    """What a run left is there for good, and it is the same."""
    left = oracle.Rows(3, 60)
    assert ["3 writes of earlier runs were on c, now 2, sum -10"] == oracle.judge_earlier(left, oracle.Rows(2, 50), "c")
    assert [] == oracle.judge_earlier(left, oracle.Rows(3, 60), "c")


def test_the_gap_reaches_from_the_old_term_to_the_new() -> None:
    """Answers of the old leader after the fault shorten the gap; each writer has one of its own."""
    seen = history(
        ack(1, 90, writer=0),
        ack(2, 105, writer=1),
        ack(3, 805, 2, host="b", writer=1),
        ack(4, 1090, 2, host="b", writer=0),
    )
    gap = oracle.measure_gap(seen, 100 * MS, 1)
    assert oracle.Gap(700.0, 850.0, 700.0, 805 * MS) == gap


def test_without_a_new_term_the_gap_is_the_longest_silence_since_the_fault() -> None:
    """A silence before the fault is not the fault's."""
    seen = history(ack(1, 0), ack(2, 500), ack(3, 600), ack(4, 900))
    assert oracle.Gap(300.0, 300.0, 500.0, 900 * MS) == oracle.measure_gap(seen, 510 * MS, 1)


def test_no_gap_is_told_where_nothing_was_acknowledged_afterwards() -> None:
    """A run without a write after its fault has no figure."""
    assert oracle.measure_gap(history(ack(1, 10), ack(2, 20)), 30 * MS, 1) is None
