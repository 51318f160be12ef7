"""How long to wait before trying again: pure functions of the kind of failure and how often it happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

Random = Callable[[], float]
"""Answers a number from 0 up to (not including) 1, like `random.random`."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits of `first_s`, then `factor` times more each time up to `cap_s`; `jitter` is the share that chance may take away.

    `tries`: how often in a row it is tried at all, None for ever. `quiet_s`: failures are forgotten when the last was so long ago;
    None, when the session was connected for a while.
    """

    first_s: float
    factor: float
    cap_s: float
    jitter: float = 0.5
    tries: int | None = None
    quiet_s: float | None = None


class Retry(Enum):
    """What failed, and the waits that suit it."""

    # Nearly full jitter: hundreds ask at once when the network is back. Asking costs nobody anything (see `Reach`), so the cap is low.
    FIRST_CONNECT = Backoff(first_s=1.0, factor=1.8, cap_s=20.0, jitter=0.95)
    REOPEN = Backoff(
        first_s=0.5, factor=2.0, cap_s=60.0
    )  # the session was deaf: begin at once, slow down if that does not help
    REFUSED = Backoff(first_s=5.0, factor=2.0, cap_s=300.0)  # WhatsApp said no without saying why
    # Two clients must not fight for one account: after four tries within a day somebody has to decide.
    REPLACED = Backoff(first_s=30.0, factor=2.0, cap_s=1800.0, jitter=0.1, tries=4, quiet_s=86_400.0)
    BANNED = Backoff(first_s=3600.0, factor=2.0, cap_s=86400.0, jitter=0.1)  # only where WhatsApp gave no end
    LOCKED = Backoff(first_s=0.2, factor=1.5, cap_s=5.0)
    DISK_FULL = Backoff(first_s=5.0, factor=1.5, cap_s=60.0)
    # It may have been isolated for what was not its doing, and hurts nobody when it is tried: it is alone.
    ISOLATED = Backoff(first_s=60.0, factor=2.0, cap_s=1800.0, jitter=0.1)
    WORKER = Backoff(first_s=0.1, factor=3.0, cap_s=30.0)


def wait_s(kind: Retry, failures: int, random: Random) -> float:
    """Answer the seconds to wait after the *failures*-th failure in a row (1 is the first) of *kind*."""
    plan = kind.value
    steps = min(max(failures, 1) - 1, 64)  # beyond that every plan is at its cap, and the power stays a finite number
    full = min(plan.cap_s, plan.first_s * plan.factor**steps)
    return full * (1 - plan.jitter * random())
