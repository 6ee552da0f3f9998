"""`python -m covet.agent`: PID 1 of a database pod."""

import sys

from covet.agent import app


def main() -> int:
    """Run the agent and return its exit code."""
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
