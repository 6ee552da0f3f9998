"""Build what the cluster tests need and no cache holds, before they begin: compiling takes longer than a test may."""

import sys

from tests.e2e import installation, target


def main() -> None:
    """Compile Kubernetes where it is ours to start, then build the images."""
    try:
        chosen = target.choose("test")
        chosen.check_images()
        if chosen.kind is target.Kind.DEVCLUSTER:
            target.devcluster("build")
        installation.build_images()
    except (target.TargetError, installation.InstallationError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
