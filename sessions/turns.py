"""Turns for what many sessions want at once, as to connect when the network is back: a token bucket that hands out moments."""

from __future__ import annotations

import time
from collections.abc import Callable

PER_S = 20.0
BURST = 25  # as many as share a worker: one that died has its sessions back at once


class Turns:
    """*burst* at once, then *per_s* a second, in the order they were asked for. Who asked has to use it, or it is lost."""

    def __init__(self, per_s: float = PER_S, burst: int = BURST, now: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1.0 / per_s
        self._ahead = (burst - 1) * self._interval
        self._now = now
        self._next = float("-inf")

    def take(self) -> float:
        """Take the next turn; answers in how many seconds it is, 0 for at once."""
        now = self._now()
        turn = max(self._next, now)
        self._next = turn + self._interval
        return max(0.0, turn - self._ahead - now)
