"""Exactly one process owns a session's file: a lock on a sidecar file, given back by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sessions.errors import Locked


class FileLock:
    """An exclusive `flock`. Never on the database itself: SQLite's own locks live there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def take(self) -> None:
        """Take the lock or raise `Locked` at once."""
        if self._fd is not None:
            return
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise Locked from None
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @staticmethod
    def free(path: Path) -> bool:
        """Answer whether nobody holds the lock at *path* now."""
        lock = FileLock(path)
        try:
            lock.take()
        except Locked:
            return False
        lock.release()
        return True
