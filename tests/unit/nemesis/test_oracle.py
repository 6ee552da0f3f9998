"""The bench's oracle sees what is wrong with a history, and nothing in one that is right."""

import json

from benchmarks.nemesis import oracle
from benchmarks.nemesis.oracle import Ack, History, Read

MS = oracle.MILLISECOND


def ack(number: int, at: int, term: int = 1, *, writer: int = 0, host: str = "a", sent: int | None = None) -> Ack:
    """Return an acknowledgement at a millisecond, sent one before."""
    return Ack(number, writer, host, term, (at - 1 if sent is None else sent) * MS, at * MS)


def read(numbers: set[int], at: int, term: int = 1, *, sent: int | None = None, since: int = 1) -> Read:
    """Return a read that was answered at a millisecond, sent one before."""
    return Read(term, "a", (at - 1 if sent is None else sent) * MS, at * MS, since, frozenset(numbers))


def history(*acks: Ack, doubts: frozenset[int] = frozenset(), reads: tuple[Read, ...] = ()) -> History:
    """Return a history of acknowledgements in their order."""
    return History(tuple(sorted(acks, key=lambda one: one.at)), doubts, reads)


def test_a_log_is_read_as_it_was_written() -> None:
    """Acknowledgements come in the order of their answers, writes in doubt by number."""
    lines = [
        ["ack", 2, 1, "b", 3, 20, 30, "rw"],
        ["doubt", 3, 1, "b", 30, 40, "TimeoutError", "rw"],
        ["read", 3, "b", 31, 33, 1, [1, 2]],
        ["ack", 1, 0, "a", 2, 5, 9, "dsn"],
    ]
    acks = Ack(1, 0, "a", 2, 5, 9, "dsn"), Ack(2, 1, "b", 3, 20, 30, "rw")
    expected = History(acks, frozenset({3}), (Read(3, "b", 31, 33, 1, frozenset({1, 2})),))
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


def test_i12_a_read_that_misses_an_acknowledged_write_is_seen() -> None:
    """What was acknowledged before the read was sent, by its leader or an earlier one, is in the answer."""
    seen = history(ack(1, 10), ack(2, 20, 2), reads=(read({2}, 30, 2),))
    expected = "a read of term 2 on a misses 1 writes that were acknowledged or read before, the first is 1"
    assert [expected] == oracle.judge_reads(seen)


def test_i12_reads_that_go_back_are_seen() -> None:
    """A write in doubt that one read showed is in every later one, of that leader and of the next."""
    seen = history(ack(1, 10), doubts=frozenset({2}), reads=(read({1, 2}, 30), read({1}, 40, 2)))
    expected = "a read of term 2 on a misses 1 writes that were acknowledged or read before, the first is 2"
    assert [expected] == oracle.judge_reads(seen)


def test_a_read_beside_a_write_may_show_it_or_not() -> None:
    """What was answered after the read was sent has no order with it; a leader that was succeeded shows the past."""
    seen = history(ack(1, 10), ack(2, 20), ack(3, 30, 2), reads=(read({1}, 25, sent=15), read({1, 2}, 40)))
    assert [] == oracle.judge_reads(seen)


def test_a_read_is_held_to_what_it_asked_for() -> None:
    """It asks for the last writes only; those before are looked at in the end."""
    assert [] == oracle.judge_reads(history(ack(1, 10), ack(2, 20), reads=(read({2}, 30, since=2),)))


def test_i2_a_write_that_was_read_and_is_gone_is_seen() -> None:
    """What a leader showed stays, acknowledged or not."""
    seen = history(ack(1, 10), doubts=frozenset({2}), reads=(read({1, 2}, 30),))
    assert ["1 writes that were read are not on c, the first is 2"] == oracle.judge_rows(seen, [1], "c")


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
