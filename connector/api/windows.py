"""How often each caller came in a sliding window, in the memory of one process."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from limits import RateLimitItem

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a caller may come in, how often it still may, and after how many seconds it may more often."""

    granted: bool
    left: int
    more_in_s: int


@dataclass(slots=True)
class _Count:
    window: int
    now: int
    before: int


class Windows:
    """Counts at most *most* callers: who has not come in for longest is forgotten first.

    A sliding window counter: what came in the window before weighs as much as that window still covers. The memory that the
    `limits` library has for it starts a task or a thread with each hit to tidy up, and grows with every address that comes by.
    """

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.time) -> None:
        self._most = most
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def come(self, key: str, item: RateLimitItem) -> Admission:
        """Count *key*, unless that were once too often for *item*."""
        found = self.look(key, item)
        if not found.granted:
            return found
        window, now, before = self._count(key, item.get_expiry())
        self._counts[key] = _Count(window, now + 1, before)
        self._counts.move_to_end(key)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return Admission(granted=True, left=found.left - 1, more_in_s=found.more_in_s)

    def look(self, key: str, item: RateLimitItem) -> Admission:
        """Answer whether *key* may come in, without counting it."""
        seconds = item.get_expiry()
        _, now, before = self._count(key, seconds)
        rest_s = seconds - self._clock() % seconds
        left = item.amount - math.floor(now + before * rest_s / seconds)
        if left > 0:
            return Admission(granted=True, left=left, more_in_s=math.ceil(rest_s))
        wait_s = _wait_s(item, now, before, rest_s)
        return Admission(granted=False, left=0, more_in_s=max(1, math.ceil(wait_s)))

    def _count(self, key: str, seconds: int) -> tuple[int, int, int]:
        """Answer the number of this window, and the counts of this one and the one before."""
        window = int(self._clock() // seconds)
        found = self._counts.get(key)
        if found is None or found.window < window - 1:
            return window, 0, 0
        return (window, 0, found.now) if found.window < window else (window, found.now, found.before)


def _wait_s(item: RateLimitItem, now: int, before: int, rest_s: float) -> float:
    """Answer after how many seconds the counts weigh less than *item* allows, when nobody comes meanwhile."""
    seconds = item.get_expiry()
    if now < item.amount:
        return rest_s - (item.amount - now) * seconds / before
    return rest_s + seconds - item.amount * seconds / now
