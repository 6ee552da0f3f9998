"""The instance's certificate on disk, watched: a renewed Secret reaches every user of it without a restart."""

import hashlib
import logging
import ssl
from pathlib import Path
from typing import Final

from covet.agent import links, volume
from covet.core.errors import SpecError

LOG: Final = logging.getLogger("covet.certificates")

FILES: Final = ("ca.crt", "tls.crt", "tls.key")


class Certificates:
    """The three files of the mounted Secret.

    Args:
        folder: where ca.crt, tls.crt and tls.key are mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._digest = ""
        self.answering, self.dialling = self.load()

    def load(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """Read the files anew; the old contexts stay in use if they make no sense together.

        Raises:
            SpecError: a file is missing, or key and certificate do not match.
        """
        digest = self.digest()
        try:
            answering, dialling = links.contexts(self.folder)
        except (OSError, ssl.SSLError) as error:
            raise SpecError(
                "CertificateInvalid", f"The certificate in {self.folder} cannot be used: {error}."
            ) from error
        # Probes come without a certificate; every other route asks for one by itself.
        answering.verify_mode = ssl.CERT_OPTIONAL
        self._digest, self.answering, self.dialling = digest, answering, dialling
        return answering, dialling

    def digest(self) -> str:
        """Return a digest of the files' content as it is on disk now, empty while one is missing."""
        whole = hashlib.sha256()
        for name in FILES:
            try:
                whole.update((self.folder / name).read_bytes())
            except OSError:
                return ""
            whole.update(b"\0")
        return whole.hexdigest()

    def changed(self) -> bool:
        """Tell whether the files on disk differ from those in use."""
        return self.digest() not in {"", self._digest}

    def copy_to(self, folder: Path) -> None:
        """Copy the files where the server or libpq reads them, the key readable by us alone."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in FILES:
            volume.write_durable(folder / name, (self.folder / name).read_bytes())
