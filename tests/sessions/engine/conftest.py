from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from sessions import frames
from sessions.engine.launch import Launch
from sessions.engine.process import Hearing

FAKE = Path(__file__).with_name("fake_worker.py")


@dataclass
class Fakes:
    """Starts fake workers that live the given lives, and knows which were started."""

    folder: Path
    notices: list[frames.Notice] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def journal(self) -> Path:
        return self.folder / "starts"

    def launch(self, *lives: str) -> Launch:
        return Launch(self.folder, command=(sys.executable, str(FAKE), str(self.journal), *lives))

    @property
    def hearing(self) -> Hearing:
        return Hearing(
            notice=self.notices.append,
            wake=self.woken.set,
            line=lambda worker, text: self.lines.append((worker, text)),
        )

    @property
    def lives(self) -> list[str]:
        """What each start so far lived."""
        return [line.split()[1] for line in self._starts()]

    @property
    def running(self) -> list[int]:
        """Process ids of the fakes that still run."""
        pids = [int(line.split()[0]) for line in self._starts()]
        return [pid for pid in pids if runs(pid)]

    def _starts(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.exists() else []


def runs(pid: int) -> bool:
    """Whether the process lives; one that only waits for its parent to look is dead."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def alive() -> Callable[[int], bool]:
    return runs


@pytest.fixture
async def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path)
