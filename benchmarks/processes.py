"""What a program and all its children cost: memory as its proportional share, CPU seconds."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import psutil

MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Proportional set sizes in MB, what several processes share counted once: of the first process, of the engine's, of a database's."""

    hub_mb: float
    workers_mb: list[float]
    database_mb: float

    @property
    def engine_mb(self) -> float:
        """All but the database, which a service may have elsewhere."""
        return self.hub_mb + sum(self.workers_mb)


class Tree:
    """A process and everything it started."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def memory(self) -> Memory:
        """Answer what all of them hold now."""
        sizes = [(process.name(), _pss_mb(process)) for process in self._children()]
        return Memory(
            hub_mb=_pss_mb(self._root),
            workers_mb=[size for name, size in sizes if name != "postgres" and size],  # one that has ended has none
            database_mb=sum(size for name, size in sizes if name == "postgres"),
        )

    def cpu_s(self) -> float:
        """Answer the CPU seconds that the processes alive now have used so far."""
        return sum(_cpu_s(process) for process in (self._root, *self._children()))

    async def cpu_percent(self, during_s: float) -> float:
        """Wait *during_s*; answer the share of one core that was used meanwhile, in percent."""
        began, used = time.monotonic(), self.cpu_s()
        await asyncio.sleep(during_s)
        return 100 * (self.cpu_s() - used) / (time.monotonic() - began)

    def _children(self) -> list[psutil.Process]:
        return self._root.children(recursive=True)


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
