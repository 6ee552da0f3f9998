"""Write every generated file from its source: CRDs, the chart's copies and the reference pages from the models.

A unit test compares the bytes, so a forgotten `make generate` fails.
"""

import sys

from covet.api import crd
from tools import bootstrap

FOLDERS = ("crds", "charts/covet-crds/templates")


def main() -> None:
    """Write all of it."""
    sys.exit(crd.main([str(bootstrap.ROOT / folder) for folder in FOLDERS]))


if __name__ == "__main__":
    main()
