"""How soon the database answers, asked now and then: a figure for people, and for the watchdog. Queues find out for themselves."""

from __future__ import annotations

import asyncio
import time

from connector.store.errors import StoreError
from connector.store.store import Store

EVERY_S = 15.0
ASK_S = 10.0


class Pulse:
    """`latency_ms`: of the last answer, None while there is none."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.latency_ms: float | None = None

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(EVERY_S)

    async def ask(self) -> None:
        """Ask once."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(ASK_S):
                await self._store.newest_version()
        except (StoreError, TimeoutError):
            self.latency_ms = None
        else:
            self.latency_ms = round((time.monotonic() - began) * 1000, 1)
