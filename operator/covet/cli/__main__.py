"""Entry point of `kubectl covet` and `python -m covet.cli`.

Help is asked for most often and needs nothing: its pages are read from files that `make generate` writes, before
anything slow is loaded. The library that parses arguments alone takes longer than a whole Python.
"""

import os
import sys

_PAGES = os.path.join(os.path.dirname(__file__), "help")  # noqa: PTH118, PTH120 -- pathlib takes as long to load as all else here

_COMPLETE = "_KUBECTL_COVET_COMPLETE"
"""Environment variable by which a shell asks what the Tab key may offer."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    page = _page(given)
    if page is not None:
        sys.stdout.write(page)
        return 0
    try:
        from covet.cli import application  # noqa: PLC0415 -- help is done before this is needed
    except ModuleNotFoundError as missing:
        sys.stderr.write(
            f"Error: kubectl-covet needs the package {missing.name}: install covet-operator with its extra `cli`.\n"
        )
        return 70
    if os.environ.get(_COMPLETE):
        from covet.cli import completing  # noqa: PLC0415 -- as above

        return completing.answer(os.environ[_COMPLETE])
    return application.run(given)


def _page(given: list[str]) -> str | None:
    """Return a page of help if that is all that is asked for."""
    if not given or given[-1] not in {"-h", "--help"} or len(given) > 2:
        return None
    page = "kubectl-covet"
    if len(given) == 2:
        if not given[0].isalpha():
            return None
        page = given[0]
    try:
        with open(os.path.join(_PAGES, f"{page}.txt"), encoding="utf-8") as text:  # noqa: PTH118, PTH123 -- as above
            return text.read()
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main())
