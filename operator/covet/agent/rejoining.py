"""Back into line: a member off its leader's lineage discards what no leader had, or starts over as a new member.

pg_rewind needs the log that it discards, overwrites it on the way and cannot be repeated by itself. So what
it reads is saved first; a rewind that was interrupted puts that back and begins again. A rewound server is
whole only after it replayed the leader's log up to the moment of the rewind; until then nothing is answered.
"""

import asyncio
import dataclasses
import logging
import os
import shutil
from pathlib import Path
from typing import Final

from covet.agent import durable, fencing, following, running, threads
from covet.agent.damage import Kind
from covet.agent.instance import Instance
from covet.core.agentapi import Discarded, Position, Rule
from covet.core.agentorders import CheckpointRequest, JoinAnswer
from covet.core.errors import CovetError, RefusedError, UnreachableError
from covet.engines import configuration, control, rewinding, timelines, wal
from covet.engines.programs import ProgramError
from covet.peers import codec
from covet.planner import lineage

LOG: Final = logging.getLogger("covet.rejoining")

CHECKPOINT_SECONDS: Final = 130.0
"""How long the leader's agent may take; longer than it waits for its own checkpoint."""
REPLAY_SECONDS: Final = 600.0
"""How long replay of the own log may take."""
CATCH_UP_SECONDS: Final = 120.0
"""How long a rewound server may take to get to where it is whole."""
LISTEN_SECONDS: Final = 30.0
REWIND_SECONDS: Final = 1800.0
POLL_SECONDS: Final = 0.02
TRIES: Final = 2

_LINE_BROKE: Final = ("connection to server", "server closed the connection", "could not receive", "could not send")
_LACKS: Final = ("No space left", "quota exceeded", "Read-only file system", "Cannot allocate memory", "Too many open")
"""What the machine says when it lacks something that may come back."""
_SAVED: Final = "rewind"
"""Folder beside the agent's files: what pg_rewind reads of the own log."""


class RewindImpossibleError(CovetError):
    """The volume cannot be brought back into line; it has to be cloned anew."""


@dataclasses.dataclass(frozen=True)
class Mark:
    """rewind.json: pg_rewind has begun, so the data directory may be a mixture.

    Args:
        term: of the leader that was rewound from; another one's files do not fit the mixture.
        own: where the own log ended.
        shared: up to where it was the leader's.
        rewound: pg_rewind has ended; the server is whole once it replayed enough.
    """

    term: int
    own: Position
    shared: int
    rewound: bool = False


async def rejoin(inst: Instance, leader: str, term: int) -> None:
    """Discard what the leader's log does not hold and come up as a closed follower of nobody.

    Args:
        inst: the agent; promise.json says that it rewinds, so it does not vote meanwhile.
        leader: member name of the leader.
        term: the one it leads.

    Raises:
        RewindImpossibleError: this volume cannot be brought back into line.
        CovetError: the leader is unreachable, or something failed that a repeat may mend.
    """
    try:
        await _rejoin(inst, leader, term)
    except RefusedError as error:
        if error.reason != "LogMissing":
            raise
        raise RewindImpossibleError(error.reason, error.message) from error


async def _rejoin(inst: Instance, leader: str, term: int) -> None:
    mark = await asyncio.to_thread(_read_mark, inst)
    if mark is not None and mark.term != term:
        raise RewindImpossibleError(
            "RewindOfOtherTerm", f"A rewind from the leader of term {mark.term} was interrupted; {term} leads now."
        )
    answer = await following.ask(inst, leader, term)
    await following.detach(inst, term)
    if inst.admitting:
        await running.stop_at_once(inst)  # clients would read what no leader had, for as long as the checkpoint takes
    if mark is None or not mark.rewound:
        mark = await _rewind(inst, leader, term, answer, mark)
    if mark is not None:
        await _catch_up(inst, leader, term, answer)
        await threads.finish(forget, inst)
    LOG.info("Back on the lineage of %s.", leader)


async def _rewind(inst: Instance, leader: str, term: int, answer: JoinAnswer, mark: Mark | None) -> Mark | None:
    """Rewind unless the own log lies on the leader's lineage; None if it does."""
    checkpoint = await inst.client.checkpoint(
        inst.peer(inst.instance_of(leader)), CheckpointRequest(term), CHECKPOINT_SECONDS
    )
    answer = dataclasses.replace(
        answer,
        timeline=checkpoint.timeline,
        flushed=checkpoint.flushed,
        history=checkpoint.history,
        oldest=checkpoint.oldest,
    )
    await threads.finish(inst.certificates.copy_to, inst.volume.credentials(term))
    source = _source(inst, leader, term)
    if mark is None:
        await _replay(inst)
        own = await following.read_position(inst)
        fault = following.fault_of(own, leader, answer)
        if fault is None:
            return None
        if fault[0] == "LogMissing":
            raise RewindImpossibleError(*fault)
        await running.stop(inst)
        await _remove_signal(inst)
        await _settle(inst, own)
        begin = await _plan(inst, source, answer)
        mark = await threads.finish(_save, inst, own, answer, begin)
    else:
        await running.stop(inst)
        await threads.finish(_restore, inst)
    await _run(inst, source)
    mark = dataclasses.replace(mark, rewound=True)
    await threads.finish(_finish, inst, mark, answer)
    discarded = mark.own.lsn - mark.shared
    inst.metrics.discarded_bytes.inc(discarded)
    inst.chronicle.discarded = Discarded(term, discarded)
    LOG.warning(
        "Discarded %d bytes of log, from %s to %s on timeline %d: no leader had them.",
        discarded,
        timelines.text_of(mark.shared),
        timelines.text_of(mark.own.lsn),
        mark.own.term,
    )
    return mark


def _source(inst: Instance, leader: str, term: int) -> str:
    """Return the libpq string that reaches the leader's database `postgres`."""
    upstream = following.upstream(inst, Rule(term, 0, leader, (), 0), "")
    return configuration.connection(upstream, "covet-rewind") + " dbname='postgres'"


async def _replay(inst: Instance) -> None:
    """Replay all of the own log, following nobody.

    Raises:
        CovetError: the server does not come up, or not within the bound.
    """
    await running.start_closed(inst)
    deadline = inst.clock.monotonic() + REPLAY_SECONDS
    async with inst.sql() as session:
        while not await wal.replayed_all(session):
            if inst.clock.monotonic() > deadline:
                raise CovetError("ReplayTooSlow", f"The own log was not replayed within {REPLAY_SECONDS:.0f} s.")
            await asyncio.sleep(POLL_SECONDS)


async def _remove_signal(inst: Instance) -> None:
    """Remove standby.signal: pg_rewind is not for a server that is to recover."""

    def remove() -> None:
        (inst.volume.pgdata / "standby.signal").unlink(missing_ok=True)
        durable.sync_folder(inst.volume.pgdata)

    await threads.finish(remove)


async def _settle(inst: Instance, own: Position) -> None:
    """Bring the control file of a former leader to the timeline of its reign, if that ended before a checkpoint.

    Nobody but its leader writes to a timeline, so what this adds to the log lies behind every fork of it. The log of
    another one's reign is left as it is: that leader may have gone on where this log ends.
    """
    if inst.sworn is None or inst.sworn.led != own.term:
        return
    settings = inst.settings
    found = await control.read(settings.programs, settings.pgdata, inst.children.spawn)
    if found.timeline >= own.term:
        return
    LOG.info("The reign of term %d ended before its first checkpoint: recovering.", own.term)
    file = settings.conf / "postgresql.conf"
    await rewinding.settle(settings.programs, settings.pgdata, inst.children.spawn, settings=file, limit=REPLAY_SECONDS)


async def _plan(inst: Instance, source: str, answer: JoinAnswer) -> int:
    """Ask pg_rewind, without a change, where it would begin to read the own log.

    Raises:
        RewindImpossibleError: it cannot, or the leader's log no longer reaches back to there.
    """
    try:
        begin = await rewinding.plan(
            inst.settings.programs, inst.volume.pgdata, inst.children.spawn, source=source, limit=REWIND_SECONDS
        )
    except ProgramError as error:
        _refuse_passing(error)
        raise RewindImpossibleError("RewindRefused", error.message) from error
    if begin // timelines.SEGMENT_BYTES * timelines.SEGMENT_BYTES < answer.oldest:
        raise RewindImpossibleError(
            "LogMissing",
            f"The leader has its log from {timelines.text_of(answer.oldest)} on, needed is {timelines.text_of(begin)}.",
        )
    return begin


def _refuse_passing(error: ProgramError) -> None:
    """Raise what an error of pg_rewind means if it may pass: the leader went away, or the machine lacks something.

    Raises:
        UnreachableError: the leader went away.
        ProgramError: it took too long, or there is no room, no memory, or a file system that takes no writes.
    """
    if any(text in error.message for text in _LINE_BROKE):
        raise UnreachableError("LeaderUnreachable", error.message) from error
    if error.reason == "ProgramTooSlow" or any(text in error.message for text in _LACKS):
        raise error


async def _run(inst: Instance, source: str) -> None:
    """Run pg_rewind; once more over what was saved if it fails.

    Raises:
        RewindImpossibleError: it failed twice.
        UnreachableError: the leader went away.
        ProgramError: it failed for something that may pass.
    """
    for attempt in range(1, TRIES + 1):
        try:
            await rewinding.rewind(
                inst.settings.programs, inst.volume.pgdata, inst.children.spawn, source=source, limit=REWIND_SECONDS
            )
        except ProgramError as error:
            _refuse_passing(error)
            LOG.warning("%s", error.message)
            if attempt == TRIES:
                raise RewindImpossibleError("RewindFailed", error.message) from error
            await threads.finish(_restore, inst)
        else:
            return


async def _catch_up(inst: Instance, leader: str, term: int, answer: JoinAnswer) -> None:
    """Start the rewound server and let it replay what it needs to be whole, under a name that acknowledges nothing.

    Raises:
        RewindImpossibleError: it ended, and said that its data are damaged.
        CovetError: it does not get there this time; evidence that it never will is kept.
    """
    await running.stop(inst)
    await threads.finish(following.write_chain, inst, answer, 1)
    # Not a start as any other: the end of the log here is not where the server has to get to.
    await running.start(inst, primary=False)
    try:
        await _await_listening(inst)
        await following.point(inst, Rule(term, 0, leader, (), 0), f"clone_{inst.settings.instance}")
        await running.await_ready(inst, CATCH_UP_SECONDS)
    except CovetError as error:
        await _judge_rewound(inst, leader, term, error)
        raise
    await fencing.end_receiving(inst)


async def _judge_rewound(inst: Instance, leader: str, term: int, error: CovetError) -> None:
    """Keep what a rewound server that failed tells: nothing while its leader is away or its volume has no room.

    Raises:
        RewindImpossibleError: it said that its data are damaged.
        CovetError: the leader is away.
    """
    if inst.server.damage:
        raise RewindImpossibleError("RewoundServerFailed", inst.server.damage) from error
    await following.ask(inst, leader, term)
    if not inst.cramped:
        inst.damage.see(Kind.REWOUND, error.message, inst.clock.monotonic())


async def _await_listening(inst: Instance) -> None:
    """Wait until the server listens: before, a reload would be the end of it, for it has no handler of that signal."""
    *_, socket = inst.leftovers()
    deadline = inst.clock.monotonic() + LISTEN_SECONDS
    while not socket.exists():
        if inst.server.pid is None or inst.clock.monotonic() > deadline:
            raise CovetError("ServerDied", f"The server ended with {inst.last_exit} before it listened.")
        await asyncio.sleep(POLL_SECONDS)


# ---------------------------------------------------------------- what is saved


def _read_mark(inst: Instance) -> Mark | None:
    """Return the mark of a rewind that has begun, None without one.

    Raises:
        RewindImpossibleError: it makes no sense.
        OSError: it cannot be read now.
    """
    try:
        return codec.decode((inst.volume.agent / "rewind.json").read_bytes(), Mark)
    except FileNotFoundError:
        return None
    except CovetError as error:
        raise RewindImpossibleError("StateCorrupt", f"rewind.json cannot be read: {error}.") from error


def _write_mark(inst: Instance, mark: Mark) -> None:
    durable.write(inst.volume.agent / "rewind.json", codec.encode(mark) + b"\n")


def _save(inst: Instance, own: Position, answer: JoinAnswer, begin: int) -> Mark:
    """Copy what pg_rewind reads here, then write the mark: from then on the data directory may be a mixture.

    Raises:
        OSError: there is no room, or the copy failed; nothing was changed.
    """
    pgdata, folder = inst.volume.pgdata, inst.volume.agent / _SAVED
    shutil.rmtree(folder, ignore_errors=True)
    durable.make_folder(folder / "pg_wal")
    first = begin // timelines.SEGMENT_BYTES * timelines.SEGMENT_BYTES
    end = own.lsn + timelines.SEGMENT_BYTES  # a checkpoint may have been added
    there = [name for name in timelines.segments(pgdata) if first <= timelines.begin(name) < end]
    # Of a segment with many forks in it one file is read: the others would only fill the volume.
    wanted = [*timelines.newest(there, own.term)]
    wanted += [path.name for path in (pgdata / "pg_wal").glob("*.history")]
    for name in wanted:
        _copy(pgdata / "pg_wal" / name, folder / "pg_wal" / name)
    _copy(pgdata / "global" / "pg_control", folder / "pg_control")
    durable.sync_folder(folder / "pg_wal")
    durable.sync_folder(folder)
    leads = Position(answer.timeline, answer.flushed or 0)
    shared = lineage.common_end(own, timelines.read(pgdata, own.term), leads, answer.history)
    mark = Mark(answer.timeline, own, shared)
    _write_mark(inst, mark)
    return mark


def _restore(inst: Instance) -> None:
    """Put back what pg_rewind reads here."""
    pgdata, folder = inst.volume.pgdata, inst.volume.agent / _SAVED
    for path in (folder / "pg_wal").iterdir():
        _copy(path, pgdata / "pg_wal" / path.name)
    _copy(folder / "pg_control", pgdata / "global" / "pg_control")
    (pgdata / "backup_label").unlink(missing_ok=True)
    (pgdata / "standby.signal").unlink(missing_ok=True)
    for part in ("pg_wal", "global", ""):
        durable.sync_folder(pgdata / part)


def _copy(source: Path, target: Path) -> None:
    """Copy a file and make its content durable; blocks are shared where the file system can."""
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())


def _finish(inst: Instance, mark: Mark, answer: JoinAnswer) -> None:
    """Give the rewound server the histories of its line, then note that pg_rewind has ended."""
    pgdata = inst.volume.pgdata
    for path in timelines.strangers(pgdata, answer.timeline, answer.history, answer.timeline):
        path.unlink(missing_ok=True)
    following.write_chain(inst, answer, 1)
    durable.sync_folder(pgdata / "pg_wal")
    _write_mark(inst, mark)
    shutil.rmtree(inst.volume.agent / _SAVED, ignore_errors=True)


def forget(inst: Instance) -> None:
    """Remove the mark, and then what was saved."""
    (inst.volume.agent / "rewind.json").unlink(missing_ok=True)
    durable.sync_folder(inst.volume.agent)
    shutil.rmtree(inst.volume.agent / _SAVED, ignore_errors=True)
