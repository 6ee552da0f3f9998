#!/usr/bin/env python3
"""Build the images of Covet and write each as an OCI archive, on Docker or without any engine.

The wheels are staged on the host from the lock file, so that a build inside an image needs no
Python registry and the wheels' layer changes only with the lock file; the layer of our own source is
the last and small. Without Docker, `buildah` builds in a chroot on a Debian that `mmdebstrap` made.

    python3 -m tools.images build                prints name and archive of each image
    python3 -m tools.images build --push REGISTRY    and writes dist/images.yaml, values of the chart with digests

The router is compiled here, for the glibc of this machine: on another Debian than the images', in one of theirs. What
is pushed is optimised as a release; what stays here is compiled as its tests are, which has been done already.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence

from tools import bootstrap

ROOT = bootstrap.ROOT
CACHE = bootstrap.CACHE / "images"
VALUES = ROOT / "dist" / "images.yaml"
STORAGE = ("--root", str(CACHE / "storage"), "--runroot", str(CACHE / "run"), "--storage-driver", "overlay")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
DEBIAN = "localhost/debian:bookworm"
BASE = "localhost/covet-base:bookworm"
DEV_OPERATOR = "localhost/covet-operator:dev"
DEV_POSTGRES = "localhost/covet-postgres:15-dev"
DEV_ROUTER = "localhost/covet-router:dev"


@dataclasses.dataclass(frozen=True)
class Image:
    """One image of ours.

    Args:
        folder: below `images/`, holds its Containerfile.
        tag: full name with tag.
        extras: optional dependency groups of the distribution whose wheels go in; None for no Python.
        arguments: build arguments.
        program: of the Rust workspace that goes in, None for none.
    """

    folder: str
    tag: str
    extras: tuple[str, ...] | None
    arguments: tuple[tuple[str, str], ...]
    program: str | None = None


IMAGES = (
    Image("postgres", DEV_POSTGRES, (), (("BASE", BASE), ("MAJOR", "15"))),
    Image("operator", DEV_OPERATOR, ("operator",), (("BASE", BASE),)),
    Image("router", DEV_ROUTER, None, (("BASE", BASE),), program="covet-router"),
)


def say(sentence: str) -> None:
    """Print one line of progress at once."""
    print(f"images: {sentence}", file=sys.stderr, flush=True)


def run(*argv: str, cwd: pathlib.Path = ROOT) -> str:
    """Run a program and return what it printed; on failure stop with all of it."""
    result = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"images: {' '.join(argv)} failed with {result.returncode}:\n{result.stdout[-4000:]}")
    return result.stdout


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Say what begins and how long it took."""
    say(what)
    begun = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - begun:.1f} s")


def uv(*argv: str) -> str:
    """Run the project's uv."""
    program = bootstrap.uv_path()
    if program is None:
        sys.exit("images: uv is missing; run `make setup` first")
    return run(str(program), *argv)


def staged_wheels(extras: tuple[str, ...]) -> pathlib.Path:
    """Return a folder with the locked wheels of these extras, unpacked for the image's Python 3.11."""
    export = ["export", "--frozen", "--no-dev", "--no-emit-workspace", "--no-header", "--no-annotate"]
    requirements = uv(*export, *(f"--extra={extra}" for extra in extras))
    binding = source_digest(ROOT / "rust-hasher") if extras else ""
    key = hashlib.sha256(f"{requirements}{binding}".encode()).hexdigest()[:16]
    target = CACHE / "wheels" / key
    if target.exists():
        return target
    draft = CACHE / "wheels" / f"{key}.{os.getpid()}"
    draft.mkdir(parents=True)
    (draft / "requirements.txt").write_text(requirements)
    platform = ("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:")
    with timed(f"staging wheels ({', '.join(extras) or 'agent'})"):
        site = ("--target", str(draft / "site"), "--link-mode", "copy", "--quiet")
        uv("pip", "install", *site, *platform, "-r", str(draft / "requirements.txt"))
        if extras:
            uv("pip", "install", *site, "--no-deps", str(built_binding(key)))
    draft.rename(target)
    return target


def built_binding(key: str) -> pathlib.Path:
    """Return a wheel of covet-hasher, compiled from this checkout."""
    folder = CACHE / "binding" / key
    os.environ.setdefault("CARGO_TARGET_DIR", str(bootstrap.CACHE / "cargo-target"))
    uv("build", "--quiet", "--wheel", "--out-dir", str(folder), "rust-hasher/hasher")
    return next(folder.glob("covet_hasher-*.whl"))


def source_digest(folder: pathlib.Path) -> str:
    """Return a digest over the names and contents of a folder's tracked and new files."""
    listing = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", str(folder))
    digest = hashlib.sha256()
    for name in sorted(filter(None, listing.split("\0"))):
        path = ROOT / name
        if path.is_file():
            digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def compiled(program: str, *, release: bool) -> pathlib.Path:
    """Return a program of the Rust workspace without what debuggers read, compiled from this checkout."""
    target = pathlib.Path(os.environ.setdefault("CARGO_TARGET_DIR", str(bootstrap.CACHE / "cargo-target")))
    profile, folder = ("release", "release") if release else ("test", "debug")
    with timed(f"compiling {program} ({profile})"):
        run("cargo", "build", "--locked", "--quiet", "--profile", profile, "-p", program, cwd=ROOT / "rust-hasher")
    source = target / folder / program
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    stripped = CACHE / "programs" / f"{program}-{digest}"
    if not stripped.exists():
        stripped.parent.mkdir(parents=True, exist_ok=True)
        draft = stripped.with_suffix(f".{os.getpid()}")
        run("strip", "-o", str(draft), str(source))
        draft.rename(stripped)
        for old in stripped.parent.glob(f"{program}-*"):
            if old != stripped:
                old.unlink()
    return stripped


def context(image: Image, *, release: bool = False) -> pathlib.Path:
    """Return a fresh build context: the Containerfile, staged wheels, our own source, and what is compiled."""
    folder = CACHE / "context" / image.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "images" / image.folder / "Containerfile", folder)
    if image.extras is not None:
        # Hard links: the stage is read only from here on, and 100 MB need not be written again.
        shutil.copytree(staged_wheels(image.extras) / "site", folder / "wheels", copy_function=os.link, symlinks=True)
        ignored = shutil.ignore_patterns("__pycache__", "testing")
        shutil.copytree(ROOT / "operator" / "covet", folder / "source" / "covet", ignore=ignored)
    if image.program is not None:
        shutil.copy2(compiled(image.program, release=release), folder / image.program)
    return folder


def debian() -> None:
    """Make the Debian that images start from, once, where there is no registry to pull it from."""
    known = run("buildah", *STORAGE, "images", "--format", "{{.Name}}:{{.Tag}}").split()
    if DEBIAN in known:
        return
    folder = CACHE / "debian"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with timed("making a minimal Debian 12"):
        flags = ("--quiet", "--variant=minbase", "--include=ca-certificates")
        run("mmdebstrap", *flags, "bookworm", str(folder / "base.tar"))
        (folder / "Containerfile").write_text("FROM scratch\nADD base.tar /\n")
        run("buildah", *STORAGE, "bud", "--quiet", "--isolation", "chroot", "--tag", DEBIAN, str(folder))
    shutil.rmtree(folder)


def build_with_buildah(folder: pathlib.Path, tag: str, arguments: tuple[tuple[str, str], ...]) -> str:
    """Build one image in a chroot, layers cached, and return its id."""
    values = [f"--build-arg={name}={value}" for name, value in arguments]
    isolation = ("--isolation", "chroot", "--network", "host", "--layers", "--pull-never", "--format", "oci")
    run("buildah", *STORAGE, "bud", "--quiet", *isolation, *values, "--tag", tag, str(folder))
    return run("buildah", *STORAGE, "inspect", "--type", "image", "--format", "{{.FromImageID}}", tag).strip()


def archive(tag: str, image_id: str) -> pathlib.Path:
    """Return the OCI archive of an image, written unless one of this very image is there."""
    name = tag.rsplit("/", maxsplit=1)[-1].replace(":", "-")
    target = CACHE / "archives" / f"{name}-{image_id[:16]}.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with timed(f"writing {target.name}"):
            draft = target.with_suffix(".part")
            draft.unlink(missing_ok=True)
            # zstd at its fastest: gzip took 20 s for the layers that zstd packs in 6.
            packing = ("--compression-format", "zstd", "--compression-level", "1")
            run("buildah", *STORAGE, "push", "--quiet", *packing, tag, f"oci-archive:{draft}:{tag}")
            draft.rename(target)
        for old in target.parent.glob(f"{name}-*.tar"):
            if old != target:
                old.unlink()
    return target


def build_without_engine(*, release: bool = False) -> dict[str, str]:
    """Build all images with buildah; return tag -> archive."""
    debian()
    base = context(Image("base", BASE, None, ()))
    with timed("base"):
        build_with_buildah(base, BASE, (("DEBIAN", DEBIAN),))
    built = {}
    for image in IMAGES:
        with timed(image.folder):
            image_id = build_with_buildah(context(image, release=release), image.tag, image.arguments)
        built[image.tag] = str(archive(image.tag, image_id))
    return built


def build_with_docker(*, release: bool = False) -> dict[str, str]:
    """Build all images with the Docker engine; return tag -> empty string, for kind loads from the engine."""
    run("docker", "build", "--quiet", "--tag", BASE, "--file", "images/base/Containerfile", "images/base")
    for image in IMAGES:
        values = [f"--build-arg={name}={value}" for name, value in image.arguments]
        folder = context(image, release=release)
        with timed(image.folder):
            run("docker", "build", "--quiet", *values, "--tag", image.tag, "--file", "Containerfile", ".", cwd=folder)
    return {image.tag: "" for image in IMAGES}


def builder() -> Callable[..., dict[str, str]]:
    """Return what builds here: Docker for kind, which loads from its engine; else buildah, which writes archives."""
    return build_with_docker if bootstrap.uses_kind() else build_without_engine


def pushed_name(registry: str, tag: str) -> str:
    """Return what an image is called in a registry: by this version, as the chart asks for it, instead of `dev`."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    name, _, label = tag.rpartition("/")[2].partition(":")
    return f"{registry.rstrip('/')}/{name}:{label.removesuffix('dev')}{version}"


def push(registry: str, tags: Sequence[str], storage: Sequence[str] = STORAGE) -> list[str]:
    """Push images to a registry; return each by its digest, as the chart's values take it.

    A registry on this machine (localhost) is spoken to without TLS where it has none, as Docker does.

    Args:
        registry: host, optionally a port and a path: `registry.example/covet`.
        tags: names of images that were built.
        storage: where buildah keeps them; not used with Docker.
    """
    found = []
    for tag in tags:
        target = pushed_name(registry, tag)
        with timed(f"pushing {target}"):
            digest = _push_with_docker(tag, target) if bootstrap.uses_kind() else _push(tag, target, storage)
        found.append(f"{target.rpartition(':')[0]}@{digest}")
    return found


def values(pushed: Sequence[str]) -> str:
    """Return values of the chart covet, as YAML, that name images by their digests.

    Args:
        pushed: what `push` returned for `IMAGES`.
    """
    registries = {name.rpartition("/")[0] for name in pushed}
    short = {image.folder: name.rpartition("/")[2] for image, name in zip(IMAGES, pushed, strict=True)}
    major = dict(next(image.arguments for image in IMAGES if image.folder == "postgres"))["MAJOR"]
    lines = (
        "# The images of a release by their digests: helm upgrade ... --values images.yaml",
        "images:",
        f"  registry: {registries.pop()}",
        f"  operator: {short['operator']}",
        f"  router: {short['router']}",
        "  postgres:",
        f'    "{major}": {short["postgres"]}',
    )
    return "\n".join(lines) + "\n"


def _push(tag: str, target: str, storage: Sequence[str]) -> str:
    host = target.partition("/")[0].rpartition(":")[0] or target.partition("/")[0]
    plain = ("--tls-verify=false",) if host in LOOPBACK else ()
    with tempfile.NamedTemporaryFile() as digest:
        run("buildah", *storage, "push", "--quiet", *plain, "--digestfile", digest.name, tag, f"docker://{target}")
        return pathlib.Path(digest.name).read_text().strip()


def _push_with_docker(tag: str, target: str) -> str:
    run("docker", "tag", tag, target)
    run("docker", "push", "--quiet", target)
    known = run("docker", "inspect", "--format", "{{index .RepoDigests 0}}", target)
    return known.strip().rpartition("@")[2]


def main() -> None:
    """Build, optionally push, and print tag -> archive as JSON on standard output."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("command", choices=["build"])
    arguments.add_argument("--push", metavar="REGISTRY", help="push the images there afterwards")
    chosen = arguments.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = builder()(release=bool(chosen.push))
        if chosen.push:
            pushed = push(chosen.push, [image.tag for image in IMAGES])
            for name in pushed:
                say(f"pushed {name}")
            VALUES.parent.mkdir(exist_ok=True)
            VALUES.write_text(values(pushed))
            say(f"values of the chart with these digests: {VALUES.relative_to(ROOT)}")
    print(json.dumps(built, indent=1))


if __name__ == "__main__":
    main()
