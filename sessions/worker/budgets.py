"""What this process uses of what it may use."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

PAGE = os.sysconf("SC_PAGESIZE")


def raise_descriptor_limit() -> None:
    """Allow as many descriptors as the system lets us: a session needs up to sixteen."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def rss_bytes() -> int:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def descriptors() -> int:
    """Open file descriptors."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # pathlib would open a stat for each


def descriptor_limit() -> int:
    """How many descriptors may be open: read after the engine was loaded, which raises it itself."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def threads() -> int:
    """Python's threads and the engine's that Python knows."""
    return threading.active_count()
