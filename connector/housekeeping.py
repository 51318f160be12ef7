"""What has to be done now and then: a clock that is never behind the database's, and keys of sends forgotten in time."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack

from connector import background
from connector.spool import Spool
from connector.store.errors import StoreError
from connector.store.store import Store
from sessions.backoff import Retry, wait_s

KEYS_KEPT_S = 7 * 86_400.0
"""How long an Idempotency-Key and how its send ended are remembered."""
EVERY_S = 3_600.0


async def start(parts: AsyncExitStack, spool: Spool, store: Store, *, wait_s: float) -> None:
    """Begin; with *wait_s*, give the database so many seconds to say what it holds before anything is told to it."""
    known = asyncio.Event()
    background.run(parts, _catch_up(spool, store, known), "catch-up-versions")
    background.run(parts, _forget(spool), "forget-sends")
    if wait_s:
        try:
            await asyncio.wait_for(known.wait(), wait_s)
        except TimeoutError:
            return  # it is away: the clock catches up when it is back


async def _catch_up(spool: Spool, store: Store, known: asyncio.Event) -> None:
    """A data folder that is new, or a clock that was set back, must not make later changes look older than those on record."""
    failures = 0
    while True:
        try:
            spool.clock.not_before(await store.newest_version())
        except StoreError:
            failures += 1
            await asyncio.sleep(wait_s(Retry.REOPEN, failures, random.random))
        else:
            known.set()
            return


async def _forget(spool: Spool) -> None:
    while True:
        while await spool.sends.forget(before_us=int((time.time() - KEYS_KEPT_S) * 1_000_000)):
            pass
        await asyncio.sleep(EVERY_S)
