"""How soon the database answers, asked every few seconds: a figure for people, and for the watchdog, which finds one that hangs by it.

Queues find out for themselves.
"""

from __future__ import annotations

import asyncio
import time

from connector.store.errors import StoreError
from connector.store.store import Store

EVERY_S = 5.0
ASK_S = 5.0


class Pulse:
    """`answers`: whether the database did when last asked, None while nobody asks. `latency_ms`: of that answer, None without one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.answers: bool | None = None
        self.latency_ms: float | None = None
        self._silent_since: float | None = None  # monotonic

    @property
    def silent_s(self) -> float | None:
        """Seconds since it was first asked in vain, None while it answers or nobody asked."""
        return None if self._silent_since is None else time.monotonic() - self._silent_since

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        try:
            while True:
                await self.ask()
                await asyncio.sleep(EVERY_S)
        finally:  # what was so then says nothing of a service that does not run
            self.answers = self.latency_ms = self._silent_since = None

    async def ask(self) -> None:
        """Ask once."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(ASK_S):
                await self._store.newest_version()
        except (StoreError, TimeoutError):
            self.answers, self.latency_ms = False, None
            self._silent_since = began if self._silent_since is None else self._silent_since
        else:
            self.answers, self._silent_since = True, None
            self.latency_ms = round((time.monotonic() - began) * 1000, 1)
