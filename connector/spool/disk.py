"""What keeps a nearly full disk from standing still: a ballast to throw out, and a gate that lets no more in than goes out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from loguru import logger

from sessions.inbox.writer import LOW_WATER_BYTES

HIGH_WATER_BYTES = 4 * LOW_WATER_BYTES
GATE_ROWS = 2_000
BALLAST_BYTES = 16 * 1024 * 1024


def free_bytes(path: Path) -> int:
    """Answer the bytes an ordinary user may still write where *path* lies."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


class Disk:
    """The disk that *folder* lies on. On a full one even a delete needs room for its log, and what is freed inside one file is of
    no use to another: hence a file whose only purpose is to be deleted, and the gate. For any thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        low_water_bytes: int = LOW_WATER_BYTES,
        high_water_bytes: int = HIGH_WATER_BYTES,
        gate_rows: int = GATE_ROWS,
        ballast_bytes: int = BALLAST_BYTES,
        free_bytes: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"
        self._low_water_bytes = low_water_bytes
        self._high_water_bytes = high_water_bytes
        self._gate_rows = gate_rows
        self._ballast_bytes = ballast_bytes
        self._free_bytes = free_bytes
        self._lock = threading.Lock()

    def shut(self, deepest: int) -> bool:
        """Answer whether no more may be let in while *deepest* rows wait for the slowest sink. With room on the disk: never."""
        return deepest >= self._gate_rows and self._free() < self._high_water_bytes

    def relieve(self) -> bool:
        """Throw the ballast out, and answer whether there was any."""
        with self._lock:
            try:
                self._ballast.unlink()
            except OSError:
                return False
        logger.error("The disk is full: {} bytes of ballast were thrown out. Free some space.", self._ballast_bytes)
        return True

    def tend(self) -> None:
        """Take ballast in (again) if there is none and the disk stays above the workers' low-water mark with it."""
        with self._lock:
            if self._ballast.exists() or self._free() < self._low_water_bytes + self._ballast_bytes:
                return
            try:
                self._take_in()
            except OSError:
                self._ballast.unlink(missing_ok=True)

    def _take_in(self) -> None:
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self._ballast_bytes)

    def _free(self) -> int:
        try:
            return self._free_bytes(self._folder)
        except OSError:
            return 0  # a disk that does not even answer this is in no state to take more
