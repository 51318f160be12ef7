"""Calls into the engine: on a bounded number of threads, behind the gate, each with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, TypeVar

from sessions.errors import Busy, Deadline
from sessions.worker.gate import Gate

T = TypeVar("T")

THREADS = 64  # unless the hub says otherwise; the engine holds one for up to 75 s when WhatsApp does not answer
ENTRY_S = 0.05  # after this the engine has long looked its session up
MAX_WAITING = 2000


class Calls:
    """Runs blocking engine functions. A call that outlives its deadline goes on in its thread; only the waiting ends."""

    def __init__(self, gate: Gate, threads: int | None = None) -> None:
        threads = threads or THREADS
        self._gate = gate
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="engine-call")
        self._free = asyncio.Semaphore(threads)
        self._waiting = 0
        self._began: dict[asyncio.Future[Any], float] = {}

    async def run(self, call: Callable[[], T], *, deadline_s: float, exclusive: bool = False) -> T:
        """Answer what *call* answers. Raises `Busy` (it did not get its turn, and never will), `Deadline`, or what *call* raises."""
        until = time.monotonic() + deadline_s
        future = await self._begin(call, until, exclusive=exclusive)
        try:
            return await asyncio.wait_for(asyncio.shield(future), max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise Deadline from None

    @property
    def oldest_s(self) -> float:
        """Seconds since the longest running call began; 0 when none runs."""
        return time.monotonic() - min(self._began.values()) if self._began else 0.0

    async def _begin(self, call: Callable[[], T], until: float, *, exclusive: bool) -> asyncio.Future[T]:
        if self._waiting >= MAX_WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._free.acquire()
        except TimeoutError:
            raise Busy from None
        finally:
            self._waiting -= 1
        with ExitStack() as called_away:
            called_away.callback(self._free.release)
            async with self._gate.exclusive() if exclusive else self._gate.shared():
                called_away.pop_all()
                future = self._submit(call)
                await asyncio.wait({future}, timeout=max(0.0, until - time.monotonic()) if exclusive else ENTRY_S)
                return future

    def _submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        future = asyncio.wrap_future(self._pool.submit(call))
        self._began[future] = time.monotonic()

        def ended(done: asyncio.Future[T]) -> None:
            self._began.pop(done, None)
            self._free.release()
            if not done.cancelled():
                done.exception()  # looked at, so that a call nobody waits for any more leaves no warning

        future.add_done_callback(ended)
        return future
