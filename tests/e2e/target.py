"""Choose the Kubernetes that the demo and the cluster tests run on, and touch no other.

A cluster named by KUBECONFIG is used if its context starts with `covet-`; any other context is refused by
name, for it may be somebody's production. Without KUBECONFIG: kind, where a Docker engine and kind
are there; else the devcluster, which needs root.
"""

import dataclasses
import enum
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest_kind.cluster
import yaml

from tests.e2e.devcluster import clients, layout
from tools import bootstrap, images

CONTEXT_PREFIX = "covet-"
KIND_NODES = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
- role: worker
- role: worker
- role: worker
"""


class TargetError(Exception):
    """No cluster may or can be used; the message says why and what to do."""


class Kind(enum.Enum):
    """Where a cluster comes from."""

    GIVEN = "given by KUBECONFIG"
    KIND = "kind"
    DEVCLUSTER = "devcluster"


@dataclasses.dataclass(frozen=True)
class Target:
    """A Kubernetes to work on.

    Args:
        name: without the prefix, e.g. `dev`.
        kubeconfig: file whose current context is the cluster.
        registry: where the nodes pull our images if nothing here can bring them, e.g. `registry.example/covet`.
    """

    kind: Kind
    name: str
    kubeconfig: pathlib.Path
    registry: str = ""

    def environment(self) -> dict[str, str]:
        """Return environment variables with which kubectl and helm reach this cluster."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    def start(self) -> None:
        """Start the cluster unless it runs already; returns with three Ready nodes."""
        if self.kind is Kind.DEVCLUSTER:
            devcluster("up", "--nodes", "3", "--name", self.name)
        if self.kind is Kind.KIND:
            self._kind().create(str(kind_config(self.kubeconfig.parent)))
            rename_context(self.kubeconfig, f"{CONTEXT_PREFIX}{self.name}")

    def stop(self) -> None:
        """Remove the cluster with all it holds; a given one stays."""
        if self.kind is Kind.DEVCLUSTER:
            devcluster("down", "--name", self.name)
        if self.kind is Kind.KIND:
            self._kind().delete()

    def load(self, built: Mapping[str, str]) -> None:
        """Bring images to the nodes.

        Args:
            built: tag -> OCI archive; the archive is empty where a Docker engine holds the image.
        """
        owner = self.devcluster_name()
        if owner is not None:
            devcluster("load-image", "--name", owner, *built.values())
        elif self.is_kind():
            for tag in built:
                self._kind().load_docker_image(tag)
        else:
            self.check_images()

    def check_images(self) -> None:
        """Find out, before anything is built, whether the nodes can come by our images.

        Raises:
            TargetError: only a registry could bring them, and none is named.
        """
        if self.pulls() and not self.registry:
            raise TargetError(
                f"the context {CONTEXT_PREFIX}{self.name} is no cluster that was started here: its nodes have to pull"
                " the images. Push them with `make images PUSH=registry.example/covet` to a registry that the nodes"
                " reach, then name it: `export COVET_REGISTRY=registry.example/covet`"
            )

    def image(self, tag: str) -> str:
        """Return the name under which the nodes know an image of ours: as it was built, or as it was pushed."""
        return images.pushed_name(self.registry, tag) if self.pulls() else tag

    def pulls(self) -> bool:
        """Tell whether only a registry can bring images to the nodes."""
        return self.kind is Kind.GIVEN and self.devcluster_name() is None and not self.is_kind()

    def devcluster_name(self) -> str | None:
        """Return the devcluster behind the kubeconfig, also where it was given by KUBECONFIG."""
        folder = self.kubeconfig.resolve().parent
        return folder.name if folder.parent == layout.state_root().resolve() else None

    def is_kind(self) -> bool:
        """Tell whether kind runs this cluster, also where KUBECONFIG gave the file that we wrote for it."""
        return self.kind is Kind.KIND or bootstrap.KIND_HOME.resolve() in self.kubeconfig.resolve().parents

    def _kind(self) -> pytest_kind.cluster.KindCluster:
        return pytest_kind.cluster.KindCluster(
            f"{CONTEXT_PREFIX}{self.name}",
            self.kubeconfig,
            kind_path=pathlib.Path(shutil.which("kind") or "kind"),
            kubectl_path=clients.unpack().kubectl,
        )


def choose(name: str, environ: Mapping[str, str] = os.environ) -> Target:
    """Return the cluster to use, without starting it.

    Args:
        name: of the cluster to start where KUBECONFIG gives none.
        environ: environment variables; KUBECONFIG and COVET_REGISTRY are read.

    Raises:
        TargetError: the context may not be touched, or this machine cannot run a cluster.
    """
    given = environ.get("KUBECONFIG", "")
    if given:
        return given_target(pathlib.Path(given), environ.get("COVET_REGISTRY", ""))
    if bootstrap.uses_kind(environ):
        return Target(Kind.KIND, name, bootstrap.KIND_HOME / name / "kubeconfig")
    if os.geteuid() == 0:
        return Target(Kind.DEVCLUSTER, name, layout.state_root() / name / "kubeconfig")
    raise TargetError(
        "no Kubernetes can be started here: there is no Docker engine with kind, and a cluster without them"
        " needs root. Run as root, start Docker and install kind, or point KUBECONFIG at a cluster whose context"
        f" starts with {CONTEXT_PREFIX}"
    )


def given_target(kubeconfig: pathlib.Path, registry: str) -> Target:
    """Return the cluster that KUBECONFIG names, if its context may be touched."""
    try:
        context = yaml.safe_load(kubeconfig.read_text())["current-context"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise TargetError(f"KUBECONFIG={kubeconfig} cannot be read as a kubeconfig: {error}") from error
    if not str(context).startswith(CONTEXT_PREFIX):
        raise TargetError(
            f"KUBECONFIG={kubeconfig} points at the context {context!r}: only contexts that start with"
            f" {CONTEXT_PREFIX!r} are touched. Unset KUBECONFIG to start a cluster of our own, or rename the"
            " context if it is meant for this"
        )
    return Target(Kind.GIVEN, str(context).removeprefix(CONTEXT_PREFIX), kubeconfig, registry)


def devcluster(*arguments: str) -> None:
    """Run the devcluster's command line, its progress visible."""
    command: Sequence[str] = (sys.executable, "-m", "tests.e2e.devcluster", *arguments)
    result = subprocess.run(command, cwd=bootstrap.ROOT, check=False)
    if result.returncode != 0:
        raise TargetError(f"devcluster {arguments[0]} failed; its output above says why")


def kind_config(folder: pathlib.Path) -> pathlib.Path:
    """Write kind's list of nodes and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "kind.yaml"
    path.write_text(KIND_NODES)
    return path


def rename_context(kubeconfig: pathlib.Path, context: str) -> None:
    """Give the only context of a kubeconfig this name, so that it may be touched later."""
    document = yaml.safe_load(kubeconfig.read_text())
    document["contexts"][0]["name"] = document["current-context"] = context
    kubeconfig.write_text(yaml.safe_dump(document))
