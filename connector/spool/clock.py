"""Issues versions: later facts get greater ones, whatever happens to the wall clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def wall_us() -> int:
    """Answer the wall clock in unix microseconds."""
    return time.time_ns() // 1_000


class VersionClock:
    """A hybrid clock: the wall clock in microseconds, but always more than what was issued before. For any thread.

    Whoever stores what carries a version stores `last` in the same transaction, and hands it to `not_before` after a restart.
    """

    def __init__(self, now_us: Callable[[], int] = wall_us) -> None:
        self._now_us = now_us
        self._last = 0
        self._lock = threading.Lock()

    @property
    def last(self) -> int:
        """The greatest version issued so far."""
        return self._last

    def next(self) -> int:
        """Issue a version."""
        with self._lock:
            self._last = max(self._now_us(), self._last + 1)
            return self._last

    def not_before(self, version: int) -> None:
        """Issue only greater ones than *version* from now on: what this spool, or a database that outlived it, has seen."""
        with self._lock:
            self._last = max(self._last, version)
