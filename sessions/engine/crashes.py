"""How often a worker ended, and when one of its sessions may be the cause. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

STABLE_S = 60.0  # a worker that lived so long begins with a clean slate
CRASHES_IN_A_ROW = 6
BLAMED_AFTER = 4  # crashes in a row of a worker that was ready: one of its sessions may be the cause
SUSPECT_AFTER = 2  # the same for sessions that were already told apart from others for that
KILLS_FOR_A_CRASH = 3


class End(Enum):
    """How a worker's process ended."""

    PLANNED = "planned"
    # Replaced for asking too much: by plan too, but soon after its start it is hardly a slow leak, and one session may be the cause.
    OVERSPENT = "overspent"
    UNBORN = "unborn"  # it never got ready: no session can be the cause
    CRASHED = "crashed"
    # By somebody who is not us: an operator, or the system for want of memory, which one session may use up. So it counts, but less.
    KILLED = "killed"


@dataclass(slots=True)
class Crashes:
    """The crashes in a row of one worker. `blamed_after`: how many of a ready one make its sessions suspects."""

    blamed_after: int = BLAMED_AFTER
    in_a_row: int = 0
    _killed: int = 0

    def count(self, end: End, lived_s: float) -> bool:
        """Count an *end* after *lived_s*; answers whether that is once too often."""
        planned = end is End.PLANNED or (end is End.OVERSPENT and lived_s > STABLE_S)
        if planned or lived_s > STABLE_S:
            self.forget()
        if planned:
            return False
        self.in_a_row += 1
        self._killed += end is End.KILLED
        if end is End.UNBORN:
            return self.in_a_row >= CRASHES_IN_A_ROW
        return (
            KILLS_FOR_A_CRASH * (self.in_a_row - self._killed) + self._killed >= KILLS_FOR_A_CRASH * self.blamed_after
        )

    def forget(self) -> None:
        """Begin with a clean slate."""
        self.in_a_row = self._killed = 0
