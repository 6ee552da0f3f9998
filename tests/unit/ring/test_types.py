"""The hand-written types of the binding reach its callers; `make check` compares them with the binding itself."""

import pathlib

import covet_hasher


def test_the_package_says_that_it_is_typed() -> None:
    """Checkers of callers read the types of the installed package."""
    package = pathlib.Path(covet_hasher.__file__).parent
    assert (True, True) == ((package / "py.typed").exists(), (package / "_ring.pyi").exists())
