"""All checks in their order, and how their findings are shown."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich import console, table

from covet.cli import screen
from covet.cli.doctoring import clocks, pods, policies, scraping, standing, storage, versions
from covet.cli.doctoring.facts import Facts
from covet.cli.doctoring.finding import Finding, Grade

CHECKS: Final = (
    versions.check,
    standing.check_rights,
    standing.check,
    pods.check,
    storage.check,
    clocks.check,
    policies.check_network,
    policies.check_budgets,
    scraping.check,
)
_STYLES: Final = {
    Grade.BAD: screen.BAD,
    Grade.DOUBTFUL: screen.DOUBTFUL,
    Grade.UNSEEN: screen.QUIET,
    Grade.GOOD: screen.GOOD,
}


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Return the findings of all checks, each once."""
    return tuple(dict.fromkeys(found for check in CHECKS for found in check(facts)))


def show(findings: Iterable[Finding]) -> Iterator[console.RenderableType]:
    """Yield the findings as one table, and what they come to."""
    listed = tuple(findings)
    made = table.Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for found in listed:
        made.add_row(
            screen.styled(found.grade.value, _STYLES[found.grade]),
            screen.styled(found.area, screen.HEAD),
            screen.aimed(found.what),
        )
        for label, said in (("why", found.why), ("do", found.todo)):
            if said:
                made.add_row("", screen.styled(label, screen.QUIET), screen.aimed(said))
    yield made
    yield ""
    yield _sum(listed)


def _sum(listed: tuple[Finding, ...]) -> screen.Cell:
    bad, doubtful, unseen = (
        sum(found.grade is grade for found in listed) for grade in (Grade.BAD, Grade.DOUBTFUL, Grade.UNSEEN)
    )
    tail = f" {unseen} could not be looked at." if unseen else ""
    if bad:
        return screen.styled(f"{bad} to mend, {doubtful} to think about.{tail}", screen.BAD)
    if doubtful:
        return screen.styled(f"Nothing to mend, {doubtful} to think about.{tail}", screen.DOUBTFUL)
    return screen.styled(f"All is well.{tail}", screen.GOOD)
