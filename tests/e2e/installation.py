"""Install Covet on a cluster with Helm, as a user would; for the demo and the cluster tests."""

import dataclasses
import json
import subprocess
import sys
from typing import Any

from tests.e2e import target
from tests.e2e.devcluster import clients
from tools import bootstrap, images

NAMESPACE = "covet-system"
DEV_OPERATOR = images.DEV_OPERATOR
DEV_POSTGRES = images.DEV_POSTGRES
DEV_ROUTER = images.DEV_ROUTER
DENIED = "default-deny"
"""Name of the policy that allows nothing."""
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


class InstallationError(Exception):
    """A command of the installation failed; the message holds what it printed."""


def build_images() -> dict[str, str]:
    """Build the images of this checkout; return tag -> OCI archive."""
    command = (sys.executable, "-m", "tools.images", "build")
    result = subprocess.run(command, cwd=bootstrap.ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        raise InstallationError("building the images failed; its output above says why")
    built: dict[str, str] = json.loads(result.stdout)
    return built


@dataclasses.dataclass(frozen=True)
class Installation:
    """Covet on one cluster, through kubectl and helm."""

    place: target.Target

    @property
    def kubectl_path(self) -> str:
        """The kubectl that is used."""
        return str(clients.unpack().kubectl)

    def run(self, *argv: str, stdin: str | None = None, timeout: float = 300) -> str:
        """Run a program against the cluster and return its output.

        Raises:
            InstallationError: with everything the program printed.
        """
        result = subprocess.run(
            argv,
            env=self.place.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if result.returncode != 0:
            printed = result.stdout + result.stderr
            raise InstallationError(f"{' '.join(argv)} failed with {result.returncode}:\n{printed}")
        return result.stdout

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 300) -> str:
        """Run kubectl and return its output."""
        return self.run(self.kubectl_path, *arguments, stdin=stdin, timeout=timeout)

    def helm(self, *arguments: str) -> str:
        """Run Helm and return its output."""
        return self.run(str(clients.unpack().helm), *arguments)

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        """Return one object."""
        document: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return document

    def apply(self, manifest: dict[str, Any]) -> None:
        """Apply one object on the server's side."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(manifest))

    def ensure_namespace(self, name: str) -> None:
        """Make a namespace that admits only pods under the restricted standard."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})

    def deny(self, namespace: str) -> None:
        """Let pods of a namespace say and hear nothing but what other policies allow."""
        self.apply(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": DENIED, "namespace": namespace},
                "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
            }
        )

    def install(self) -> None:
        """Install or upgrade the CRDs and the operator, and wait until it serves."""
        self.ensure_namespace(NAMESPACE)
        charts = bootstrap.ROOT / "charts"
        self.helm("upgrade", "--install", "covet-crds", str(charts / "covet-crds"), "-n", NAMESPACE)
        self.helm("upgrade", "--install", "covet", str(charts / "covet"), "-n", NAMESPACE, *self.values(), "--wait")
        # The tag stays while the image behind it changes: a pod of an earlier run would go on with the old one.
        deployment = ("deployment/covet", "-n", NAMESPACE)
        self.kubectl("rollout", "restart", *deployment)
        self.kubectl("rollout", "status", *deployment, "--timeout=180s")

    def values(self) -> tuple[str, ...]:
        """Return the arguments of Helm that name the images as the nodes know them."""
        operator = ("--set", f"images.operator={self.place.image(DEV_OPERATOR)}")
        postgres = ("--set-string", f"images.postgres.15={self.place.image(DEV_POSTGRES)}")
        router = ("--set", f"images.router={self.place.image(DEV_ROUTER)}")
        # A push replaces what its names mean, and a node may hold what they meant before.
        fresh = ("--set", "images.pullPolicy=Always") if self.place.pulls() else ()
        return (*operator, *postgres, *router, *fresh)

    def uninstall(self, *namespaces: str) -> None:
        """Remove the operator, the CRDs with all their objects, and these namespaces."""
        for namespace in namespaces:
            self.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait")
        for release in ("covet", "covet-crds"):
            self.helm("uninstall", release, "-n", NAMESPACE, "--ignore-not-found", "--wait")
        self.kubectl("delete", "crd", "covetclusters.covet.dev", "--ignore-not-found", "--wait")
        self.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
