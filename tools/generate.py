"""Write every generated file from its source: CRDs, the chart's copies and the reference pages from the models.

A unit test compares the bytes, so a forgotten `make generate` fails.
"""

import sys

from covet.api import crd, reference
from tools import bootstrap

FOLDERS = ("crds", "charts/covet-crds/templates")
PAGES = ("docs/reference",)


def main() -> None:
    """Write all of it."""
    definitions = crd.main([str(bootstrap.ROOT / folder) for folder in FOLDERS])
    pages = reference.main([str(bootstrap.ROOT / folder) for folder in PAGES])
    sys.exit(definitions or pages)


if __name__ == "__main__":
    main()
