"""Reads one inbox, its writer dead or alive, in this process or another."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from sessions.inbox.files import in_words, open_for_reading
from sessions.inbox.rows import StoredRow

_after = msgspec.json.Decoder(dict[str, int])


class InboxReader:
    """One connection to one file, for one thread at a time. No method leaves a cursor open: that would hold back the log's reset.

    Every method raises `InboxDamaged` when the file is beyond reading and `InboxError` when SQLite refuses otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_for_reading(path)
        try:
            self.created_us: int = self._value("SELECT created_us FROM meta")
        except BaseException:
            self._db.close()
            raise

    def read_after(self, seq: int, limit: int) -> list[StoredRow]:
        """Answer up to *limit* rows that follow *seq*, in the order of their commits. Heed `StoredRow.after`."""
        rows = self._ask(
            "SELECT session, kind, code, at_us, body, raw, error, seq, after FROM row WHERE seq > ? ORDER BY seq LIMIT ?",
            seq,
            limit,
        )
        return [StoredRow(*row[:7], seq=row[7], after=_after.decode(row[8]) if row[8] else None) for row in rows]

    def delete_upto(self, seq: int) -> None:
        """Delete every row up to and including *seq*."""
        self._ask("DELETE FROM row WHERE seq <= ?", seq)

    def last_seq(self) -> int:
        """Answer the last seq ever given in this file, its row deleted or not; 0 before the first."""
        return self._value("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'row'")

    def last_of(self, session: str) -> int:
        """Answer the seq of the session's last row still here, 0 if there is none. Reads the whole file when there is none."""
        return self._value(
            "SELECT coalesce((SELECT seq FROM row WHERE session = ? ORDER BY seq DESC LIMIT 1), 0)", session
        )

    def holds(self, after: int, upto: int) -> bool:
        """Answer whether a row with *after* < seq <= *upto* is still here."""
        return self._value("SELECT EXISTS (SELECT 1 FROM row WHERE seq > ? AND seq <= ?)", after, upto) == 1

    def sessions(self) -> set[str]:
        """Answer whose rows are still here. Reads the whole file."""
        return {session for (session,) in self._ask("SELECT DISTINCT session FROM row")}

    @property
    def empty(self) -> bool:
        """Whether no row is left. Its writer may still add some."""
        return self._value("SELECT NOT EXISTS (SELECT 1 FROM row)") == 1

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _value(self, sql: str, *values: int | str) -> int:
        return self._ask(sql, *values)[0][0]

    def _ask(self, sql: str, *values: int | str) -> Sequence[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise in_words(self.path, error) from error
