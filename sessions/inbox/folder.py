"""All inboxes of a folder: which there are, what may be read next, and when a file has had its day."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

from sessions.errors import Locked
from sessions.inbox import files
from sessions.inbox.reader import InboxReader
from sessions.inbox.rows import InboxDamaged, InboxError, StoredRow

log = logging.getLogger(__name__)


class InboxFolder:
    """The inboxes under *folder* (which may not exist yet), for one thread at a time. Files are known by name.

    A file in trouble stops nobody else. One that is damaged stays where it is, and rows that wait for it pass; any other trouble
    (a busy file, too many open ones) is tried again each time, and rows that wait for it go on waiting.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._readers: dict[str, InboxReader] = {}
        self._troubles: dict[str, InboxError] = {}
        self._turn = 0

    @property
    def troubles(self) -> Mapping[str, InboxError]:
        """The files that could not be read when last looked at, by name. `InboxDamaged` does not pass by itself."""
        return dict(self._troubles)

    def names(self) -> list[str]:
        """Answer the readable files as they are now, the oldest first by the time they were made."""
        self._look()
        return sorted(self._readers, key=lambda name: (self._readers[name].created_us, name))

    def reader(self, name: str) -> InboxReader:
        """Answer the reader of a file. It belongs to this folder: do not close it. Raises `InboxError` if there is none."""
        if name not in self._readers:
            self._look()
        if name not in self._readers:
            raise self._troubles.get(name, InboxError(f"There is no inbox {name}."))
        return self._readers[name]

    def pending(self, cursors: Mapping[str, int], limit: int) -> list[tuple[str, StoredRow]]:
        """Answer up to *limit* rows not yet read, each with its file's name, a session's rows in the order they happened.

        *cursors*: up to which seq each file was read; a file left out is read from its first row that is still there. The batch
        is shared fairly over the files. Take it in its own order: rows may wait for others that stand before them.
        """
        names = self._in_turn(self.names())
        read = {name: cursors.get(name, 0) for name in names}
        batch: list[tuple[str, StoredRow]] = []
        more = bool(names)
        while more and len(batch) < limit:
            share = max(1, (limit - len(batch)) // len(names))
            before = len(batch)
            for name in names:
                rows = self._next_of(name, read, min(share, limit - len(batch)))
                batch += [(name, row) for row in rows]
            more = len(batch) > before
        return batch

    def retire(self, name: str) -> bool:
        """Delete a file if it has no rows and its writer is gone; answer whether it is gone. Raises `InboxError`.

        A writer holds a lock beside its file from before the file appears until it dies, and no name is used twice. So whoever gets
        that lock knows that no row can follow the last one it sees.
        """
        path = self._folder / name
        if not path.exists():
            return True
        reader = self.reader(name)
        lock = files.writer_lock(path)
        try:
            lock.take()
            if not reader.empty:
                return False
            self._drop(name)
            files.remove(path)
        except Locked:
            return False
        except OSError as error:
            raise files.in_words(path, error) from error
        finally:
            lock.release()
        return True

    def close(self) -> None:
        """Close every file."""
        for name in list(self._readers):
            self._drop(name)

    def _look(self) -> None:
        there = {path.name for path in self._folder.glob(files.PATTERN)}
        for name in self._readers.keys() - there:
            self._drop(name)
        for name in self._troubles.keys() - there:
            del self._troubles[name]
        for name in sorted(there - self._readers.keys()):
            if not isinstance(self._troubles.get(name), InboxDamaged):
                self._open(name)

    def _open(self, name: str) -> None:
        try:
            self._readers[name] = InboxReader(self._folder / name)
        except InboxError as error:
            self._leave_aside(name, error)
        else:
            self._troubles.pop(name, None)

    def _in_turn(self, names: list[str]) -> list[str]:
        # With fewer places than files the last would never come up: each batch begins with another file.
        self._turn += 1
        first = self._turn % len(names) if names else 0
        return names[first:] + names[:first]

    def _next_of(self, name: str, read: MutableMapping[str, int], limit: int) -> Sequence[StoredRow]:
        if limit <= 0 or name not in self._readers:
            return ()
        try:
            rows = self._readers[name].read_after(read[name], limit)
        except InboxError as error:
            self._leave_aside(name, error)
            return ()
        waits = (place for place, row in enumerate(rows) if row.after and not self._may_pass(row.after, read))
        rows = rows[: next(waits, len(rows))]
        if rows:
            read[name] = rows[-1].seq
        return rows

    def _may_pass(self, after: Mapping[str, int], read: Mapping[str, int]) -> bool:
        return all(self._is_read(name, read.get(name, 0), upto) for name, upto in after.items())

    def _is_read(self, name: str, read: int, upto: int) -> bool:
        if reader := self._readers.get(name):
            try:
                return not reader.holds(read, upto)
            except InboxError as error:
                self._leave_aside(name, error)
        # Retired, so read to its end; or in trouble.
        return isinstance(self._troubles.get(name), InboxDamaged | None)

    def _leave_aside(self, name: str, error: InboxError) -> None:
        self._drop(name)
        log.log(logging.DEBUG if name in self._troubles else logging.WARNING, "An inbox is left aside: %s", error)
        self._troubles[name] = error

    def _drop(self, name: str) -> None:
        if reader := self._readers.pop(name, None):
            reader.close()
