"""How often each caller came in a sliding window, in the memory of one process."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from limits import RateLimitItem

MOST = 10_000


class Admission(NamedTuple):
    """Whether a caller may come in, how often it still may, and after how many seconds it may more often."""

    granted: bool
    left: int
    more_in_s: int


class _Count(NamedTuple):
    """How often a caller came in a window, which has a number, and in the one before it."""

    window: float
    now: int
    before: int


class _Seen(NamedTuple):
    """The same for the window that is now, with what is left of it, and how long each is."""

    window: float
    now: int
    before: int
    rest_s: float
    seconds: int


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
        seen = self._seen(key, item)
        found = _admission(item, seen)
        if not found.granted:
            return found
        self._counts[key] = _Count(seen.window, seen.now + 1, seen.before)
        self._counts.move_to_end(key)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return Admission(granted=True, left=found.left - 1, more_in_s=found.more_in_s)

    def look(self, key: str, item: RateLimitItem) -> Admission:
        """Answer whether *key* may come in, without counting it."""
        return _admission(item, self._seen(key, item))

    def _seen(self, key: str, item: RateLimitItem) -> _Seen:
        seconds = item.get_expiry()
        window, into_s = divmod(self._clock(), seconds)
        found = self._counts.get(key)
        if found is None or found.window < window - 1:
            now, before = 0, 0
        elif found.window < window:
            now, before = 0, found.now
        else:
            now, before = found.now, found.before
        return _Seen(window, now, before, seconds - into_s, seconds)


def _admission(item: RateLimitItem, seen: _Seen) -> Admission:
    left = item.amount - math.floor(seen.now + seen.before * seen.rest_s / seen.seconds)
    if left > 0:
        return Admission(granted=True, left=left, more_in_s=math.ceil(seen.rest_s))
    return Admission(granted=False, left=0, more_in_s=max(1, math.ceil(_wait_s(item.amount, seen))))


def _wait_s(amount: int, seen: _Seen) -> float:
    """Answer after how many seconds the counts weigh less than *amount*, when nobody comes meanwhile."""
    if seen.now < amount:
        return seen.rest_s - (amount - seen.now) * seen.seconds / seen.before
    return seen.rest_s + seen.seconds - amount * seen.seconds / seen.now
