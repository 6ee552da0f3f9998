"""What the operator itself says about the cluster, and which rights the caller lacks."""

from collections.abc import Iterator
from typing import Final

from covet.api.status import Truth
from covet.cli import failures
from covet.cli.doctoring import finding
from covet.cli.doctoring.facts import Facts
from covet.cli.doctoring.finding import Finding

AREA: Final = "Cluster"
RIGHTS: Final = "Rights"


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what the conditions say that is not as it should be."""
    if facts.seen is None:
        return
    found = [*_conditions(facts)]
    generation = facts.seen.cluster.metadata.generation
    seen = facts.seen.status.observed_generation
    if seen is not None and seen != generation:
        found.append(
            finding.doubtful(
                AREA,
                f"The operator has not seen the newest change yet (generation {generation}, seen: {seen}).",
                "It looks within seconds, unless it does not run or does not reach the API server.",
                f"`kubectl covet logs {facts.seen.name} --operator --level warning` says what keeps it.",
            )
        )
    if facts.seen.paused:
        found.append(
            finding.doubtful(
                AREA,
                "It is paused.",
                "The operator renews certificates and keeps endpoints true; orders, edits and lost objects wait.",
                f"`kubectl covet resume {facts.seen.name}`, once the maintenance is over.",
            )
        )
    if facts.seen.fenced:
        found.append(
            finding.doubtful(
                AREA,
                f"{', '.join(facts.seen.fenced)}: kept out of service by a person.",
                "What is fenced neither votes nor acknowledges.",
                f"`kubectl covet unfence {facts.seen.name} INSTANCE` lets one back in.",
            )
        )
    yield from found
    if not found and facts.seen.status.conditions:
        yield finding.good(AREA, f"{facts.seen.name}: every condition is as it should be.")


def _conditions(facts: Facts) -> Iterator[Finding]:
    if facts.seen is None:
        return
    for entry in facts.seen.status.conditions:
        wrong = entry.status is not (Truth.FALSE if entry.type == "Stalled" else Truth.TRUE)
        if not wrong or entry.type == "Reconciling":
            continue
        yield finding.bad(
            AREA,
            f"{entry.type} is {entry.status.value}: {entry.reason}.",
            entry.message,
            f"docs/runbooks.md has a page for most reasons; `kubectl covet status {facts.seen.name}` shows the rest.",
        )


def check_rights(facts: Facts) -> Iterator[Finding]:
    """Yield the rights that are missing, as one finding with the rules that grant them."""
    if not facts.lacking:
        yield finding.good(RIGHTS, f"You have every right that the command uses in namespace {facts.namespace}.")
        return
    rules = "\n".join(failures.rule(want.verb, want.plural) for want in facts.lacking)
    listed = ", ".join(f"{want.verb} {want.plural}" for want in facts.lacking)
    yield finding.doubtful(
        RIGHTS,
        f"In namespace {facts.namespace} you may not: {listed}.",
        "The verbs that need it refuse, and name it.",
        f"Ask for a Role with these rules, as far as you need them:\n{rules}",
    )
