"""The mover's side of the inbox folder that does I/O: what to read next, what to delete, which file has had its day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connector.spool.disk import Disk
from sessions.inbox import InboxError, InboxFolder, InboxFull, StoredRow

Found = tuple[str, StoredRow]


class Inboxes:
    """For one thread at a time, except `troubles`. *cursors*: up to which seq each file was read by an earlier run."""

    def __init__(self, folder: InboxFolder, disk: Disk, cursors: Mapping[str, int]) -> None:
        self._folder = folder
        self._disk = disk
        self._cursors = dict(cursors)
        # What was read just before a crash is still there, and would stay for good in the inbox of an idle worker.
        self._undeleted = set(cursors)
        self.troubles: Mapping[str, str] = {}
        """The files that could not be read when last looked at, with a sentence each."""

    def look(self, limit: int) -> Sequence[Found]:
        """Delete what was read, and answer up to *limit* rows that follow, shared fairly over the files."""
        for name in tuple(self._undeleted):
            self._delete(name)
        found = self._folder.pending(self._cursors, limit)
        self.troubles = {name: str(error) for name, error in self._folder.troubles.items()}
        return found

    def read(self, cursors: Mapping[str, int]) -> None:
        """Note up to where files were read, now that this is stored."""
        self._cursors |= cursors
        self._undeleted |= cursors.keys()

    def retire(self) -> Sequence[str]:
        """Delete the files that nothing will be appended to any more, and answer those whose cursors can be forgotten."""
        for name in self._folder.names():
            try:
                self._folder.retire(name)
            except InboxError:
                continue  # in trouble, which `look` tells; or it is tried again
        gone = self._cursors.keys() - set(self._folder.names()) - self._folder.troubles.keys()
        for name in gone:
            del self._cursors[name]
        return sorted(gone)

    def tend(self) -> None:
        """Care for the disk's ballast."""
        self._disk.tend()

    def close(self) -> None:
        """Delete what was read, close every file."""
        self.look(0)
        self._folder.close()

    def _delete(self, name: str) -> None:
        """Delete what was read of a file. That may fail or come late: the cursor stands."""
        try:
            self._folder.reader(name).delete_upto(self._cursors[name])
        except InboxFull:
            self._disk.relieve()
            return
        except InboxError:
            if name in self._folder.troubles:
                return
        self._undeleted.discard(name)
