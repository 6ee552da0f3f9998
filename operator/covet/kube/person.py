"""How a person reaches the API server: the way `kubectl` does, from the same files and variables."""

import contextlib
import dataclasses
import logging
import os
import pathlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from kubernetes.aio import config as kube_config
from kubernetes.aio.client import configuration

from covet.core.errors import SpecError
from covet.kube import rights
from covet.kube.client import Caller
from covet.kube.inquiry import Inquiry

CALLER: Final = Caller("kubectl-covet", "kubectl-covet", rights.require_of_person)
_POD_NAMESPACE: Final = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclasses.dataclass(frozen=True)
class Reach:
    """An open way to the API server.

    Args:
        kube: the adapter, in the person's name.
        namespace: that of the chosen context, `default` if it names none.
    """

    kube: Inquiry
    namespace: str


@contextlib.asynccontextmanager
async def connect(kubeconfig: str | None, context: str | None, patience: float) -> AsyncIterator[Reach]:
    """Open a way to the API server.

    Args:
        kubeconfig: path of the file; None for $KUBECONFIG, then ~/.kube/config, then a pod's account.
        context: a context of the file; None for its current one.
        patience: seconds that one call may take.

    Raises:
        SpecError: no configuration can be used; the message says which was tried and why not.
    """
    loaded = configuration.Configuration()
    with _private_folder() as folder:
        namespace = await _load(loaded, kubeconfig, context, folder)
        kube = Inquiry(loaded, timeout=patience, caller=CALLER)
        try:
            yield Reach(kube, namespace)
        finally:
            await kube.close()


@contextlib.contextmanager
def _private_folder() -> Iterator[str]:
    """Hold the keys that the library writes out; they go with it, also where this process becomes another."""
    with tempfile.TemporaryDirectory(prefix="kubectl-covet-") as folder:
        yield folder


async def _load(loaded: configuration.Configuration, kubeconfig: str | None, context: str | None, folder: str) -> str:
    """Fill in address and credentials; return the namespace."""
    files = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    there = _present(files)
    if not there and kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _load_pod(loaded)
    if not there:
        raise SpecError(
            "KubeconfigMissing", f"There is no kubeconfig at {files}: name one with --kubeconfig or KUBECONFIG."
        )
    # The library tells of its own trouble by logging with a traceback; ours is one sentence.
    logging.getLogger("kubernetes").setLevel(logging.CRITICAL)
    try:
        loader: Any = await kube_config.load_kube_config(  # type: ignore[no-untyped-call]  # the library annotates nothing
            config_file=os.pathsep.join(there),
            context=context,
            client_configuration=loaded,
            persist_config=False,
            temp_file_path=folder,
        )
        return str(loader.current_context["context"].get("namespace") or "default")
    except Exception as error:
        # A broken file shows itself as any error at all: KeyError, TypeError, those of YAML and base64.
        what = " ".join(str(error).split()) or type(error).__name__
        raise SpecError(
            "KubeconfigInvalid",
            f"The kubeconfig {', '.join(there)} cannot be used: {what}."
            " `kubectl config get-contexts` lists the contexts that it has.",
        ) from error


def _present(files: str) -> list[str]:
    """Return those of a path list that are there."""
    paths = [pathlib.Path(path).expanduser() for path in files.split(os.pathsep) if path]
    return [str(path) for path in paths if path.is_file()]


def _load_pod(loaded: configuration.Configuration) -> str:
    try:
        kube_config.load_incluster_config(  # type: ignore[no-untyped-call]  # the library annotates nothing here
            client_configuration=loaded
        )
        return _POD_NAMESPACE.read_text(encoding="utf-8").strip()
    except (kube_config.ConfigException, OSError) as error:
        raise SpecError("KubeconfigInvalid", f"The pod's service account cannot be used: {error}.") from error
