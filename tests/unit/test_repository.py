"""Pairs in the repository that can drift apart are held together here."""

import pathlib
import re
import tomllib

import pytest

from tests.e2e.devcluster import preflight
from tools import bootstrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRODUCT = sorted((ROOT / "operator").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = ("operator", "tests", "benchmarks", "tools", "examples", "rust-hasher")

MODULES = {"pyyaml": "yaml", "jump-consistent-hash": "jump"}
"""Distributions whose module has a name of its own."""

NEVER_IMPORTED = {
    "covet-operator": "this project",
    "coverage": "a program, and starts itself in what tests start",
    "import-linter": "a program",
    "mypy": "a program",
    "pytest-timeout": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "a program",
    "types-pyyaml": "types, for mypy",
    "vulture": "a program",
}
"""Direct dependencies that no line imports, each with what it is instead."""


def requirement_lines(path: pathlib.Path) -> list[str]:
    """Return the lines of a pyproject that name a dependency of the project or of a group."""
    text = path.read_text().partition("[tool.")[0]  # the tools' own lists are no dependencies
    return re.findall(r'^    "[A-Za-z][^"]*",.*$', text, re.MULTILINE)


def test_every_direct_dependency_has_a_lower_bound_and_a_reason() -> None:
    """A dependency that nobody can justify in one line is not taken."""
    lines = requirement_lines(ROOT / "pyproject.toml")
    own = ("covet-hasher", "covet-operator")
    unbounded = [line for line in lines if ">=" not in line and not line.strip(' "').startswith(own)]
    unreasoned = [line for line in lines if "# " not in line]
    assert ([], []) == (unbounded, unreasoned)


def test_whatever_may_seem_dead_has_a_reason() -> None:
    """Each name that the search for dead code passes over says who asks for it."""
    text = (ROOT / "pyproject.toml").read_text().partition("[tool.vulture]")[2].partition("\n[")[0]
    entries = re.findall(r'^    ".*$', text, re.MULTILINE)
    assert [] == [line for line in entries if not re.search(r'",  +# \w', line)]
    assert len(entries) > 20


def declared() -> list[str]:
    """Return the direct dependencies of the project and of its groups, as they are declared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = (*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values())
    return [*project["project"]["dependencies"], *(line for group in groups for line in group)]


def test_every_declared_dependency_is_seen_by_that_check() -> None:
    """The check above reads lines; it must miss none of what the parsed file declares."""
    assert len(declared()) == len(requirement_lines(ROOT / "pyproject.toml"))


def imported() -> set[str]:
    """Return the first names of all modules that the repository's Python code imports."""
    line = re.compile(r"^ *(?:import (\w+)[\w.]*(?: as \w+)?(?:  #.*)?$|from (\w+)[\w.]* import )", re.MULTILINE)
    paths = (path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    return {found[1] or found[2] for path in paths for found in line.finditer(path.read_text())}


def test_every_direct_dependency_is_used() -> None:
    """What no line imports is a program, a plugin or types, and said to be; everything else is dead weight."""
    names = {re.split(r"[\[>=]", line)[0] for line in declared()}
    modules = {name: MODULES.get(name, name.replace("-", "_")) for name in names}
    used = imported()
    assert set(NEVER_IMPORTED) == {name for name, module in modules.items() if module not in used}


def test_operator_is_a_source_root_and_not_a_package() -> None:
    """A module in operator/ itself would shadow Python's own `operator` and nothing would start."""
    assert [] == [path.name for path in (ROOT / "operator").iterdir() if path.suffix == ".py"]


def test_no_part_of_the_product_may_import_what_its_tests_stand_on() -> None:
    """The contract that says so names every part; a new one joins it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [entry for entry in contracts if entry.get("forbidden_modules") == ["covet.testing"]]
    inside = (ROOT / "operator" / "covet").iterdir()
    parts = {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert {f"covet.{part}" for part in parts - {"__init__", "testing"}} == set(contract["source_modules"])


def test_every_module_of_the_product_says_why_it_exists() -> None:
    """An empty package file needs no words; every other module begins with a docstring."""
    silent = [str(path.relative_to(ROOT)) for path in PRODUCT if path.read_text() and '"""' != path.read_text()[:3]]
    assert [] == silent


def test_nothing_in_the_product_is_left_to_be_implemented() -> None:
    """What is not built yet is refused by name, never stubbed."""
    unfinished = re.compile(r"NotImplementedError|\bTODO\b|\bFIXME\b|unimplemented!|todo!")
    sources = [*PRODUCT, *(ROOT / "rust-hasher").glob("*/src/**/*.rs")]
    assert [] == [str(path.relative_to(ROOT)) for path in sources if unfinished.search(path.read_text())]


def test_documented_make_verbs_exist() -> None:
    """A verb that a page names can be run."""
    makefile = (ROOT / "Makefile").read_text()
    verbs = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    named = {(page.name, verb) for page in PAGES for verb in re.findall(r"`make ([a-z][a-z-]*)", page.read_text())}
    assert set() == {(page, verb) for page, verb in named if verb not in verbs}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: pathlib.Path) -> None:
    """A reader who follows a link finds a page."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [] == [link for link in links if not (page.parent / link).exists()]


FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}
SOURCES = (".py", ".rs", ".go", ".tpl", ".toml")
SEEN_FROM = (ROOT, ROOT / "operator", ROOT / "operator" / "covet")
"""Folders from which pages name files: `agent/loop.py` is one of the product."""
HOMES = {"devcluster.md": ROOT / "tests" / "e2e" / "devcluster"}
"""Pages that name files as they stand in the folder that the page is about."""
NO_FILE = {("CONTRIBUTING.md", "__init__.py")}
"""What a page says must not be there."""


def paths_in(text: str) -> set[str]:
    """Return the words in backticks that are paths of the repository, or names of source files."""
    words = {word for span in re.findall(r"`([^`\n]+)`", text) for word in span.split()}
    plain = {word for word in words if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", word)}
    return {word for word in plain if word.endswith(SOURCES) or ("/" in word and word.partition("/")[0] in FOLDERS)}


def test_the_check_of_paths_sees_what_pages_name() -> None:
    """Files and folders of the repository, also within a command; nothing of a pod, an API or a command's words."""
    text = "`agent/loop.py`, `kubectl apply -f examples/quickstart.yaml`, `tests/unit`, `docs/`, `build.py`"
    other = (
        "`/etc/covet/spec.json`, `covet.dev/term`, `conf/`, `application/x-ndjson`, `agent/addresses.json`, `make demo`"
    )
    expected = {"agent/loop.py", "examples/quickstart.yaml", "tests/unit", "docs/", "build.py"}
    assert (expected, set()) == (paths_in(text), paths_in(other))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_that_pages_name_exist(page: pathlib.Path) -> None:
    """Whoever looks for the file that a page names finds it."""
    places = (*SEEN_FROM, *(home for name, home in HOMES.items() if name == page.name))
    named = {path for path in paths_in(page.read_text()) if (page.name, path) not in NO_FILE}
    assert set() == {path for path in named if not any(next(place.glob(path), None) for place in places)}


def test_every_listed_package_proves_itself_by_a_program() -> None:
    """Each Debian package that the bootstrap installs is looked for by a file or program of its own."""
    names = [name for group in bootstrap.PACKAGES.values() for name in group.values()]
    assert sorted(set(names)) == sorted(names)


def test_what_the_devcluster_asks_for_is_installed() -> None:
    """A bare machine that ran the bootstrap passes the devcluster's own check."""
    installed = {name for group in bootstrap.PACKAGES.values() for name in group.values()}
    assert set() == set(preflight.PROGRAMS.values()) - installed


def test_ci_runs_the_documented_test_command() -> None:
    """Continuous integration runs what the README tells a person to run."""
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
