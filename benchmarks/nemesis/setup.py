"""The devcluster of the cluster tier, with the operator of this checkout on it."""

import contextlib
import os
import sys
from collections.abc import Iterator

from tests.e2e import installation, target
from tests.e2e.installation import Installation

NAME = "nemesis"


@contextlib.contextmanager
def cluster() -> Iterator[tuple[Installation, str]]:
    """Start a devcluster, or take the one that KUBECONFIG names, install Covet and clean up.

    COVET_KEEP=1 leaves a cluster of ours running, so that the next runs begin sooner.

    Yields:
        The installation and the name of the devcluster.

    Raises:
        SystemExit: there is no devcluster to break.
    """
    try:
        place = target.choose(NAME)
        place.start()
    except target.TargetError as error:
        sys.exit(str(error))
    name = place.devcluster_name()
    if name is None:
        sys.exit("The cluster tier kills nodes and cuts cables: it needs a devcluster, and this cluster is none.")
    try:
        place.load(installation.build_images())
        covet = Installation(place)
        covet.install()
        yield covet, name
    finally:
        if os.environ.get("COVET_KEEP") != "1":
            place.stop()
