"""Rows that could not be delivered: listed, delivered after all, or thrown away."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connector.spool import tables
from connector.spool.clock import wall_us
from connector.spool.database import Database
from connector.spool.rows import INBOUND, DeadLetter, Ended, OutRow
from connector.spool.tally import Tally

PAGE = 500
_COLUMNS = "id, sink, chain, op, body, reason, at_us, seq"


@dataclass(frozen=True, slots=True)
class Which:
    """Some dead letters: those of a sink, of a chain, with exactly this reason. None: whichever."""

    sink: str | None = None
    chain: str | None = None
    reason: str | None = None

    @property
    def condition(self) -> tuple[str, list[str | int]]:
        """The condition in SQL, and its values."""
        wanted = {"sink": self.sink, "chain": self.chain, "reason": self.reason}
        given = {name: value for name, value in wanted.items() if value is not None}
        return " AND ".join(["TRUE", *(f"{name} = ?" for name in given)]), list(given.values())


ALL = Which()


class DeadLetters:
    """The dead letters of every sink. *now_us*: unix microseconds. Methods raise `SpoolError`."""

    def __init__(self, database: Database, tally: Tally, now_us: Callable[[], int] = wall_us) -> None:
        self._database = database
        self._tally = tally
        self._now_us = now_us

    async def list(self, which: Which = ALL, *, after: int = 0, limit: int = PAGE) -> Sequence[DeadLetter]:
        """Answer up to *limit* (500 at most) letters whose id follows *after*, the oldest first."""
        page = max(0, min(limit, PAGE))
        where, values = which.condition
        return await self._database.read(
            lambda db: _select(db, f"{where} AND id > ? ORDER BY id LIMIT ?", *values, after, page)
        )

    async def count(self, which: Which = ALL) -> int:
        """Answer how many letters there are."""
        where, values = which.condition
        asked = f"SELECT count(*) FROM dead WHERE {where}"  # noqa: S608 - conditions are ours
        return await self._database.read(lambda db: db.execute(asked, values).fetchone()[0])

    async def newest(self) -> int:
        """Answer the greatest id there is, 0 where there is none."""
        return await self._database.read(lambda db: db.execute("SELECT coalesce(max(id), 0) FROM dead").fetchone()[0])

    async def get(self, letter: int) -> DeadLetter | None:
        """Answer one letter."""
        found = await self._database.read(lambda db: _select(db, "id = ?", letter))
        return found[0] if found else None

    async def replay(self, letters: Sequence[int], behind: Sequence[OutRow] = ()) -> Sequence[DeadLetter]:
        """Put letters (500 at most) back into their places in the queues, in one transaction; answer those that were there.

        Rows *behind* them come last in their queues; none where no letter was there.
        A letter is offered before everything that came after it and still waits. What was delivered meanwhile went before it.
        Not for letters of `INBOUND` (`ValueError`): those have to be processed first, which the mover does.
        """

        def work(db: sqlite3.Connection) -> list[DeadLetter]:
            found = _these(db, letters)
            if any(it.sink == INBOUND for it in found):
                raise ValueError("A letter of the inbox is replayed by the mover.")
            tables.restore_rows(db, found, self._now_us())
            _delete(db, found)
            if found:
                tables.insert_rows(db, behind, self._now_us())
            return found

        def after(found: list[DeadLetter]) -> None:
            self._tally.exhumed(found)
            self._tally.put(found)
            if found:
                self._tally.put(behind)

        return await self._database.write(work, after)

    async def replace(self, letter: DeadLetter, rows: Sequence[OutRow], ended: Sequence[Ended] = ()) -> bool:
        """Store what came of *letter* in its place, and answer whether it was still there; if not, nothing is stored."""

        def work(db: sqlite3.Connection) -> bool:
            there = _delete(db, [letter]) == 1
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

    async def discard(self, letter: int) -> DeadLetter | None:
        """Throw a letter away for good, and answer it; None when it was not there."""

        def work(db: sqlite3.Connection) -> list[DeadLetter]:
            found = _these(db, [letter])
            _delete(db, found)
            return found

        found = await self._database.write(work, self._tally.exhumed)
        return found[0] if found else None

    async def expire(self, *, before_us: int, limit: int = PAGE) -> Counter[str]:
        """Throw away up to *limit* letters that were set aside before *before_us*; answer how many of each sink."""

        def work(db: sqlite3.Connection) -> list[DeadLetter]:
            found = _select(db, "at_us < ? ORDER BY at_us LIMIT ?", before_us, min(limit, PAGE))
            _delete(db, found)
            return found

        return Counter(it.sink for it in await self._database.tidy(work, self._tally.exhumed))


def _these(db: sqlite3.Connection, letters: Sequence[int]) -> list[DeadLetter]:
    marks = ",".join("?" * len(letters))
    return _select(db, f"id IN ({marks}) ORDER BY id", *letters)


def _select(db: sqlite3.Connection, where: str, *values: str | int) -> list[DeadLetter]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM dead WHERE {where}", values).fetchall()  # noqa: S608 - conditions are ours
    return [DeadLetter(*row[1:5], id=row[0], reason=row[5], at_us=row[6], seq=row[7]) for row in rows]


def _delete(db: sqlite3.Connection, letters: Sequence[DeadLetter]) -> int:
    return db.executemany("DELETE FROM dead WHERE id = ?", [(it.id,) for it in letters]).rowcount
