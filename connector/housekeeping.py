"""What has to be done now and then: a clock that is never behind the database's, and keys of sends forgotten in time."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

from loguru import logger

from connector import background
from connector.spool import Spool, SpoolError
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
        await spool.pair_links.forget(before_us=int(time.time() * 1_000_000))
        await asyncio.sleep(EVERY_S)


async def expire(spool: Spool, kept_s: float, count: Callable[[str, int], None]) -> None:
    """Throw dead letters away that nobody decided about for *kept_s*, for as long as it is let. *count*: of which sink, how many."""
    while True:
        gone: Counter[str] = Counter()
        try:
            while found := await spool.dead.expire(before_us=int((time.time() - kept_s) * 1_000_000)):
                gone += found
        except SpoolError as error:
            logger.warning("Old dead letters could not be removed: {}", error)
        for sink, letters in gone.items():
            logger.warning(
                "{} dead letters of {} were older than {:.0f} days and are gone.", letters, sink, kept_s / 86_400
            )
            count(sink, letters)
        await asyncio.sleep(EVERY_S)
