"""Steps that do on disk and with the engine what a service does: keep a row and read it, start a worker."""

from __future__ import annotations

import os
import sqlite3
from asyncio import to_thread
from contextlib import suppress
from pathlib import Path
from typing import cast

from connector.checkup.ground import Ground
from connector.checkup.steps import Finding, failed, fine
from connector.spool import SpoolDamaged, SpoolError, SpoolFull, file
from connector.spool.clock import VersionClock, wall_us
from connector.spool.database import Database
from sessions.engine.process import Hearing, WorkerProcess
from sessions.errors import SessionsError

_PROBE = b"probe"


async def spool(ground: Ground) -> Finding:
    """Keep a row for good, read it back; recognise what lies there already."""
    folder = ground.data.path / "spool"
    probe = folder / f".check-{os.getpid()}.db"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        waiting = await to_thread(_recognised, folder / file.NAME)
        kept = await _kept(probe)
    except (SpoolError, sqlite3.Error, OSError) as error:
        return _trouble(folder, error)
    finally:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                probe.with_name(probe.name + suffix).unlink()
    if kept != _PROBE:
        return failed(f"{folder} gave back something else than was written.", "Look for faults of this disk.")
    return fine(f"a row was kept and read back; {waiting} wait to be delivered")


def _recognised(path: Path) -> int:
    """Answer how many rows wait, having proved that one more could be added."""
    if not path.exists():
        return 0
    file.prepare(path)
    db = file.connect(path, "full")
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE clock SET last = last")
        db.execute("ROLLBACK")
        return int(db.execute("SELECT count(*) FROM outbox").fetchone()[0])
    finally:
        db.close()


async def _kept(probe: Path) -> bytes:
    database = await to_thread(Database, probe, VersionClock(wall_us))
    try:
        words = ("check", "check", "check", _PROBE, wall_us())
        await database.write(
            lambda db: (
                db.execute("INSERT INTO outbox (sink, chain, op, body, at_us) VALUES (?, ?, ?, ?, ?)", words).rowcount
            )
        )
        return cast(bytes, await database.read(lambda db: db.execute("SELECT body FROM outbox").fetchone()[0]))
    finally:
        await database.close()


def _trouble(folder: Path, error: Exception) -> Finding:
    if isinstance(error, SpoolFull):
        return failed(f"{folder} takes no more.", "Free some space on its disk, or raise the quota.")
    if isinstance(error, SpoolDamaged):
        return failed(str(error), "Put back a backup, or move the file away: what waited in it is then not delivered.")
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return failed(f"{folder} cannot be written ({why}).", "Give this user the folder with all that is in it.")


async def engine(ground: Ground) -> Finding:
    """Start a worker as the service does, with the engine in it, and let it go again."""
    launch = ground.launch(ground.settings, ground.scratch("engine"))
    hearing = Hearing(notice=lambda _notice: None, wake=lambda: None, line=lambda _name, _line: None)
    try:
        worker = await WorkerProcess.start("check", launch, hearing)
    except (SessionsError, OSError) as error:
        return failed(
            f"The engine does not start: {_last_line(error)}", "Run ./scripts/setup again, and look at what it says."
        )
    pid = worker.pid
    try:
        await worker.drain()
    finally:
        await worker.kill()
    return fine(f"a worker (process {pid}) loaded the engine and ended in order")


def _last_line(error: Exception) -> str:
    """Answer the last thing that the worker said, which is why it ended."""
    said = "\n".join(getattr(error, "__notes__", [])).strip().splitlines()
    last = said[-1] if said else str(error)
    return last.removeprefix("ImportError: ").rstrip(".") + "."
