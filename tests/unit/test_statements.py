"""The page of statements is what its sources say."""

import json
import pathlib

from tools import statements

ROOT = pathlib.Path(__file__).resolve().parents[2]
SQL = ROOT / "rust-hasher" / "router" / "src" / "sql"


def test_the_page_is_generated_from_the_cases_that_are_tried() -> None:
    """A forgotten `make generate` is noticed."""
    page = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    assert statements.render(ROOT) == page, "run `make generate` and commit docs/sql.md"


def test_every_refusal_of_a_case_is_explained() -> None:
    """Each name of a refusal that a case expects has a code and a sentence."""
    known = statements.features((SQL / "refusal.rs").read_text(encoding="utf-8"))
    sections = json.loads((SQL / "tests" / "cases.json").read_text(encoding="utf-8"))["sections"]
    refused = {case[1].split()[1] for section in sections for case in section["cases"] if case[1].startswith("refused")}
    assert set() == refused - set(known)
    assert len(refused) > 50
