"""A bell that waiters sleep on until a fact they look for is true: the lab's long polls, without polling."""

import asyncio
from collections.abc import Callable


class Bell:
    """Rung at every change; a waiter looks again each time it rings. Looking must be cheap."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wakes all who wait; free when nobody does."""
        if self._waiting:
            waiting, self._waiting = self._waiting, set()
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def until(self, fact: Callable[[], bool], timeout_s: float) -> bool:
        """Returns True as soon as `fact()` holds, and what it says when `timeout_s` has passed."""
        try:
            async with asyncio.timeout(timeout_s):
                while not fact():
                    await self._next_ring()
        except TimeoutError:
            return fact()
        return True

    async def _next_ring(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)
