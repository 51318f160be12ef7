"""Lines for whoever waits, on standard error: what is going on, and when it began."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

EVERY_S = 5.0


class Progress:
    """Says lines with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, line: str) -> None:
        """Say one line."""
        print(f"[{time.monotonic() - self._began:6.1f} s] {line}", file=sys.stderr, flush=True)

    @asynccontextmanager
    async def ticking(self, state: Callable[[], str]) -> AsyncGenerator[None]:
        """Say *state* every few seconds while inside."""
        task = asyncio.create_task(self._tick(state), name="progress")
        try:
            yield
        finally:
            task.cancel()

    async def _tick(self, state: Callable[[], str]) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self(state())
