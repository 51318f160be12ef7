"""What happened to the service and its connections, kept for operators: appended, read in order, forgotten in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from connector.spool.database import Database

PAGE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: its number, which grows and is never issued twice, its name, the connection it is about, its JSON."""

    id: int
    name: str
    connection: str | None
    body: bytes


class Journal:
    """The latest events. Methods raise `SpoolError`. What a power cut may take is at most the last moments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entries: Sequence[Entry]) -> None:
        """Store *entries*; what is stored already stays as it is."""
        rows = [(it.id, it.name, it.connection, it.body) for it in entries]

        def work(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR IGNORE INTO event (id, name, connection, body) VALUES (?, ?, ?, ?)", rows)

        await self._database.tidy(work)

    async def after(self, number: int, *, limit: int = PAGE) -> list[Entry]:
        """Answer up to *limit* (500 at most) entries whose number follows *number*, in order."""
        return await self._select("id > ? ORDER BY id LIMIT ?", number, min(limit, PAGE))

    async def forget(self, *, before: int, keep: int) -> int:
        """Forget entries numbered under *before*, and all but the last *keep*; answer how many that were."""

        def work(db: sqlite3.Connection) -> int:
            beyond = "SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?"
            return db.execute(f"DELETE FROM event WHERE id < ? OR id <= ({beyond})", (before, keep)).rowcount  # noqa: S608

        return await self._database.tidy(work)

    async def _select(self, where: str, *values: int) -> list[Entry]:
        sql = f"SELECT id, name, connection, body FROM event WHERE {where}"  # noqa: S608 - conditions are ours
        return await self._database.read(lambda db: [Entry(*row) for row in db.execute(sql, values).fetchall()])
