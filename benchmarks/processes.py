"""What a program and all its children cost: memory as its proportional share, CPU seconds."""

from __future__ import annotations

import asyncio
import time

import psutil

MB = 1024 * 1024


class Tree:
    """A process and everything it started."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def pss_mb(self) -> list[float]:
        """Answer the proportional set size of each process in MB, the root's first: what several share is counted once."""
        return [size for process in self._all() if (size := _pss_mb(process))]  # one that has ended has none

    def cpu_s(self) -> float:
        """Answer the CPU seconds that the processes alive now have used so far."""
        return sum(_cpu_s(process) for process in self._all())

    async def cpu_percent(self, during_s: float) -> float:
        """Wait *during_s*; answer the share of one core that was used meanwhile, in percent."""
        began, used = time.monotonic(), self.cpu_s()
        await asyncio.sleep(during_s)
        return 100 * (self.cpu_s() - used) / (time.monotonic() - began)

    def _all(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]


def _pss_mb(process: psutil.Process) -> float:
    try:
        return process.memory_full_info().pss / MB
    except psutil.NoSuchProcess:
        return 0.0


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system
