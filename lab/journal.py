"""What the lab keeps over a restart: small records in one SQLite file, written behind.

A change is only noted; a writer puts all that changed into the file every `FLUSH_S` seconds, in one transaction. A lab
that is killed loses at most that much, one that is stopped loses nothing.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

FLUSH_S = 0.1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
  kind TEXT NOT NULL, owner TEXT NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (kind, owner, number)
) WITHOUT ROWID
"""
_PUT = "INSERT INTO records VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
_DROP = "DELETE FROM records WHERE kind = ? AND owner = ? AND number = ?"
_LOAD = "SELECT owner, number, body FROM records WHERE kind = ? ORDER BY owner, number"

_Key = tuple[str, str, int]


class Journal:
    """Records by (kind, owner, number). Belongs to one event loop; `run()` is its writer. Without a path: keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._keeps = path is not None
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # a lab survives its own death, not the machine's
        self._db.execute(_SCHEMA)
        self._changed: dict[_Key, Callable[[], bytes] | None] = {}

    def load(self, kind: str) -> Iterator[tuple[str, int, bytes]]:
        """(owner, number, body) of every record of a kind, in the order of owner and number."""
        yield from self._db.execute(_LOAD, (kind,)).fetchall()

    def put(self, kind: str, owner: str, number: int, body: Callable[[], bytes]) -> None:
        """Notes that a record changed; `body()` is called when it is written, so many changes cost one."""
        if self._keeps:
            self._changed[kind, owner, number] = body

    def drop(self, kind: str, owner: str, number: int) -> None:
        """Notes that a record is gone."""
        if self._keeps:
            self._changed[kind, owner, number] = None

    async def run(self) -> None:
        """Writes what changed, again and again, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush()

    def flush(self) -> None:
        """Writes all that changed, in one transaction."""
        if not self._changed:
            return
        changed, self._changed = self._changed, {}
        puts = [(*key, body()) for key, body in changed.items() if body is not None]
        drops = [key for key, body in changed.items() if body is None]
        self._db.execute("BEGIN")
        self._db.executemany(_PUT, puts)
        self._db.executemany(_DROP, drops)
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Writes the rest and closes the file."""
        with contextlib.closing(self._db):
            self.flush()
