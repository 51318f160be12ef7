"""What has to be done now and then: a clock that is never behind the database's, and keys of sends forgotten in time."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

from loguru import logger

from connector import background
from connector.spool import Spool, SpoolError
from connector.store.errors import StoreError
from connector.store.store import Store
from sessions.backoff import Retry, wait_s

KEYS_KEPT_S = 7 * 86_400.0
"""How long an Idempotency-Key and how its send ended are remembered."""
EVERY_S = 3_600.0


def _nothing_to_repeat() -> None: ...


class CatchUp:
    """Asks the database which versions it holds until it says so. `reason`: why it does not, None where it did or was not asked yet.

    *aloud*: an operator is told; the service's own database takes a moment at every start, which is nothing to tell.
    *behind* is called when the database holds versions that this run was too late to know: what it was told meanwhile looked old to it.
    """

    def __init__(
        self, spool: Spool, store: Store, *, aloud: bool, behind: Callable[[], None] = _nothing_to_repeat
    ) -> None:
        self.known = asyncio.Event()
        self._aloud = aloud
        self._behind = behind
        self.reason: str | None = None
        self._spool = spool
        self._store = store

    async def run(self) -> None:
        """A data folder that is new, or a clock that was set back, must not make later changes look older than those on record."""
        failures = 0
        first = self._spool.clock.next()
        while True:
            try:
                newest = await self._store.newest_version()
            except StoreError as error:
                failures += 1
                if self._aloud:
                    self._tell(str(error).rstrip("."), "WARNING" if failures == 1 else "DEBUG")
                await asyncio.sleep(wait_s(Retry.REOPEN, failures, random.random))
            else:
                break
        self._spool.clock.not_before(newest)
        if newest > first:
            self._behind()
        if self.reason:
            logger.info("The database answers.")
        self.reason = None
        self.known.set()

    def _tell(self, why: str, level: str) -> None:
        self.reason = f"{why[:1].upper()}{why[1:]}."
        logger.log(level, "{} What happens waits on disk until then.", self.reason)


async def start(parts: AsyncExitStack, spool: Spool, catch_up: CatchUp, *, wait_s: float) -> None:
    """Begin; with *wait_s*, give the database so many seconds to say what it holds before anything is told to it."""
    background.run(parts, catch_up.run(), "catch-up-versions")
    background.run(parts, _forget(spool), "forget-sends")
    if wait_s:
        with suppress(TimeoutError):  # it is away: the clock catches up when it is back
            await asyncio.wait_for(catch_up.known.wait(), wait_s)


async def _forget(spool: Spool) -> None:
    while True:
        try:
            while await spool.sends.forget(before_us=int((time.time() - KEYS_KEPT_S) * 1_000_000)):
                pass
            await spool.pair_links.forget(before_us=int(time.time() * 1_000_000))
        except SpoolError as error:  # as on a full disk: the next hour may find room
            logger.warning("Old sends and links could not be forgotten: {}", error)
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


def tell_stranded(spool: Spool, kept_days: int) -> None:
    """Say what waits for a sink that somebody unset: it may be a slip."""
    for sink, rows in spool.tally.stranded().items():
        sentence = "{} rows wait for {}, which is not set any more: they are kept for {} days, should it be set again."
        logger.warning(sentence, rows, sink, kept_days)


async def expire_stranded(spool: Spool, kept_s: float, count: Callable[[str, int], None]) -> None:
    """Throw away what waited for *kept_s* for a sink that is not set any more. *count*: for which sink, how many rows."""
    while True:
        for sink in spool.tally.stranded():
            gone = 0
            try:
                while rows := await spool.outbox.expire(sink, before_us=int((time.time() - kept_s) * 1_000_000)):
                    gone += rows
            except SpoolError as error:
                logger.warning("Old rows of {} could not be removed: {}", sink, error)
            if gone:
                logger.warning("{} rows that waited for {}, which is not set any more, are gone.", gone, sink)
                count(sink, gone)
        await asyncio.sleep(EVERY_S)
