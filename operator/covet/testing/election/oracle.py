"""The judge of a schedule: what was acknowledged, who led, and what may never happen (I1-I8, I12)."""

import dataclasses

from covet.testing.election.server import Record


class ViolationError(Exception):
    """An invariant is broken; the message begins with its name."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReignLog:
    """A leader's log as it was when it was promoted."""

    term: int
    name: str
    log: tuple[Record, ...]


class Oracle:
    """Everything that was ever promised to anybody."""

    def __init__(self, born: tuple[int, str]) -> None:
        self.acknowledged: list[tuple[int, Record, int, float]] = []
        self.reigns: dict[int, ReignLog] = {born[0]: ReignLog(born[0], born[1], ())}
        self.promised: dict[str, int] = {}
        self.rows: dict[tuple[int, int], set[str]] = {}
        self.opened: dict[int, float] = {}
        self.acks_by_term: dict[int, str] = {}
        self.reads = 0

    def promote(self, term: int, name: str, log: list[Record]) -> None:
        """A server of this term became a primary."""
        if term in self.reigns:
            raise ViolationError(f"I1 two leaders of term {term}: {self.reigns[term].name} and {name}")
        self.reigns[term] = ReignLog(term, name, tuple(log))
        for index, record, acked_term, _ in self.acknowledged:
            if acked_term < term and (len(log) <= index or log[index] != record):
                raise ViolationError(
                    f"I2 {name} leads term {term} without record {record} acknowledged in {acked_term}"
                )

    def acknowledge(self, term: int, name: str, index: int, record: Record, now: float) -> None:
        """A commit was acknowledged to a client, or seen by a reader."""
        other = self.acks_by_term.setdefault(term, name)
        if other != name:
            raise ViolationError(f"I8 {other} and {name} both acknowledged in term {term}")
        for reign in self.reigns.values():
            if reign.term > term and (len(reign.log) <= index or reign.log[index] != record):
                raise ViolationError(
                    f"I8 {name} acknowledged {record} in term {term}, which is not in the log of {reign.name},"
                    f" leader of term {reign.term}"
                )
        self.acknowledged.append((index, record, term, now))

    def open(self, term: int, name: str, row: Record | None, needed: int, now: float) -> None:
        """A leader lets clients in."""
        confirmed = self.rows.get(row, set()) - {name} if row else set()
        if len(confirmed) < needed:
            raise ViolationError(f"I4 {name} opened term {term} with {len(confirmed)} of {needed} confirmations")
        self.opened.setdefault(term, now)

    def confirm(self, name: str, row: Record, log: list[Record], lsn: int) -> None:
        """A follower confirmed a rule row that it must have."""
        if len(log) < lsn or log[lsn - 1] != row:
            raise ViolationError(f"I8 {name} confirmed row {row} without having it")
        self.rows.setdefault(row, set()).add(name)

    def answer(self, name: str, term: int, durable: int) -> None:
        """A member answered that it promised."""
        if durable < term:
            raise ViolationError(f"I1 {name} answered a promise of {term} with {durable} on its disk")
        if self.promised.get(name, 0) >= term:
            raise ViolationError(f"I1 {name} promised term {term} after {self.promised[name]}")
        self.promised[name] = term

    def read(self, name: str, term: int, log: list[Record], visible: int, now: float) -> None:
        """A reader was answered under a lease: everything acknowledged before must be visible."""
        self.reads += 1
        for index, record, acked_term, _ in reversed(self.acknowledged[-8:]):
            if index >= visible or log[index] != record:
                raise ViolationError(
                    f"I12 a read of {name}, term {term}, misses {record}, acknowledged in {acked_term}"
                )
        if visible:
            self.acknowledge(term, name, visible - 1, log[visible - 1], now)

    def final(self, name: str, log: list[Record]) -> None:
        """The schedule is over: the last leader must hold everything."""
        for index, record, term, _ in self.acknowledged:
            if len(log) <= index or log[index] != record:
                raise ViolationError(f"I2 {name} lacks {record}, acknowledged in term {term}")
