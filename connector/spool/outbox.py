"""Rows on their way out, one queue a sink, and how far each inbox was read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.spool import tables
from connector.spool.clock import wall_us
from connector.spool.database import Database
from connector.spool.rows import Ended, Grave, OutRow, StoredOut
from connector.spool.tally import Tally

READ_LIMIT = 1_000
_ROW = "sink, chain, op, body, seq, at_us"
_FIRST = f"SELECT {_ROW} FROM outbox WHERE sink = ? ORDER BY seq LIMIT ?"  # noqa: S608 - our own column names
# Each chain is found by one step in the index outbox_by_chain, however many rows wait in it.
_CHAINS = """
WITH RECURSIVE chains (name) AS (
  SELECT min(chain) FROM outbox WHERE sink = :sink
  UNION ALL
  SELECT (SELECT min(chain) FROM outbox WHERE sink = :sink AND chain > name) FROM chains WHERE name IS NOT NULL
  LIMIT :limit
)
"""
_COUNT = f"{_CHAINS} SELECT count(name) FROM chains"  # noqa: S608 - as above
HEADS = f"""
{_CHAINS}
SELECT {_ROW} FROM chains JOIN outbox ON seq IN (
  SELECT seq FROM outbox WHERE sink = :sink AND chain = name ORDER BY seq LIMIT :each
) WHERE name IS NOT NULL ORDER BY seq LIMIT :limit
"""  # noqa: S608 - our own column names
_EXPIRE = "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE sink = ? AND at_us < ? LIMIT ?)"
_CURSOR = "INSERT INTO cursor (file, seq) VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)"


@dataclass(frozen=True, slots=True)
class Move:
    """What came of a batch of inbox rows. `cursors`: up to which seq each file is read by it."""

    rows: Sequence[OutRow]
    cursors: Mapping[str, int]
    ended: Sequence[Ended] = ()
    dead: Sequence[Grave] = ()


class Outbox:
    """The queues. *now_us*: unix microseconds. Methods raise `SpoolError`; then nothing of what they were asked for was done."""

    def __init__(self, database: Database, tally: Tally, now_us: Callable[[], int] = wall_us) -> None:
        self._database = database
        self.tally = tally
        self._now_us = now_us

    def next_version(self) -> int:
        """Issue a version for a fact. It is kept by the commit that stores the fact."""
        return self._database.clock.next()

    async def put(self, rows: Sequence[OutRow]) -> None:
        """Store *rows*, all or none, in their order."""
        await self._database.write(
            lambda db: tables.insert_rows(db, rows, self._now_us()), lambda _: self.tally.put(rows)
        )

    async def move(self, move: Move) -> None:
        """Store what came of a batch of inbox rows and the cursors behind it, all or none."""

        def work(db: sqlite3.Connection) -> None:
            now_us = self._now_us()
            tables.insert_rows(db, move.rows, now_us)
            tables.insert_dead(db, move.dead, now_us)
            for ended in move.ended:
                tables.settle(db, ended)
            db.executemany(_CURSOR, list(move.cursors.items()))

        def after(_: None) -> None:
            self.tally.buried(grave.row for grave in move.dead)
            self.tally.put(move.rows)

        await self._database.write(work, after)

    async def cursors(self) -> dict[str, int]:
        """Answer up to which seq each inbox was read."""
        return await self._database.read(lambda db: dict(db.execute("SELECT file, seq FROM cursor").fetchall()))

    async def forget(self, files: Iterable[str]) -> None:
        """Forget the cursors of inboxes that are gone for good: no name comes back."""
        gone = [(name,) for name in files]

        def work(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM cursor WHERE file = ?", gone)

        await self._database.tidy(work)

    async def read(self, sink: str, limit: int) -> list[StoredOut]:
        """Answer the first *limit* rows (1,000 at most) that wait for *sink*."""
        rows = await self._database.read(lambda db: db.execute(_FIRST, (sink, min(limit, READ_LIMIT))).fetchall())
        return [_stored(row) for row in rows]

    async def heads(self, sink: str, limit: int) -> list[StoredOut]:
        """Answer up to *limit* rows (1,000 at most) that wait for *sink*: the first ones of each chain, as many of one as of another.

        However many rows one chain has, the others are among them: all others, up to *limit* chains.
        """

        def work(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
            asked: dict[str, str | int] = {"sink": sink, "limit": min(limit, READ_LIMIT)}
            (chains,) = db.execute(_COUNT, asked).fetchone()
            return db.execute(HEADS, {**asked, "each": max(1, int(asked["limit"]) // max(1, chains))}).fetchall()

        return [_stored(row) for row in await self._database.read(work)]

    async def delete(self, rows: Sequence[StoredOut]) -> None:
        """Delete what was delivered. A power cut may bring it back: it is delivered once more then."""
        if rows:
            await self._database.tidy(
                lambda db: tables.delete_rows(db, (row.seq for row in rows)), lambda _: self.tally.taken(rows)
            )

    async def expire(self, sink: str, *, before_us: int, limit: int = READ_LIMIT) -> int:
        """Throw away up to *limit* rows of *sink* that were stored before *before_us*; answer how many."""

        return await self._database.tidy(
            lambda db: db.execute(_EXPIRE, (sink, before_us, limit)).rowcount, lambda rows: self.tally.gone(sink, rows)
        )

    async def bury(self, row: StoredOut, reason: str) -> None:
        """Put a row that can never be delivered among the dead letters. The reason may quote no message and no number."""

        def work(db: sqlite3.Connection) -> None:
            tables.insert_dead(db, [Grave(row, reason)], self._now_us())
            tables.delete_rows(db, [row.seq])

        def after(_: None) -> None:
            self.tally.taken([row])
            self.tally.buried([row])

        await self._database.write(work, after)


def _stored(row: tuple[Any, ...]) -> StoredOut:
    return StoredOut(*row[:4], seq=row[4], at_us=row[5])
