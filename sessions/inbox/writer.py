"""Appends to one inbox, from any thread; what `append` returned for is committed."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sessions.errors import Locked
from sessions.inbox import files
from sessions.inbox.handover import rows_elsewhere
from sessions.inbox.rows import InboxError, InboxFull, Row

LOW_WATER_BYTES = 64 * 1024 * 1024
REARM = 1.25  # how many marks have to be free before low water can be signalled again
LOOK_EVERY = 16  # rows between two looks at the free space
BATCH = 500  # rows in one transaction

_INSERT = "INSERT INTO row (session, kind, code, at_us, body, raw, error, after) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_Values = tuple[str, str, int, int, bytes | None, bytes | None, str | None, bytes | None]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Slot:
    """A row on its way. Whoever commits it settles it, under the writer's lock.

    `led`: its own thread committed; `crossed`: its thread has low water to tell.
    """

    values: _Values
    settled: bool = False
    error: InboxError | None = None
    led: bool = False
    crossed: bool = False


def _nothing() -> None: ...


class InboxWriter:
    """The one writer of a fresh inbox at *path*.

    Threads queue their rows, then take turns at the one connection: whoever has it commits everything queued in one transaction
    (a combining lock), so a crowd costs little more than one. A session's first row here also looks where its earlier rows are
    (see `handover`): a few milliseconds, once.

    *wake* is called after a commit, *on_low* once each time the free space falls below *low_water_bytes* or the disk refuses a row,
    both from an appending thread that holds no lock: they may append, but not block. Low water is a signal only: rows are taken for
    as long as the disk takes them.

    Raises `InboxError` when *path* exists or another process writes it, `InboxFull` when it cannot be made.
    """

    def __init__(
        self,
        path: Path,
        *,
        wake: Callable[[], None],
        on_low: Callable[[], None] = _nothing,
        low_water_bytes: int = LOW_WATER_BYTES,
        sync: files.Sync = "normal",
        free_bytes: Callable[[Path], int] = files.free_bytes,
        created_us: int | None = None,
    ) -> None:
        self.path = path
        self.low = False
        """Whether free space is below the mark, or the disk refused a row."""
        self._wake = wake
        self._on_low = on_low
        self._low_water_bytes = low_water_bytes
        self._free_bytes = free_bytes
        self._queue: deque[_Slot] = deque()  # bounded by the threads: each waits for its own
        self._lock = threading.Lock()
        self._arrival = threading.Lock()
        self._known: set[str] = {""}
        self._not_looked = LOOK_EVERY
        self._crossed = False
        self._deaf: set[Callable[[], None]] = set()
        self._guard = files.writer_lock(path)
        self._db = self._begin(sync, time.time_ns() // 1_000 if created_us is None else created_us)

    def append(self, row: Row) -> None:
        """Commit *row*. Raises `InboxFull` or `InboxError`; then it is not stored."""
        slot = self._put(_values(row)) if row.session in self._known else self._put_first(row)
        if slot.led:
            self._tell(self._wake)
        if slot.crossed:
            self._tell(self._on_low)
        if slot.error:
            raise slot.error

    def release(self, session: str) -> None:
        """Forget *session*: should it come back, its rows follow those of the workers it was with. Call before its lock is given up."""
        with self._arrival:
            self._known.discard(session)

    def close(self) -> None:
        """Close the file after the append under way. Later appends raise `InboxError`; to close twice is harmless."""
        with self._lock:
            self._db.close()
            self._guard.release()

    def _begin(self, sync: files.Sync, created_us: int) -> sqlite3.Connection:
        try:
            self._guard.take()
        except Locked:
            raise InboxError(f"{self.path.name} is being written by another process.") from None
        except OSError as error:
            raise files.in_words(self.path, error) from error
        try:
            files.create(self.path, created_us)
            return files.open_for_writing(self.path, sync)
        except BaseException:
            if not self.path.exists():
                files.remove(self.path)
            self._guard.release()
            raise

    def _put_first(self, row: Row) -> _Slot:
        # Nobody else's row of this session may come before the one that says what to wait for.
        with self._arrival:
            first = row.session not in self._known
            slot = self._put(_values(row, rows_elsewhere(self.path, row.session) if first else None))
            if not slot.error:
                self._known.add(row.session)
        return slot

    def _put(self, values: _Values) -> _Slot:
        slot = _Slot(values)
        self._queue.append(slot)
        with self._lock:
            while not slot.settled:
                slot.led = True
                self._commit_queued()
            slot.crossed, self._crossed = self._crossed, False
        return slot

    def _commit_queued(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        try:
            self._store(batch)
        finally:
            # Whatever broke in (a Ctrl-C in the main thread), nobody may wait for ever.
            for slot in batch:
                if not slot.settled:
                    _settle(slot, InboxError(f"{self.path.name}: the append was interrupted."))
        self._watch_disk(batch)

    def _store(self, batch: Sequence[_Slot]) -> None:
        try:
            self._insert([slot.values for slot in batch])
        except sqlite3.OperationalError as error:
            for slot in batch:
                _settle(slot, files.in_words(self.path, error))
        except Exception as error:  # noqa: BLE001 - whatever a value can do, it is answered to its own thread only
            if len(batch) == 1:
                _settle(batch[0], files.in_words(self.path, error))
                return
            for slot in batch:
                self._store([slot])
        else:
            for slot in batch:
                _settle(slot)

    def _insert(self, rows: list[_Values]) -> None:
        if len(rows) == 1:
            self._db.execute(_INSERT, rows[0])
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(_INSERT, rows)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _watch_disk(self, batch: Sequence[_Slot]) -> None:
        if any(isinstance(slot.error, InboxFull) for slot in batch):
            self._set_low(True)
            return
        self._not_looked += len(batch)
        if self._not_looked < LOOK_EVERY:
            return
        self._not_looked = 0
        try:
            free = self._free_bytes(self.path)
        except Exception:  # noqa: BLE001  # the rows are stored: raised, it would have them written again. The next look may do better
            return
        if free < self._low_water_bytes:
            self._set_low(True)
        elif free >= self._low_water_bytes * REARM:
            self._set_low(False)

    def _set_low(self, low: bool) -> None:
        self._crossed = self._crossed or (low and not self.low)
        self.low = low

    def _tell(self, listener: Callable[[], None]) -> None:
        # The row is stored: a listener that fails must not make it look lost. Readers sweep anyway.
        try:
            listener()
        except Exception:
            log.log(
                logging.DEBUG if listener in self._deaf else logging.WARNING,
                "An inbox's listener failed",
                exc_info=True,
            )
            self._deaf.add(listener)


def _settle(slot: _Slot, error: InboxError | None = None) -> None:
    slot.error = error
    slot.settled = True


def _values(row: Row, after: dict[str, int] | None = None) -> _Values:
    # A library's own sentence may hold anything, and must not cost the row; what is ours or bytes is stored as it is.
    error = row.error and row.error.encode(errors="backslashreplace").decode()
    waits = msgspec.json.encode(after) if after else None
    return (row.session, row.kind, row.code, row.at_us, row.body, row.raw, error, waits)
