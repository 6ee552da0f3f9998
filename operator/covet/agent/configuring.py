"""The server's files: written when they differ from what they should be, then the server reloads."""

import asyncio
from collections.abc import Mapping
from typing import Final

from covet.agent import durable
from covet.agent.instance import Instance, os_user
from covet.core.errors import CovetError
from covet.engines import configuration, control, programs
from covet.engines.configuration import Configuration
from covet.engines.sessions import Session

RELOAD_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.005
_CANDIDATE: Final = "candidate.conf"


async def apply(inst: Instance) -> bool:
    """Write the server's files as they should be now and reload it if one changed.

    Several actions may ask for this at once: each writes what holds when its turn comes, so the last word wins.

    Returns:
        True if a file changed.
    """
    await inst.tuning.settle(inst.spec.parameters, lambda candidate: _try(inst, candidate), lambda: _written(inst))
    return await asyncio.shield(asyncio.create_task(_bring(inst), name="settings"))


async def _bring(inst: Instance) -> bool:
    async with inst.writing_files:
        changed = await asyncio.to_thread(_write_changed, inst, render(inst))
        if changed:
            inst.server.reload()
        return changed


def render(inst: Instance) -> Mapping[str, str]:
    """Return the text of each file by its name."""
    roles = [(peer.instance, inst.role(peer.instance)) for peer in inst.spec.peers]
    return {
        "postgresql.conf": configuration.render_settings(_wanted(inst, inst.tuning.in_force)),
        "pg_hba.conf": configuration.render_access(opened=inst.gate),
        "pg_ident.conf": configuration.render_identities(os_user(), roles),
    }


async def _try(inst: Instance, candidate: Mapping[str, str]) -> None:
    """Have the server's program read a settings file with these parameters, beside the one in force.

    Raises:
        ProgramError: it cannot.
    """
    settings = inst.settings
    if not await asyncio.to_thread((settings.pgdata / "PG_VERSION").exists):
        return
    text = configuration.render_settings(_wanted(inst, candidate))
    await asyncio.to_thread(_write_changed, inst, {_CANDIDATE: text})
    await programs.read_settings(
        settings.programs, settings.pgdata, inst.children.spawn, settings=settings.conf / _CANDIDATE
    )


async def _written(inst: Instance) -> Mapping[str, int]:
    """Return the settings that the log on the volume was written with, none without a database.

    Raises:
        ProgramError: the control file cannot be read.
    """
    settings = inst.settings
    if not await asyncio.to_thread((settings.pgdata / "global" / "pg_control").exists):
        return {}
    return (await control.read(settings.programs, settings.pgdata, inst.children.spawn)).floors


def _wanted(inst: Instance, parameters: Mapping[str, str]) -> Configuration:
    settings, spec = inst.settings, inst.spec
    return Configuration(
        instance=settings.instance,
        listen=settings.listen,
        port=inst.own.sql_port,
        folder=settings.conf,
        sockets=settings.sockets,
        rule=inst.setting_rule,
        upstream=inst.upstream,
        parameters=parameters,
        max_slot_wal_keep_bytes=spec.max_slot_wal_keep_bytes,
    )


async def install_certificate(inst: Instance) -> None:
    """Copy the certificate to where the server reads it."""
    await asyncio.to_thread(inst.certificates.copy_to, inst.settings.conf / "tls")


async def await_setting(inst: Instance, name: str, value: str) -> None:
    """Wait until new sessions see a setting's value: the postmaster has then reloaded.

    Raises:
        CovetError: it did not within the bound.
    """
    deadline = inst.clock.monotonic() + RELOAD_SECONDS
    while inst.clock.monotonic() < deadline:
        async with inst.sql() as fresh:
            if await _shown(fresh, name) == value:
                return
        await asyncio.sleep(POLL_SECONDS)
    raise CovetError("ReloadTooSlow", f"The server did not take up {name} within {RELOAD_SECONDS:.0f} s.")


async def _shown(session: Session, name: str) -> str:
    return str(await session.value("SELECT current_setting($1)", name))


def _write_changed(inst: Instance, files: Mapping[str, str]) -> bool:
    folder = inst.settings.conf
    durable.make_folder(folder)
    changed = False
    for name, text in files.items():
        path = folder / name
        if path.exists() and path.read_bytes() == text.encode():
            continue
        durable.write(path, text.encode())
        changed = True
    return changed
