"""When one session tries next: the waits of each kind of failure, and what makes them be forgotten. Times are monotonic seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sessions.backoff import Random, Retry, wait_s

STEADY_S = 60.0  # connected for so long, earlier failures are forgotten
TRYING_S = 420.0
"""The longest a try may last: a worker's start, every session before it in line, and its time to settle."""
OVERDUE_S = 180.0
"""The longest a try that is due may be waited for: only a look whether WhatsApp can be reached comes before it."""


@dataclass(slots=True)
class _Failed:
    count: int
    at: float


class Plan:
    """At most one next try. `now` tells the time."""

    def __init__(self, chance: Random, now: Callable[[], float] = time.monotonic) -> None:
        self._chance = chance
        self._now = now
        self._at: float | None = None
        self._patient_until: float | None = None
        self._trying_since: float | None = None
        self._failures: dict[Retry, _Failed] = {}
        self._connected_at: float | None = None

    @property
    def wait_s(self) -> float | None:
        """Seconds until something is to be done, 0 or less when it is due, None when nothing is planned."""
        return None if self._at is None else self._at - self._now()

    @property
    def retry_in_s(self) -> float | None:
        """Seconds until the next try, for people: None while one is under way, and when none is planned."""
        if self._at is None or self._trying_since is not None:
            return None
        return max(0.0, (self._patient_until or self._at) - self._now())

    @property
    def trying_s(self) -> float | None:
        """Seconds since the try that is under way began."""
        return None if self._trying_since is None else self._now() - self._trying_since

    @property
    def hangs(self) -> bool:
        """Whether a try has lasted longer than any can, or one that is long due has not begun."""
        if self._trying_since is not None:
            return self._now() - self._trying_since > TRYING_S
        return self._at is not None and self._now() - self._at > OVERDUE_S

    def never(self) -> None:
        """Plan nothing."""
        self._at = self._patient_until = self._trying_since = None

    def after(self, seconds: float, *, look_s: float | None = None) -> None:
        """Try in *seconds*; with *look_s*, look whether that makes sense before."""
        self.never()
        self._at = self._now() + seconds
        if look_s is not None and look_s < seconds:
            self._patient_until, self._at = self._at, self._now() + look_s

    def patient(self) -> bool:
        """Answer whether this was only the look before its time; then the rest is waited for."""
        until, self._patient_until = self._patient_until, None
        if until is None or until <= self._now():
            return False
        self._at = until
        return True

    def attempt(self) -> None:
        """Note that a try begins."""
        self.never()
        self._trying_since = self._now()

    def settle(self, seconds: float) -> None:
        """Give the try that is under way so long from now on; without a word of it by then, the next is due."""
        self._at = self._now() + seconds

    def connected(self) -> None:
        """Note that it is connected: nothing is planned."""
        self.never()
        self._connected_at = self._now()

    def again(self, kind: Retry, *, at_least_s: float = 0.0) -> None:
        """Plan the next try after a failure of *kind*; none, where it has failed as often as this kind may."""
        self.never()
        self._forget_what_is_over()
        failed = self._failures.setdefault(kind, _Failed(0, self._now()))
        failed.count, failed.at = failed.count + 1, self._now()
        if kind.value.tries is None or failed.count <= kind.value.tries:
            self.after(max(at_least_s, wait_s(kind, failed.count, self._chance)))

    def forget(self) -> None:
        """Forget every failure."""
        self._failures.clear()

    def _forget_what_is_over(self) -> None:
        steady = self._connected_at is not None and self._now() - self._connected_at > STEADY_S
        self._connected_at = None
        for kind, failed in list(self._failures.items()):
            quiet = kind.value.quiet_s
            if steady if quiet is None else self._now() - failed.at > quiet:
                del self._failures[kind]
