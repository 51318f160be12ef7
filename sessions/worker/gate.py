"""Who may be inside the engine at once. Its Go maps have no lock: a start or stop beside any other call can abort the process.

A start or stop is exclusive. Every other call is shared, and only as long as the engine needs to look its session up, which is the
first thing it does; a call may last minutes afterwards without holding anybody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Gate:
    """A readers-writer gate for one event loop. A waiting writer goes before new readers, so that it is never starved."""

    def __init__(self) -> None:
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def shared(self) -> AsyncGenerator[None]:
        """Be inside with others of the same kind."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._writing and not self._writers_waiting)
            self._readers += 1
        try:
            yield
        finally:
            async with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @asynccontextmanager
    async def exclusive(self) -> AsyncGenerator[None]:
        """Be inside alone."""
        async with self._changed:
            self._writers_waiting += 1
            try:
                await self._changed.wait_for(lambda: not self._writing and not self._readers)
                self._writing = True
            finally:
                self._writers_waiting -= 1
        try:
            yield
        finally:
            async with self._changed:
                self._writing = False
                self._changed.notify_all()
