"""The command with its verbs; each verb's module is loaded when it is called, for they load what is slow."""

import importlib
import os
from typing import Final

import click

from covet.cli import access, aiming, failures, session
from covet.core import errors

PROGRAM: Final = "kubectl covet"
VERBS: Final = (
    *("status", "shards", "why", "logs", "certs", "doctor", "report"),
    *("switchover", "fence", "unfence", "promote", "restart", "reload", "rotate", "pause", "resume"),
    *("psql", "completion"),
)
"""In the order in which help lists them: looking, acting, and the server itself."""
TRACEBACK: Final = "COVET_TRACEBACK"
"""Environment variable: set, an internal error shows where it happened."""


class Verbs(click.Group):
    """A group whose verbs are modules of `covet.cli.verbs`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- the signature is click's
        """Return the names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- likewise
        """Load a verb."""
        if cmd_name not in VERBS:
            return None
        loaded: click.Command = importlib.import_module(f"covet.cli.verbs.{cmd_name}").command
        return loaded


@click.group(
    cls=Verbs,
    # Help is laid out once, for 80 columns, and written into files: see `covet.cli.pages`.
    context_settings={"help_option_names": ["-h", "--help"], "terminal_width": 80},
    epilog="Exit codes: 0 done, 1 refused, 2 usage, 3 not found, 4 a right is missing, 5 no API server, 6 still"
    " waiting, 7 doctor found something to mend.",
)
@session.kubectl_options
@click.pass_context
def main(context: click.Context, /, **options: str | None) -> None:
    """See and steer the CovetClusters of a Kubernetes cluster.

    What is shown is what the operator wrote into the object; orders are annotations that it carries
    out. kubectl's -n, --context and --kubeconfig stand before or after the verb.
    """
    outside = context.obj if isinstance(context.obj, session.Outside) else session.Outside()
    context.obj = session.Session(outside, session.target_of(dict(options)))


def run(arguments: list[str], outside: session.Outside | None = None) -> int:
    """Run the command; return its exit code. No error leaves it."""
    aiming.at(access.Target())
    try:
        found = main.main(arguments, prog_name=PROGRAM, standalone_mode=False, obj=outside)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return failures.Exit.INTERRUPTED
    except failures.Failure as failure:
        return _fail(failure)
    except errors.CovetError as error:
        return _fail(failures.of(error))
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return _fail(
            failures.Failure(
                failures.Exit.INTERNAL,
                f"kubectl-covet has a fault ({what}): set {TRACEBACK}=1, repeat it, and report what it prints.",
            )
        )
    return found if isinstance(found, int) else 0


def _fail(failure: failures.Failure) -> int:
    session.tell(f"Error: {failure.message}")
    return failure.code
