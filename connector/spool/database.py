"""The one thread that touches the spool's file, and how a crowd of writers shares one commit."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal, TypeVar

from connector.spool import file
from connector.spool.clock import VersionClock
from connector.spool.errors import SpoolClosed, SpoolError, in_words, is_full

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Done inside a transaction that others share: it commits nothing itself, and is done again when the disk had to be relieved."""

GROUP = 64  # jobs in one commit


@dataclass(slots=True)
class _Job:
    kind: Literal["write", "tidy", "read"]
    work: Work[Any]
    after: Callable[[Any], None] | None = None
    future: Future[Any] = field(default_factory=Future[Any])


def _nothing_to_relieve() -> bool:
    return False


class Database:
    """The spool's file at *path*, made when it is missing. Every method may be called from any task; the work runs on one thread.

    What waits together is committed together: fifty sends that begin at once cost one fsync. *relieve* is called, on that thread,
    when the disk is full; when it answers that it freed something the work is done once more.
    Raises `SpoolError` when the file cannot be used.
    """

    def __init__(self, path: Path, clock: VersionClock, *, relieve: Callable[[], bool] = _nothing_to_relieve) -> None:
        self.clock = clock
        self._relieve = relieve
        self._log = path.with_name(f"{path.name}-wal")
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()  # bounded by its callers: each waits for its own
        self._entry = threading.Lock()
        self._closed = False
        try:
            self._open(path)
        except (sqlite3.Error, OSError) as error:
            if not (is_full(error) and relieve()):
                raise in_words(error) from error
            self._open(path)
        clock.not_before(self._stored_version)
        self._thread = threading.Thread(target=self._serve, name="spool-database", daemon=True)
        self._thread.start()

    async def write(self, work: Work[T], after: Callable[[T], None] | None = None) -> T:
        """Do *work* in a transaction that survives a power cut; *after* is told of it on the thread, even if nobody waits any more."""
        return await self._ask(_Job("write", work, after))

    async def tidy(self, work: Work[T], after: Callable[[T], None] | None = None) -> T:
        """Do *work* in a transaction that a power cut may undo: for what is merely done again then."""
        return await self._ask(_Job("tidy", work, after))

    async def read(self, work: Work[T]) -> T:
        """Do *work*, which changes nothing and leaves no cursor open."""
        return await self._ask(_Job("read", work))

    async def close(self) -> None:
        """Do what was asked for so far, then close the file. To close twice is harmless."""
        with self._entry:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _open(self, path: Path) -> None:
        file.prepare(path)
        self._full = file.connect(path, "full")
        self._normal = file.connect(path, "normal")
        (self._stored_version,) = self._full.execute("SELECT last FROM clock").fetchone()

    async def _ask(self, job: _Job) -> Any:
        with self._entry:
            if self._closed:
                raise SpoolClosed
            self._jobs.put(job)
        return await asyncio.wrap_future(job.future)

    def _serve(self) -> None:
        for group in self._groups():
            claimed = [job for job in group if job.future.set_running_or_notify_cancel()]
            for kind, jobs in groupby(claimed, key=lambda job: job.kind):
                if kind == "read":
                    for job in jobs:
                        self._look(job)
                else:
                    self._commit(self._full if kind == "write" else self._normal, list(jobs))
        self._normal.close()
        self._full.close()

    def _groups(self) -> Iterator[Sequence[_Job]]:
        ended = False
        while not ended:
            group = [self._jobs.get()]
            with suppress(Empty):
                while group[-1] is not None and len(group) < GROUP:
                    group.append(self._jobs.get_nowait())
            ended = group[-1] is None
            yield [job for job in group if job]

    def _commit(self, db: sqlite3.Connection, jobs: list[_Job], *, again: bool = True) -> None:
        try:
            results = self._transact(db, jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered to those who wait
            if db.in_transaction:
                db.execute("ROLLBACK")
            if again and is_full(error) and self._make_room():
                self._commit(db, jobs, again=False)
                return
            for job in jobs:
                job.future.set_exception(in_words(error))
            return
        for job, result in zip(jobs, results, strict=True):
            _settle(job, result)

    def _make_room(self) -> bool:
        """Answer whether the disk got anything back: ballast, or the log (up to 4 MB), whose pages have their place already."""
        relieved = self._relieve()
        shrunk = False
        with suppress(sqlite3.Error, OSError):
            before = self._log.stat().st_size
            self._full.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            shrunk = self._log.stat().st_size < before
        return relieved or shrunk

    def _transact(self, db: sqlite3.Connection, jobs: list[_Job]) -> list[Any]:
        db.execute("BEGIN IMMEDIATE")
        results = [_apart(db, job) for job in jobs]
        last = self.clock.last
        if db is self._full and last > self._stored_version:
            db.execute("UPDATE clock SET last = ?", (last,))
        db.execute("COMMIT")
        if db is self._full:
            self._stored_version = max(last, self._stored_version)
        return results

    def _look(self, job: _Job) -> None:
        try:
            result = job.work(self._normal)
        except Exception as error:  # noqa: BLE001 - answered to the one who waits
            job.future.set_exception(in_words(error))
        else:
            job.future.set_result(result)


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


def _apart(db: sqlite3.Connection, job: _Job) -> Any:
    """Do a job so that its own mistake undoes nobody else's work. Trouble with the file is everybody's, and raised."""
    db.execute("SAVEPOINT job")
    try:
        result = job.work(db)
    except sqlite3.OperationalError:
        raise
    except Exception as error:
        if not db.in_transaction:
            raise
        db.execute("ROLLBACK TO job")
        result = _Failed(error)
    db.execute("RELEASE job")
    return result


def _settle(job: _Job, result: Any) -> None:
    if isinstance(result, _Failed):
        job.future.set_exception(in_words(result.error))
        return
    try:
        if job.after:
            job.after(result)
    except Exception as error:  # noqa: BLE001 - the thread must outlive it
        job.future.set_exception(SpoolError(f"Done, but its keeper failed: {type(error).__name__}."))
    else:
        job.future.set_result(result)
