"""Writes the sessions' records down without holding up the loop: the newest of each session, one file at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context

from loguru import logger

from sessions.model import SessionId
from sessions.register import Record

AGAIN_S = 2.0  # a disk that refused a record is asked again


class Scribe:
    """Keeps records with *save*, on a thread. What is kept again before it was written is written once."""

    def __init__(self, save: Callable[[Record], None]) -> None:
        self._save = save
        self._pending: dict[SessionId, Record] = {}
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._refused = False

    def keep(self, record: Record) -> None:
        """Have *record* written in place of the one before. Never fails: a disk that refuses is asked again."""
        self._pending.pop(record.id, None)
        self._pending[record.id] = record
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="records", context=Context())

    async def drop(self, session: SessionId) -> None:
        """Write nothing more of *session*: its files are about to go. Returns when no write of it is under way."""
        self._pending.pop(session, None)
        async with self._writing:
            self._pending.pop(session, None)

    async def stop(self) -> None:
        """Write what is left. What the disk refuses now is lost, and said."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._pending:
            if not await self._write_one():
                logger.error("The records of {} sessions could not be written", len(self._pending))
                return

    async def _run(self) -> None:
        while self._pending:
            if not await self._write_one():
                await asyncio.sleep(AGAIN_S)

    async def _write_one(self) -> bool:
        async with self._writing:
            if not self._pending:
                return True
            session, record = next(iter(self._pending.items()))
            writing = asyncio.ensure_future(asyncio.to_thread(self._save, record))
            try:
                await asyncio.shield(writing)
            except OSError as error:
                self._say_refused(error)
                return False
            except asyncio.CancelledError:
                # The thread writes on: the next must not overtake it, and what it meets is nobody's news any more.
                await asyncio.gather(writing, return_exceptions=True)
                raise
            self._refused = False
            if self._pending.get(session) is record:
                del self._pending[session]
            return True

    def _say_refused(self, error: OSError) -> None:
        if not self._refused:
            logger.error("A session's record could not be written, and is tried again: {}", error.strerror)
        self._refused = True
