"""Write every generated file from its source: CRDs, reference pages, help, alerts, dashboards, bill of materials.

A unit test compares the bytes, so a forgotten `make generate` fails.
"""

import sys

from covet.api import crd, reference
from covet.cli import pages as help_pages
from tools import bill, bootstrap, changes, figures, statements
from tools.telemetry import alerts, dashboards
from tools.telemetry import reference as metrics_page

FOLDERS = ("crds", "charts/covet-crds/templates")
PAGES = ("docs/reference",)
HELP = ("operator/covet/cli/help",)


def main() -> None:
    """Write all of it."""
    definitions = crd.main([str(bootstrap.ROOT / folder) for folder in FOLDERS])
    pages = reference.main([str(bootstrap.ROOT / folder) for folder in PAGES])
    for generated in (metrics_page, changes, alerts, dashboards, bill, figures, statements):
        generated.write(bootstrap.ROOT)
    helped = help_pages.main([str(bootstrap.ROOT / folder) for folder in HELP])
    sys.exit(definitions or pages or helped)


if __name__ == "__main__":
    main()
