"""Which connections there are: the local truth, so that the service starts while the database is away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from connector.spool import tables
from connector.spool.clock import wall_us
from connector.spool.database import Database
from connector.spool.rows import Connection, OutRow
from connector.spool.tally import Tally

_COLUMNS = "id, session, name, owner_id, company_id, created_us, body"
_INSERT = f"INSERT INTO connection ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own column names
_UPSERT = (
    f"{_INSERT} ON CONFLICT (id) DO UPDATE SET session = excluded.session, name = excluded.name,"
    " owner_id = excluded.owner_id, company_id = excluded.company_id, created_us = excluded.created_us, body = excluded.body"
)


class Connections:
    """The connections of this node. Rows that say what happened to one are stored with it, or neither is."""

    def __init__(self, database: Database, tally: Tally, now_us: Callable[[], int] = wall_us) -> None:
        self._database = database
        self._tally = tally
        self._now_us = now_us

    async def add(self, new: Connection, rows: Sequence[OutRow] = ()) -> Connection | None:
        """Store a connection and *rows*, and answer None; or answer the one that has this id already, and store nothing."""

        def work(db: sqlite3.Connection) -> Connection | None:
            if there := _select(db, "WHERE id = ?", new.id):
                return there[0]
            self._store(db, _INSERT, new, rows)
            return None

        def after(there: Connection | None) -> None:
            if there is None:
                self._tally.put(rows)

        return await self._database.write(work, after)

    async def put(self, connection: Connection, rows: Sequence[OutRow] = ()) -> None:
        """Store a connection in place of the one with its id, if any, and *rows*."""
        await self._database.write(
            lambda db: self._store(db, _UPSERT, connection, rows), lambda _: self._tally.put(rows)
        )

    async def get(self, connection_id: str) -> Connection | None:
        """Answer one connection."""
        found = await self._database.read(lambda db: _select(db, "WHERE id = ?", connection_id))
        return found[0] if found else None

    async def list(self) -> Sequence[Connection]:
        """Answer all connections (as many as this node has sessions), the oldest first."""
        return await self._database.read(lambda db: _select(db, "ORDER BY created_us, id"))

    async def delete(self, connection_id: str, rows: Sequence[OutRow] = ()) -> bool:
        """Delete a connection, its link for pairing too, and store *rows*; answer whether it was there. If not, nothing is stored."""

        def work(db: sqlite3.Connection) -> bool:
            there = db.execute("DELETE FROM connection WHERE id = ?", (connection_id,)).rowcount == 1
            if there:
                db.execute("DELETE FROM pair_link WHERE connection_id = ?", (connection_id,))
                tables.insert_rows(db, rows, self._now_us())
            return there

        def after(there: bool) -> None:
            if there:
                self._tally.put(rows)

        return await self._database.write(work, after)

    def _store(self, db: sqlite3.Connection, sql: str, it: Connection, rows: Sequence[OutRow]) -> None:
        db.execute(sql, (it.id, it.session, it.name, it.owner_id, it.company_id, it.created_us, it.body))
        tables.insert_rows(db, rows, self._now_us())


def _select(db: sqlite3.Connection, rest: str, *values: str) -> list[Connection]:
    return [Connection(*row) for row in db.execute(f"SELECT {_COLUMNS} FROM connection {rest}", values).fetchall()]  # noqa: S608 - ours
