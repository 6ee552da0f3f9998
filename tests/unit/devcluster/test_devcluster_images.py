"""The image we write by hand, and the archives we are given."""

import hashlib
import io
import json
import pathlib
import tarfile

import pytest

from tests.e2e.devcluster import images
from tests.e2e.devcluster.errors import DevclusterError


@pytest.fixture
def archive(tmp_path: pathlib.Path) -> pathlib.Path:
    """An archive of our own, its program four bytes long."""
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    output = tmp_path / "image.tar"
    images.write_static_image(program, "localhost/x:1", output)
    return output


def test_image_is_named_and_holds_together(archive: pathlib.Path) -> None:
    """From the index to the program, every digest is that of the bytes it names."""
    with tarfile.open(archive) as opened:
        blobs = {m.name: opened.extractfile(m) for m in opened.getmembers()}
        content = {name: blob.read() for name, blob in blobs.items() if blob}
    ((name, digest),) = images.read_archive(archive).images
    assert "localhost/x:1" == name
    manifest = json.loads(content[f"blobs/sha256/{digest.removeprefix('sha256:')}"])
    parts = [manifest["config"], *manifest["layers"]]
    for part in parts:
        blob = content[f"blobs/sha256/{part['digest'].removeprefix('sha256:')}"]
        assert (len(blob), f"sha256:{hashlib.sha256(blob).hexdigest()}") == (part["size"], part["digest"])


def test_same_program_is_the_same_image(archive: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Nothing of the time or the place gets in, so nodes that have the image are not given it again."""
    again = tmp_path / "again.tar"
    images.write_static_image(tmp_path / "program", "localhost/x:1", again)
    assert images.read_archive(archive) == images.Archive(archive, images.read_archive(again).images)


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_what_is_no_archive_is_refused(tmp_path: pathlib.Path, content: bytes) -> None:
    """A file of another kind is named in the error."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DevclusterError, match="no oci-archive"):
        images.read_archive(path)


def test_archive_without_a_full_name_is_refused(tmp_path: pathlib.Path) -> None:
    """Without one containerd would invent one, and no pod would find the image under it."""
    index = json.dumps({"manifests": [{"digest": "sha256:0", "annotations": {}}]}).encode()
    path = tmp_path / "nameless.tar"
    with tarfile.open(path, "w") as out:
        member = tarfile.TarInfo("index.json")
        member.size = len(index)
        out.addfile(member, io.BytesIO(index))
    with pytest.raises(DevclusterError, match="full name"):
        images.read_archive(path)
