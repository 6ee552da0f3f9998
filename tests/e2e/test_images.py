"""Images reach a registry under the names that the chart asks for: pushed to one that runs in this process."""

import hashlib
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping

import pytest
import yaml

from tools import bootstrap, images

pytestmark = pytest.mark.cluster

TAG = "localhost/covet-operator:dev"
NONE: Mapping[str, str] = {}


class Registry(http.server.ThreadingHTTPServer):
    """What of an OCI registry a push needs: blobs by their digest, manifests by their name."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}

    @property
    def name(self) -> str:
        """Host, port and a path, as a user writes it."""
        return f"127.0.0.1:{self.server_port}/covet"


class Exchange(http.server.BaseHTTPRequestHandler):
    """One connection of a client that pushes."""

    protocol_version = "HTTP/1.1"
    server: Registry

    def do_GET(self) -> None:
        """Answer that this is a registry."""
        self.answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        """Say whether a blob is here already."""
        digest = self.path.rpartition("/")[2]
        known = self.server.blobs.get(digest)
        self.answer(404 if known is None else 200, {"Docker-Content-Digest": digest}, length=len(known or b""))

    def do_POST(self) -> None:
        """Begin an upload."""
        self.body()
        self.answer(202, {"Location": f"{self.path.rstrip('/')}/upload?part=1", "Docker-Upload-UUID": "upload"})

    def do_PATCH(self) -> None:
        """Take the content of a blob."""
        body = self.body()
        self.server.blobs[f"sha256:{hashlib.sha256(body).hexdigest()}"] = body
        self.answer(202, {"Location": self.path, "Range": f"0-{max(len(body) - 1, 0)}"})

    def do_PUT(self) -> None:
        """End an upload, or take a manifest."""
        body, found = self.body(), re.fullmatch(r"/v2/(.+)/manifests/(.+)", self.path)
        if found is not None:
            self.server.manifests[f"{found[1]}:{found[2]}"] = body
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}" if found else self.path.rpartition("digest=")[2]
        self.answer(201, {"Docker-Content-Digest": digest.replace("%3A", ":")})

    def body(self) -> bytes:
        """Return the request's body, in chunks or by its length."""
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, status: int, headers: Mapping[str, str] = NONE, *, length: int = 0) -> None:
        """Send a status with headers and no content."""
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry on loopback, without TLS."""
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_pushed_image_is_what_the_chart_asks_for() -> None:
    """`make images PUSH=registry` and `images.registry=registry` are all that an installation from a registry takes."""
    values = yaml.safe_load((bootstrap.ROOT / "charts" / "covet" / "values.yaml").read_text())["images"]
    short = (values["operator"], values["router"], *values["postgres"].values())
    asked = [f"registry.example/covet/{name}" for name in short]
    pushed = [images.pushed_name("registry.example/covet/", image.tag) for image in images.IMAGES]
    assert sorted(asked) == sorted(pushed)


@pytest.mark.skipif(bootstrap.has_docker() or not shutil.which("buildah"), reason="Docker pushes from its own engine")
def test_an_image_gets_to_a_registry(registry: Registry, tmp_path: pathlib.Path) -> None:
    """Every layer and the manifest arrive, and the digest that is told is the manifest's own."""
    storage = ("--root", str(tmp_path / "storage"), "--runroot", str(tmp_path / "run"), "--storage-driver", "vfs")
    (tmp_path / "Containerfile").write_text("FROM scratch\nADD content /\n")
    (tmp_path / "content").write_text("a small image")
    build = ("bud", "--quiet", "--isolation", "chroot", "--format", "oci", "--tag", TAG, str(tmp_path))
    subprocess.run(["buildah", *storage, *build], check=True, capture_output=True, timeout=120)
    (told,) = images.push(registry.name, [TAG], storage)
    name = images.pushed_name(registry.name, TAG)
    manifest = registry.manifests[name.partition("/")[2]]
    assert f"{name.rpartition(':')[0]}@sha256:{hashlib.sha256(manifest).hexdigest()}" == told
    document = json.loads(manifest)
    assert {document["config"]["digest"], *(layer["digest"] for layer in document["layers"])} == set(registry.blobs)
