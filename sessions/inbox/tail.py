"""The simplest consumer, for scripts and tests: what is done is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sessions.inbox.folder import InboxFolder
from sessions.inbox.rows import StoredRow


class InboxTail:
    """Reads a folder's inboxes at least once: rows come back until they are `done`, after a crash too. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = InboxFolder(folder)

    def read(self, limit: int) -> list[tuple[str, StoredRow]]:
        """Answer up to *limit* rows with their file's name, and delete files that have had their day. Never waits."""
        rows = self._folder.pending({}, limit)
        if not rows:
            self._retire()
        return rows

    def done(self, rows: Iterable[tuple[str, StoredRow]]) -> None:
        """Delete *rows*: what `read` answered, or its beginning."""
        last = {name: row.seq for name, row in rows}
        for name, seq in last.items():
            self._folder.reader(name).delete_upto(seq)

    def close(self) -> None:
        """Close every file."""
        self._folder.close()

    def _retire(self) -> None:
        for name in self._folder.names():
            self._folder.retire(name)
