"""A renewed certificate reaches everybody who uses it, as one pair, however often somebody fails at first."""

import asyncio
from pathlib import Path

import pytest

from covet.agent import fencing
from covet.agent.certificates import FILES, Certificates
from covet.agent.instance import Instance
from covet.agent.watching import Watcher
from covet.core import fingerprints
from covet.core.errors import SpecError
from covet.engines.configuration import Upstream
from tests.e2e.process.authority import Authority
from tests.unit.agent import instances


def test_a_pair_that_does_not_match_is_left_alone(tmp_path: Path) -> None:
    """Of a half-written renewal nothing is taken up, neither in memory nor in a copy."""
    authority = Authority()
    authority.issue(tmp_path / "tls", "shop-s0-a")
    certificates = Certificates(tmp_path / "tls")
    before, loaded = certificates.answering, certificates.loaded
    authority.issue(tmp_path / "other", "shop-s0-a")
    whole = (tmp_path / "tls" / "tls.crt").read_bytes()
    (tmp_path / "tls" / "tls.crt").write_bytes((tmp_path / "other" / "tls.crt").read_bytes())
    assert certificates.changed() is True
    with pytest.raises(SpecError):
        certificates.load()
    assert (before, loaded) == (certificates.answering, certificates.loaded)
    certificates.copy_to(tmp_path / "copy")
    assert whole == (tmp_path / "copy" / "tls.crt").read_bytes()


def test_a_copy_is_what_was_verified(tmp_path: Path) -> None:
    """A copy made while the mount changes is of one pair."""
    Authority().issue(tmp_path / "tls", "shop-s0-a")
    certificates = Certificates(tmp_path / "tls")
    wanted = {name: (tmp_path / "tls" / name).read_bytes() for name in FILES}
    (tmp_path / "tls" / "tls.key").unlink()
    certificates.copy_to(tmp_path / "copy")
    assert wanted == {name: (tmp_path / "copy" / name).read_bytes() for name in FILES}
    assert certificates.changed() is False


class Listener:
    """The agent API's part in a renewal, which fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.renewed = 0

    async def renew(self) -> None:
        """Fail or take the certificate."""
        if self.failures:
            self.failures -= 1
            raise OSError("no room")
        self.renewed += 1


async def look(inst: Instance, listener: Listener, times: int) -> None:
    """Let a watcher look at a renewed certificate so many times."""
    watcher = Watcher(inst, listener)  # type: ignore[arg-type]  # the watcher uses this part of it alone
    Authority().issue(inst.settings.tls, "shop-s0-a")
    for _ in range(times):
        await watcher._try(watcher._certificate)
    await inst.client.close()


def test_i3_a_renewal_makes_no_credentials_that_a_fence_removed(tmp_path: Path) -> None:
    """A renewal that is late finds the folder gone and leaves it so: nobody logs in below a promise."""

    async def scenario() -> bool:
        inst = instances.make(tmp_path)
        watcher = Watcher(inst, Listener(0))  # type: ignore[arg-type]  # the watcher uses this part of it alone
        folder = inst.volume.credentials(4)
        inst.certificates.copy_to(folder)
        inst.upstream = Upstream(inst.own, "r", "m", "s", folder)
        Authority().issue(inst.settings.tls, "shop-s0-a")
        fencing.remove_credentials(inst.volume.credentials_root, 5)
        await watcher._try(watcher._certificate)
        await inst.client.close()
        return folder.exists()

    assert asyncio.run(scenario()) is False


def test_a_renewal_amid_a_start_is_not_lost(tmp_path: Path) -> None:
    """A server that is being started may have copied the files of before: it gets the new ones afterwards."""

    async def scenario() -> tuple[bytes, bytes]:
        inst = instances.make(tmp_path)
        watcher = Watcher(inst, Listener(0))  # type: ignore[arg-type]  # the watcher uses this part of it alone
        copy = tmp_path / "stream"
        async with inst.acting:
            inst.certificates.copy_to(copy)
            Authority().issue(inst.settings.tls, "shop-s0-a")
            await watcher._try(watcher._certificate)
            inst.upstream = Upstream(inst.own, "r", "m", "s", copy)
        await watcher._try(watcher._certificate)
        await inst.client.close()
        return (inst.settings.tls / "tls.crt").read_bytes(), (copy / "tls.crt").read_bytes()

    wanted, copied = asyncio.run(scenario())
    assert wanted == copied


@pytest.mark.parametrize("failures", [0, 2])
def test_the_operator_is_told_of_a_certificate_once_everybody_works_with_it(tmp_path: Path, failures: int) -> None:
    """Not before the last one took it, and a look later: the server and the voter read it by themselves."""

    async def scenario() -> tuple[list[bool], bool]:
        inst = instances.make(tmp_path)
        watcher = Watcher(inst, Listener(failures))  # type: ignore[arg-type]  # the watcher uses this part of it alone
        before, told = inst.certificates.in_use, []
        Authority().issue(inst.settings.tls, "shop-s0-a")
        for _ in range(failures + 3):
            await watcher._try(watcher._certificate)
            told.append(inst.certificates.in_use != before)
        await inst.client.close()
        trust, certificate = ((inst.settings.tls / name).read_bytes() for name in ("ca.crt", "tls.crt"))
        return told, inst.certificates.in_use == fingerprints.of_credentials(trust, certificate)

    assert ([False] * (failures + 1) + [True] * 2, True) == asyncio.run(scenario())


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_a_renewal_is_repeated_for_whom_it_failed(tmp_path: Path, failures: int) -> None:
    """Who could not take the certificate is asked again at each look, and only that one."""

    async def scenario() -> tuple[int, float]:
        inst = instances.make(tmp_path)
        listener = Listener(failures)
        await look(inst, listener, failures + 3)
        return listener.renewed, inst.metrics.certificate_loads._value.get()

    assert (1, 1.0) == asyncio.run(scenario())
