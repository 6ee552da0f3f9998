"""The instance's certificate on disk, watched: a renewed Secret reaches every user of it without a restart."""

import hashlib
import logging
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from covet.agent import durable, links
from covet.core import fingerprints
from covet.core.errors import SpecError

LOG: Final = logging.getLogger("covet.certificates")

FILES: Final = ("ca.crt", "tls.crt", "tls.key")


class Certificates:
    """The three files of the mounted Secret, as they were last found to fit each other.

    Args:
        folder: where ca.crt, tls.crt and tls.key are mounted.

    Attributes:
        loaded: digest of the files in use.
        in_use: fingerprint of `ca.crt` and `tls.crt` that everybody here works with; the operator is told.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loaded = ""
        self._files: Mapping[str, bytes] = {}
        self.answering, self.dialling = self.load()
        self.in_use = ""
        self.note_in_use()

    def note_in_use(self) -> None:
        """Note that API, voter, server and replication work with the files that were loaded last."""
        self.in_use = fingerprints.of_credentials(self._files["ca.crt"], self._files["tls.crt"])

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files in use, by name."""
        return self._files

    def load(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """Read the files anew; the old contexts stay in use if they make no sense together.

        What is verified is what was read, once: the mount may change between two looks at it.

        Raises:
            SpecError: a file is missing, or key and certificate do not match.
        """
        try:
            files = self._read()
            with tempfile.TemporaryDirectory(prefix="covet-tls-") as folder:
                for name, content in files.items():
                    (Path(folder) / name).write_bytes(content)
                answering, dialling = links.contexts(Path(folder))
        except (OSError, ssl.SSLError) as error:
            raise SpecError(
                "CertificateInvalid", f"The certificate in {self.folder} cannot be used: {error}."
            ) from error
        # Probes come without a certificate; every other route asks for one by itself.
        answering.verify_mode = ssl.CERT_OPTIONAL
        self.loaded, self._files = _digest(files), files
        self.answering, self.dialling = answering, dialling
        return answering, dialling

    def changed(self) -> bool:
        """Tell whether the files on disk differ from those in use."""
        try:
            return _digest(self._read()) != self.loaded
        except OSError:
            return False  # half written; the next look comes

    def copy_to(self, folder: Path) -> None:
        """Copy the files in use to where the server or libpq reads them, the key readable by us alone.

        Raises:
            OSError: not all of them could be written; the copy has to be repeated.
        """
        durable.make_folder(folder)
        self.renew(folder)

    def renew(self, folder: Path) -> None:
        """Copy the files in use to a folder that holds a copy; one that was removed meanwhile is not made again.

        Raises:
            OSError: the folder is gone, or not all of them could be written.
        """
        files = self._files
        for name, content in files.items():
            durable.write(folder / name, content)

    def _read(self) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in FILES}


def _digest(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in FILES:
        whole.update(files[name])
        whole.update(b"\0")
    return whole.hexdigest()
