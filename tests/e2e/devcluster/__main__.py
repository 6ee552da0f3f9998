"""Lets ``python -m tests.e2e.devcluster`` start the command line."""

from tests.e2e.devcluster import cli

if __name__ == "__main__":
    cli.main()
