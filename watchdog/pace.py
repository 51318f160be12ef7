"""How often a remedy may be tried: at once, then ever more rarely, and only a few in one round, so that no remedy becomes a storm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from watchdog.remedies import Nothing, Remedy


@dataclass(frozen=True, slots=True)
class Limits:
    """Waits of `first_s` after the first try, then `factor` times more up to `cap_s`; forgotten after `calm_s` without need.

    `at_once`: how many remedies one round may carry out.
    """

    first_s: float = 30.0
    factor: float = 2.0
    cap_s: float = 1800.0
    calm_s: float = 600.0
    at_once: int = 10


@dataclass(slots=True)
class _Tries:
    count: int
    next_at: float
    needed_at: float


class Pace:
    """Remembers what was tried. Times are monotonic seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tries: dict[Remedy, _Tries] = {}

    def due(self, wanted: Iterable[Remedy], now: float) -> Sequence[Remedy]:
        """Answer which of the remedies *wanted* are to be carried out now, those untried longest first; counts them as tried."""
        self._forget(now)
        distinct = [one for one in dict.fromkeys(wanted) if not isinstance(one, Nothing)]
        for one in distinct:
            self._tries.setdefault(one, _Tries(0, now, now)).needed_at = now
        ready = sorted(
            (one for one in distinct if self._tries[one].next_at <= now), key=lambda one: self._tries[one].next_at
        )
        for one in ready[: self._limits.at_once]:
            tries = self._tries[one]
            tries.next_at = now + min(
                self._limits.cap_s, self._limits.first_s * self._limits.factor ** min(tries.count, 64)
            )
            tries.count += 1
        return ready[: self._limits.at_once]

    def count(self, remedy: Remedy) -> int:
        """Answer how often *remedy* was tried since it was last forgotten."""
        return self._tries[remedy].count if remedy in self._tries else 0

    def _forget(self, now: float) -> None:
        gone = [one for one, tries in self._tries.items() if now - tries.needed_at > self._limits.calm_s]
        for one in gone:
            del self._tries[one]
