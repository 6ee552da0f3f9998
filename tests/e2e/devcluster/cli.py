"""The command line of the devcluster."""

import pathlib
import subprocess
import sys

import click
from rich.console import Console
from rich.table import Table

from tests.e2e.devcluster import build as compiling
from tests.e2e.devcluster.cluster import Devcluster
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import clean_name
from tests.e2e.devcluster.progress import Progress


def main() -> None:
    """Run the command line; an error the user can act upon is a sentence, never a traceback."""
    try:
        commands(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except DevclusterError as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)


def _bare(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return clean_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_name = click.option(
    "--name", default="dev", envvar="COVET_DEVCLUSTER", show_default=True, callback=_bare, help="Which cluster."
)


@click.group(help="A real Kubernetes on this machine: its nodes are namespaces, and can be killed and cut off.")
def commands() -> None:
    """The group of all commands."""


@commands.command()
def build() -> None:
    """Compile Kubernetes, unless an earlier run did."""
    compiling.binaries(Progress())


@commands.command()
def test() -> None:
    """Run the Go tests of its parts, unless they passed for these sources before."""
    compiling.run_tests(Progress())


@commands.command()
@click.option("--nodes", default=3, show_default=True, type=click.IntRange(1, 15), help="How many nodes.")
@_name
def up(nodes: int, name: str) -> None:
    """Bring the cluster up and wait until all nodes are Ready."""
    progress = Progress()
    cluster = Devcluster.up(name, node_count=nodes, progress=progress)
    total = sum(seconds for _, seconds in progress.steps)
    progress.console.print(f"{total:6.1f} s  in all; {cluster.layout.context} has {nodes} Ready nodes", highlight=False)
    click.echo(f"export KUBECONFIG={cluster.kubeconfig_path}")


@commands.command()
@_name
def down(name: str) -> None:
    """Remove the cluster without a trace."""
    Devcluster.down(name, progress=Progress())


@commands.command()
@_name
def status(name: str) -> None:
    """Show nodes and cuts."""
    cluster = Devcluster.attach(name)
    table = Table("node", "address", "power", "Kubernetes says")
    for node in cluster.node_status():
        ready = {True: "Ready", False: "NotReady", None: "unknown"}[node.ready]
        table.add_row(node.name, node.address, "on" if node.running else "off", ready)
    console = Console()
    console.print(table)
    for cut in cluster.cuts():
        console.print(f"cut: nothing passes from {cut.source} to {cut.target}")


@commands.command()
@_name
def kubeconfig(name: str) -> None:
    """Print the path of the administrator's kubeconfig."""
    click.echo(Devcluster.attach(name).kubeconfig_path)


@commands.command()
@_name
def volumes(name: str) -> None:
    """List the provisioned volumes and how full they are."""
    table = Table("claim", "node", "size", "used", "mounted at (on its node)")
    for volume in Devcluster.attach(name).volumes():
        used = "unknown" if volume.used_bytes is None else f"{volume.used_bytes / 2**20:.1f} MiB"
        table.add_row(volume.claim, volume.node, volume.capacity, used, str(volume.path))
    Console().print(table)


@commands.command("load-image")
@click.argument(
    "archives", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path)
)
@_name
def load_image(archives: tuple[pathlib.Path, ...], name: str) -> None:
    """Load oci-archives into every node."""
    progress = Progress()
    with progress.step(f"load {len(archives)} archive(s)"):
        lines = Devcluster.attach(name).load_images(archives)
    for line in lines:
        click.echo(line)


@commands.command()
@click.argument("verb", type=click.Choice(["kill", "start", "cut", "heal"]))
@click.argument("node")
@click.option("--wait/--no-wait", default=True, show_default=True, help="After start: wait until it is Ready.")
@_name
def node(verb: str, node: str, wait: bool, name: str) -> None:
    """Kill or start a node, or cut it off the network and heal it."""
    cluster = Devcluster.attach(name)
    act = {
        "kill": cluster.kill_node,
        "start": cluster.start_node,
        "cut": cluster.cut_node,
        "heal": cluster.heal_node,
    }[verb]
    act(node)
    if verb == "start" and wait:
        cluster.wait_node(node, ready=True)


@commands.command()
@click.argument("one")
@click.argument("other")
@click.option("--one-way", is_flag=True, help="Only what ONE sends to OTHER is lost.")
@_name
def cut(one: str, other: str, one_way: bool, name: str) -> None:
    """Cut the line between two nodes, or between a node and "control" (API server, DNS)."""
    Devcluster.attach(name).cut(one, other, one_way=one_way)


@commands.command()
@_name
def heal(name: str) -> None:
    """Undo every cut."""
    Devcluster.attach(name).heal()


@commands.command()
@click.argument("verb", type=click.Choice(["stop", "start"]))
@_name
def apiserver(verb: str, name: str) -> None:
    """Stop the API server alone, or start it again."""
    cluster = Devcluster.attach(name)
    if verb == "stop":
        cluster.stop_apiserver()
    else:
        click.echo(f"ready after {cluster.start_apiserver():.1f} s")


@commands.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("argv", nargs=-1, required=True)
@_name
def run_inside(node: str, argv: tuple[str, ...], name: str) -> None:
    """Run a program inside a node: its mounts, network and processes."""
    cluster = Devcluster.attach(name)
    sys.exit(subprocess.run(cluster.command_inside(node, *argv), check=False).returncode)
