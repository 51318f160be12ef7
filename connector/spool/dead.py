"""Rows that could not be delivered: listed, delivered after all, or thrown away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from connector.spool import tables
from connector.spool.clock import wall_us
from connector.spool.database import Database
from connector.spool.rows import INBOUND, DeadLetter, Ended, OutRow
from connector.spool.tally import Tally

PAGE = 500
_COLUMNS = "id, sink, chain, op, body, reason, at_us"


class DeadLetters:
    """The dead letters of every sink. *now_us*: unix microseconds. Methods raise `SpoolError`."""

    def __init__(self, database: Database, tally: Tally, now_us: Callable[[], int] = wall_us) -> None:
        self._database = database
        self._tally = tally
        self._now_us = now_us

    async def list(self, *, sink: str | None = None, after: int = 0, limit: int = PAGE) -> Sequence[DeadLetter]:
        """Answer up to *limit* (500 at most) letters whose id follows *after*, the oldest first, of one sink or of all."""
        page = max(0, min(limit, PAGE))
        if sink is None:
            where, values = "id > ?", (after,)
        else:
            where, values = "sink = ? AND id > ?", (sink, after)
        return await self._database.read(lambda db: _select(db, f"{where} ORDER BY id LIMIT {page}", *values))

    async def get(self, letter: int) -> DeadLetter | None:
        """Answer one letter."""
        found = await self._database.read(lambda db: _select(db, "id = ?", letter))
        return found[0] if found else None

    async def replay(self, letter: int) -> bool:
        """Put a letter at the end of its sink's queue, and answer whether it was there.

        Not for letters of `INBOUND` (`ValueError`): those have to be processed first, which the mover does.
        """

        def work(db: sqlite3.Connection) -> list[DeadLetter]:
            found = _select(db, "id = ?", letter)
            if any(it.sink == INBOUND for it in found):
                raise ValueError("A letter of the inbox is replayed by the mover.")
            tables.insert_rows(db, found, self._now_us())
            _delete(db, letter)
            return found

        def after(found: list[DeadLetter]) -> None:
            self._tally.exhumed(found)
            self._tally.put(found)

        return bool(await self._database.write(work, after))

    async def replace(self, letter: DeadLetter, rows: Sequence[OutRow], ended: Sequence[Ended] = ()) -> bool:
        """Store what came of *letter* in its place, and answer whether it was still there; if not, nothing is stored."""

        def work(db: sqlite3.Connection) -> bool:
            there = _delete(db, letter.id)
            if there:
                tables.insert_rows(db, rows, self._now_us())
                for it in ended:
                    tables.settle(db, it)
            return there

        def after(there: bool) -> None:
            if there:
                self._tally.exhumed([letter])
                self._tally.put(rows)

        return await self._database.write(work, after)

    async def discard(self, letter: int) -> bool:
        """Throw a letter away for good, and answer whether it was there."""

        def work(db: sqlite3.Connection) -> list[DeadLetter]:
            found = _select(db, "id = ?", letter)
            _delete(db, letter)
            return found

        return bool(await self._database.write(work, self._tally.exhumed))


def _select(db: sqlite3.Connection, where: str, *values: str | int) -> list[DeadLetter]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM dead WHERE {where}", values).fetchall()  # noqa: S608 - conditions are ours
    return [DeadLetter(*row[1:5], id=row[0], reason=row[5], at_us=row[6]) for row in rows]


def _delete(db: sqlite3.Connection, letter: int) -> bool:
    return db.execute("DELETE FROM dead WHERE id = ?", (letter,)).rowcount == 1
