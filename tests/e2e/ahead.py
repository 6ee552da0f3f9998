"""Build what the cluster tests need and no cache holds, before they begin: compiling takes longer than a test may.

With the word `test` it runs the Go tests of what was compiled instead.
"""

import sys

from tests.e2e import installation, target


def build(chosen: target.Target) -> None:
    """Compile Kubernetes where it is ours to start, then build the images."""
    chosen.check_images()
    if chosen.kind is target.Kind.DEVCLUSTER:
        target.devcluster("build")
    installation.build_images()


def test(chosen: target.Target) -> None:
    """Run the Go tests where there is a Go toolchain anyway, for what it compiled is used."""
    if chosen.kind is target.Kind.DEVCLUSTER:
        target.devcluster("test")
    else:
        print(f"Kubernetes is {chosen.kind.value}: nothing is compiled from Go here")  # noqa: T201 - it is a program


def main() -> None:
    """Do one of the two."""
    try:
        act = test if sys.argv[1:] == ["test"] else build
        act(target.choose("test"))
    except (target.TargetError, installation.InstallationError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
