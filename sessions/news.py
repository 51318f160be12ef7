"""What a session hears: what the engine says of it, and what becomes of its worker."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sessions import frames
from sessions.model import Loss


@dataclass(frozen=True, slots=True)
class Lost:
    """The session's worker ended, and what becomes of the session. `at`: monotonic seconds."""

    loss: Loss
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class LowDisk:
    """The session's worker disconnected it: for want of disk, or (not `full`) because it could write nothing down."""

    full: bool = True


News = frames.Notice | Lost | LowDisk
