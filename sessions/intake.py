"""Reads what the workers wrote, in order, as words: the simplest use of the inboxes, for scripts and tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from sessions.inbox import InboxTail, StoredRow
from sessions.model import RAW, SessionId, Words, decode

SWEEP_S = 0.25  # covers a bell that was missed
BATCH = 500


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing that happened to a session. `words` is None for an event that has none yet; `row` is how it is stored."""

    session: SessionId
    words: Words | None
    row: StoredRow


class Intake:
    """Hears everything at least once: it is deleted when the next batch is asked for. With *at_most_once*, before it is handed out."""

    def __init__(self, spool: Path, rung: asyncio.Event, *, at_most_once: bool = False) -> None:
        self._spool = spool
        self._at_most_once = at_most_once
        self._rung = rung
        self._looks = 0
        self._empty = asyncio.Condition()

    async def emptied(self) -> None:
        """Wait until a look that begins after this call finds nothing left to hear."""
        async with self._empty:
            seen = self._looks
            await self._empty.wait_for(lambda: self._looks >= seen + 2)  # one look may be under way already

    async def batches(self) -> AsyncGenerator[list[Heard]]:
        """Answer what happened, batch by batch, waiting for more; end it by closing the generator."""
        tail = InboxTail(self._spool)
        try:
            while True:
                self._rung.clear()
                rows = await asyncio.to_thread(tail.read, BATCH)
                if rows:
                    if self._at_most_once:
                        await asyncio.to_thread(tail.done, rows)
                    yield [_heard(row) for _file, row in rows]
                    if not self._at_most_once:
                        await asyncio.to_thread(tail.done, rows)
                else:
                    async with self._empty:
                        self._looks += 1
                        self._empty.notify_all()
                    await _wait(self._rung)
        finally:
            tail.close()


def _heard(row: StoredRow) -> Heard:
    words = None if row.kind == RAW or row.body is None else decode(row.kind, row.body)
    return Heard(SessionId(row.session), words, row)


async def _wait(rung: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(rung.wait(), SWEEP_S)
    except TimeoutError:
        return
