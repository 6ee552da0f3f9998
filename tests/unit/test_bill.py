"""What the product is made of, by the lock files: written down, and free of licences that would bind its users."""

import importlib.metadata
import json
import os
import pathlib
import tomllib

import pytest

from tools import bill, bootstrap

ROOT = bootstrap.ROOT
CLASSIFIERS = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
SPELLINGS = {"Apache 2.0": "Apache-2.0"}


@pytest.fixture(scope="module")
def parts() -> list[bill.Part]:
    """Everything that the product is made of."""
    return [*bill.python_parts(ROOT), *bill.rust_parts(ROOT)]


def declared(name: str) -> str:
    """Return the licence that an installed distribution says it has, empty if it is not installed or does not say."""
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    told = next((metadata[key] for key in ("License-Expression", "License") if metadata[key]), "")
    classifiers = [
        line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or () if "OSI Approved" in line
    ]
    return SPELLINGS.get(told, told) or next((CLASSIFIERS[line] for line in classifiers if line in CLASSIFIERS), "")


def crate_licence(part: bill.Part) -> str:
    """Return the licence in the manifest of an unpacked crate, empty if it is not unpacked here."""
    home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    for manifest in (home / "registry" / "src").glob(f"*/{part.name}-{part.version}/Cargo.toml"):
        return str(tomllib.loads(manifest.read_text())["package"].get("license", "")).replace("/", " OR ")
    return ""


def test_the_committed_bill_and_page_are_the_generated_ones(parts: list[bill.Part]) -> None:
    """A lock file that moved without `make generate` fails here."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert bill.bill(parts, version) == (ROOT / bill.BILL).read_text()
    assert bill.page(parts) == (ROOT / bill.PAGE).read_text()


def test_nothing_of_the_product_is_under_the_gpl(parts: list[bill.Part]) -> None:
    """Who builds on Covet takes on no duty to publish his own code."""
    assert [] == [(part.name, part.licence) for part in parts if bill.COPYLEFT.search(part.licence)]


@pytest.mark.parametrize("licence", ["AGPL-3.0-only", "GPL-2.0-or-later", "MIT AND GPL-3.0-only", "SSPL-1.0"])
def test_a_licence_that_binds_is_found(licence: str) -> None:
    """The check above can fail."""
    assert bill.COPYLEFT.search(licence)


def test_licences_are_those_that_packages_declare(parts: list[bill.Part]) -> None:
    """The table says what the packages say of themselves, as far as they do and are here."""
    told = {part.purl: declared(part.name) if part.kind == "pypi" else crate_licence(part) for part in parts}
    assert {} == {part.purl: told[part.purl] for part in parts if told[part.purl] not in {"", part.licence}}
    assert all(told[part.purl] for part in parts if part.name in {"aiohttp", "kopf", "pydantic"})


def test_every_direct_dependency_is_a_part(parts: list[bill.Part]) -> None:
    """The closure begins with what the project names, and developers' tools are not in it."""
    known = {part.name for part in parts}
    assert {"aiohttp", "asyncpg", "msgspec", "prometheus-client", "kopf", "click", "rich", "pyo3", "sha2"} <= known
    assert set() == known & {"pytest", "hypothesis", "mypy", "ruff", "uhashring", "proptest", *bill.OURS}


def test_the_table_holds_no_package_that_is_gone(parts: list[bill.Part]) -> None:
    """A line for a package that nothing needs any more is removed."""
    table = tomllib.loads((ROOT / bill.LICENCES).read_text())
    for kind in ("pypi", "cargo"):
        assert set(table[kind]) == {part.name for part in parts if part.kind == kind}


def test_what_a_part_needs_is_a_part(parts: list[bill.Part]) -> None:
    """The bill is closed: every dependency in it has an entry of its own."""
    document = json.loads((ROOT / bill.BILL).read_text())
    listed = {component["bom-ref"] for component in document["components"]}
    assert set() == {need for entry in document["dependencies"] for need in entry["dependsOn"]} - listed
    assert {part.purl for part in parts} == listed


def test_a_package_without_a_line_is_asked_for(tmp_path: pathlib.Path) -> None:
    """The message says where to write its licence."""
    for name in ("uv.lock", "tools/licences.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    table = tmp_path / "tools/licences.toml"
    table.write_text("".join(line for line in table.read_text().splitlines(keepends=True) if "yarl" not in line))
    with pytest.raises(bill.BillError, match=r"no line for yarl under \[pypi\]"):
        bill.python_parts(tmp_path)
