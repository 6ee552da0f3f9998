"""What `doctor` says: each finding is what it is, why that matters, and what to do."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Any

from covet.cli import failures
from covet.cli.raw import Looked, Manifest


class Grade(enum.StrEnum):
    """How bad a finding is; only BAD makes `doctor` fail."""

    BAD = "bad"
    DOUBTFUL = "warn"
    UNSEEN = "?"
    """It could not be looked at."""
    GOOD = "ok"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding.

    Args:
        area: what was looked at, a word or two.
        what: the fact, a sentence.
        why: why it matters; empty where nothing is wrong.
        todo: what to do; likewise.
    """

    grade: Grade
    area: str
    what: str
    why: str = ""
    todo: str = ""

    def document(self) -> dict[str, str]:
        """Return it for programs."""
        return {
            "grade": self.grade.name.lower(),
            **{key: getattr(self, key) for key in ("area", "what", "why", "todo")},
        }


def good(area: str, what: str) -> Finding:
    """Return that all is well."""
    return Finding(Grade.GOOD, area, what)


def bad(area: str, what: str, why: str, todo: str) -> Finding:
    """Return something that has to be mended."""
    return Finding(Grade.BAD, area, what, why, todo)


def doubtful(area: str, what: str, why: str, todo: str) -> Finding:
    """Return something to think about."""
    return Finding(Grade.DOUBTFUL, area, what, why, todo)


def unseen(area: str, failure: failures.Failure) -> Finding:
    """Return that something could not be looked at, with the rule that would let it."""
    first, _, rule = failure.message.partition("\n")
    what = first.partition(":")[0] + "."
    todo = "To have it looked at, ask for this rule:\n" + rule if rule else first
    return Finding(Grade.UNSEEN, area, what, "", todo)


def seen_or_not(area: str, *looked: Looked) -> Iterator[Finding]:
    """Yield what could not be looked at."""
    for one in looked:
        if isinstance(one, failures.Failure):
            yield unseen(area, one)


def objects(looked: Looked) -> tuple[Manifest, ...]:
    """Return the objects, none if they could not be looked at."""
    return () if isinstance(looked, failures.Failure) else looked


def name_of(item: Manifest) -> str:
    """Return the name of an object."""
    return str(item["metadata"]["name"])


def selects(selector: Mapping[str, Any] | None, item: Manifest) -> bool:
    """Return whether a label selector selects an object; an empty one selects everything, none nothing."""
    if selector is None:
        return False
    labels = item["metadata"].get("labels") or {}
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    return all(_holds(term, labels) for term in selector.get("matchExpressions") or [])


def _holds(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = str(term["key"]), term.get("values") or []
    if term["operator"] == "In":
        return labels.get(key) in values
    if term["operator"] == "NotIn":
        return labels.get(key) not in values
    wanted: bool = term["operator"] == "Exists"
    return (key in labels) is wanted


def leads_to(rule: Mapping[str, Any], port: int) -> bool:
    """Return whether a rule of a NetworkPolicy is about a TCP port; one without ports is about all."""
    ports = rule.get("ports")
    return not ports or any(_covers(one, port) for one in ports)


def _covers(entry: Mapping[str, Any], port: int) -> bool:
    begin = entry.get("port")
    if entry.get("protocol", "TCP") != "TCP":
        return False
    if begin is None:
        return True
    return isinstance(begin, int) and begin <= port <= int(entry.get("endPort") or begin)
