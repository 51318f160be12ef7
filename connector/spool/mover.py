"""Moves what workers appended to their inboxes into the outbox: once, in order, whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from loguru import logger

from connector.spool.dead import DeadLetters
from connector.spool.disk import Disk
from connector.spool.errors import SpoolError
from connector.spool.inboxes import Inboxes
from connector.spool.outbox import Move, Outbox
from connector.spool.rows import INBOUND, DeadLetter, Ended, Grave, OutRow
from sessions.inbox import InboxFolder, StoredRow

BATCH = 200
SWEEP_S = 0.25  # covers a bell that was missed
SMALL = 20  # rows: a turn costs nearly the same for one as for so many,
GATHER_S = 0.003  # so after fewer it lets some gather
RETIRE_EVERY_S = 1.0
AGAIN_S = 1.0
STOP_S = 5.0

T = TypeVar("T")
Process = Callable[[str, StoredRow, Callable[[], int]], Sequence[OutRow | Ended]]
"""Says what an inbox row comes to: given its file, the row, and a source of versions. It runs on the event loop, so it does no I/O;
after a crash it may be asked about a row again. A row that it raises for goes to the dead letters."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of one inbox row."""

    file: str
    row: StoredRow
    items: Sequence[OutRow | Ended] = ()
    grave: Grave | None = None


class Mover:
    """Reads the inboxes of *folder* (and closes it in the end), asks *process*, stores what came of it, then deletes what was read.

    *rung* tells it to look at once. Rows are deleted only after the commit that holds what came of them and the cursor, so a kill
    at any point leads neither to a loss nor to a second outcome.
    """

    def __init__(
        self,
        folder: InboxFolder,
        outbox: Outbox,
        process: Process,
        *,
        dead: DeadLetters,
        disk: Disk,
        rung: asyncio.Event,
        batch: int = BATCH,
    ) -> None:
        self.moved = 0
        """Inbox rows moved since the start."""
        self.shut = False
        """Whether the gate is shut: the disk is nearly full, and a sink lags."""
        self._inboxes = Inboxes(folder, disk, {})
        self._folder = folder
        self._outbox = outbox
        self._process = process
        self._dead = dead
        self._disk = disk
        self._rung = rung
        self._batch = batch
        self._looks = 0
        self._empty = asyncio.Condition()
        self._stopping = asyncio.Event()
        self._retired_at = float("-inf")
        self._trouble = ""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool-mover")
        self._task: asyncio.Task[None] | None = None

    @property
    def troubles(self) -> Mapping[str, str]:
        """What keeps rows from being moved just now, by file (or "outbox"): one sentence each."""
        return {**self._inboxes.troubles, **({"outbox": self._trouble} if self._trouble else {})}

    async def start(self) -> None:
        """Take up where the last run stopped, and go on moving in a task. Raises `SpoolError`."""
        self._inboxes = Inboxes(self._folder, self._disk, await self._outbox.cursors())
        self._task = asyncio.create_task(self._run(), name="spool-mover")

    async def stop(self) -> None:
        """Finish the batch under way, close the inboxes. To stop twice, or what was not started, is harmless."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._rung.set()
        if self._task:
            await asyncio.wait({self._task}, timeout=STOP_S)
            self._task.cancel()
        await self._on_thread(self._inboxes.close)
        self._thread.shutdown(wait=False)

    async def drained(self) -> None:
        """Wait until a look that begins after this call finds nothing left to move. Files in `troubles` are not waited for."""
        async with self._empty:
            seen = self._looks
            self._rung.set()
            await self._empty.wait_for(lambda: self._looks >= seen + 2)  # one look may be under way already

    async def replay(self, letter: DeadLetter) -> bool:
        """Process a dead letter of `INBOUND` anew, and answer whether it was still there. Raises what *process* raises."""
        row = msgspec.msgpack.decode(letter.body, type=StoredRow)
        items = self._process(letter.op.rpartition(":")[0], row, self._outbox.next_version)
        rows = [it for it in items if isinstance(it, OutRow)]
        return await self._dead.replace(letter, rows, [it for it in items if isinstance(it, Ended)])

    async def _run(self) -> None:
        while not self._stopping.is_set():
            self._rung.clear()
            try:
                busy = await self._turn()
                self._recovered()
            except Exception as error:  # noqa: BLE001 - the mover must outlive whatever it meets; nothing is lost by trying again
                self._complain(error)
                busy = False
            if not busy:
                await self._pause()

    async def _turn(self) -> bool:
        """Move a batch; answer whether there was one."""
        self._heed_gate()
        found = await self._on_thread(lambda: self._inboxes.look(0 if self.shut else self._batch))
        if found:
            await self._store([self._make(file, row) for file, row in found])
            if len(found) < SMALL:
                await asyncio.sleep(GATHER_S)
            return True
        await self._retire()
        if not self.shut:
            async with self._empty:
                self._looks += 1
                self._empty.notify_all()
        return False

    def _heed_gate(self) -> None:
        shut = self._disk.shut(self._outbox.tally.deepest())
        if shut and not self.shut:
            logger.warning("The disk is nearly full: events are moved no faster than the slowest sink takes them.")
        self.shut = shut

    def _make(self, file: str, row: StoredRow) -> _Made:
        try:
            return _Made(file, row, self._process(file, row, self._outbox.next_version))
        except Exception as error:  # noqa: BLE001 - one row that cannot be processed must not hold up the rest
            return _buried(file, row, error)

    async def _store(self, made: Sequence[_Made]) -> None:
        """Store a batch, however long that takes; a row that cannot be stored goes to the dead letters."""
        while True:
            try:
                await self._outbox.move(_joined(made))
            except SpoolError as error:
                self._complain(error)
                if self._stopping.is_set():
                    return
                await self._pause()
            except Exception as error:
                if len(made) == 1 and made[0].grave:
                    raise
                if len(made) == 1:
                    made = [_buried(made[0].file, made[0].row, error)]
                    continue
                for one in made:
                    await self._store([one])
                return
            else:
                self._inboxes.read({it.file: it.row.seq for it in made})
                self.moved += len(made)
                self._recovered()
                return

    async def _retire(self) -> None:
        if time.monotonic() - self._retired_at < RETIRE_EVERY_S:
            return
        self._retired_at = time.monotonic()
        gone = await self._on_thread(self._inboxes.retire)
        if gone:
            await self._outbox.forget(gone)
        await self._on_thread(self._disk.tend)

    async def _pause(self) -> None:
        # In trouble a bell changes nothing: workers may ring a thousand times a second.
        event, seconds = (self._stopping, AGAIN_S) if self._trouble else (self._rung, SWEEP_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _complain(self, error: Exception) -> None:
        sentence = str(error) if isinstance(error, SpoolError) else f"{type(error).__name__} while moving."
        known = isinstance(error, SpoolError)
        if not self._trouble:
            logger.opt(exception=None if known else error).error("Events wait in the inboxes: {}", sentence)
        self._trouble = sentence

    def _recovered(self) -> None:
        if self._trouble:
            logger.info("Events are moved again.")
            self._trouble = ""


def _buried(file: str, row: StoredRow, error: Exception) -> _Made:
    # The error's own text may quote the message; its type and the place in the inbox are enough to find it.
    logger.error(
        "An event cannot be processed ({}) and goes to the dead letters: {}:{}", type(error).__name__, file, row.seq
    )
    body = msgspec.msgpack.encode(row)
    grave = Grave(
        OutRow(INBOUND, row.session, f"{file}:{row.seq}", body), f"It cannot be processed: {type(error).__name__}."
    )
    return _Made(file, row, grave=grave)


def _joined(made: Sequence[_Made]) -> Move:
    return Move(
        rows=[it for one in made for it in one.items if isinstance(it, OutRow)],
        ended=[it for one in made for it in one.items if isinstance(it, Ended)],
        dead=[one.grave for one in made if one.grave],
        cursors={one.file: one.row.seq for one in made},
    )
