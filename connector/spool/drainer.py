"""Carries one sink's queue out: in order, a batch at a time, for as long as it takes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from loguru import logger

from connector.spool.clock import wall_us
from connector.spool.errors import SpoolError
from connector.spool.outbox import Outbox
from connector.spool.rows import StoredOut
from connector.spool.sink import Delivered, Going, Park, Poison, Sink, Verdict, Wait
from sessions.backoff import Backoff

BATCH = 500
LEAST = 16  # rows: what an overloaded other side is offered at last
IDLE_S = 1.0  # covers a wake-up that was missed
PARKED_S = 30.0
DELIVER_S = 120.0
LONGEST_S = 300.0  # however long the other side asks to be left alone
STOP_S = 5.0
WAITS = Backoff(first_s=0.25, factor=2.0, cap_s=30.0)


class SinkState(StrEnum):
    """What a sink does just now."""

    RUNNING = "running"  # rows go out as they come
    WAITING = "waiting"  # the other side is away or busy: it is tried again by itself
    PARKED = "parked"  # somebody has to mend something: rows are kept


@dataclass(frozen=True, slots=True)
class SinkView:
    """A sink for status pages and the watchdog. `oldest_s`: the age of the row it is at; `delivered`: since the start."""

    name: str
    state: SinkState
    reason: str
    depth: int
    oldest_s: float | None
    delivered: int
    dead: int


class Drainer:
    """One task for one sink. No sink waits for another.

    *waits*: how long between tries while it waits. *now_us*: unix microseconds. *chance*: from 0 up to 1.
    """

    def __init__(
        self,
        sink: Sink,
        outbox: Outbox,
        *,
        batch: int = BATCH,
        waits: Backoff = WAITS,
        parked_s: float = PARKED_S,
        deliver_s: float = DELIVER_S,
        now_us: Callable[[], int] = wall_us,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._sink = sink
        self._outbox = outbox
        self._batch = batch
        self._size = batch
        self._held = False
        self._waits = waits
        self._parked_s = parked_s
        self._deliver_s = deliver_s
        self._now_us = now_us
        self._chance = chance
        self._kicked = asyncio.Event()
        self._more = asyncio.Event()
        self._state = SinkState.RUNNING
        self._reason = ""
        self._refusals = 0
        self._refused_at = 0.0
        self._delivered = 0
        self._head: StoredOut | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def view(self) -> SinkView:
        """How the sink is."""
        name = self._sink.name
        return SinkView(
            name=name,
            state=self._state,
            reason=self._reason,
            depth=self._outbox.tally.waiting(name),
            oldest_s=max(0.0, (self._now_us() - self._head.at_us) / 1e6) if self._head else None,
            delivered=self._delivered,
            dead=self._outbox.tally.dead(name),
        )

    def start(self) -> None:
        """Begin to deliver, or begin again after a stop."""
        self._stopping = False
        loop = asyncio.get_running_loop()
        self._outbox.tally.listen(self._sink.name, partial(_set, loop, self._more))
        self._task = asyncio.create_task(self._run(), name=f"drainer-{self._sink.name}")

    async def stop(self) -> None:
        """Finish the batch under way, if it ends soon. To stop what was not started is harmless."""
        self._stopping = True
        self.kick()
        self._more.set()
        if self._task:
            await asyncio.wait({self._task}, timeout=STOP_S)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def kick(self) -> None:
        """Try at once, parked or not: something may have been mended."""
        self._kicked.set()

    async def _run(self) -> None:
        while not self._stopping:
            self._more.clear()
            self._kicked.clear()
            rows: Sequence[StoredOut] = ()
            try:
                rows = await self._read()
                refusal = await self._offer(rows)
            except SpoolError as error:
                refusal = Wait(str(error))
            except Exception as error:  # noqa: BLE001 - it must outlive whatever it meets: nobody would deliver for it
                refusal = self._fault(error)
            self._learn(rows, refusal)
            if isinstance(refusal, Going):
                self._recovered()
            elif refusal:
                await self._hold(refusal)
            elif rows:
                self._recovered()
            else:
                await _within(self._more, IDLE_S)

    async def _read(self) -> Sequence[StoredOut]:
        """Answer what comes next: in the order it came, or, while some of it stays behind, of each chain alike."""
        read = self._outbox.heads if self._held else self._outbox.read
        rows = await read(self._sink.name, self._size)
        self._head = rows[0] if rows else None
        return rows

    def _learn(self, rows: Sequence[StoredOut], refusal: Going | Wait | Park | None) -> None:
        """Who stays behind must not fill the next batch alone; who is too slow for a whole batch is offered smaller ones."""
        self._held = refusal is not None
        if isinstance(refusal, Wait) and not refusal.delivered:
            self._size = max(min(LEAST, self._batch), self._size // 2)
        elif rows:
            self._size = min(self._batch, self._size * 2)

    async def _offer(self, rows: Sequence[StoredOut]) -> Going | Wait | Park | None:
        """Offer *rows*, in halves if one of them is poison; delete what arrived; answer what stopped it, if anything did."""
        if not rows:
            return None
        verdict = await self._ask(list(rows))
        if isinstance(verdict, Delivered):
            await self._done(rows)
            return None
        await self._done([row for row in rows if row.seq in verdict.delivered])
        if verdict.delivered:
            self._refusals = 0  # it is getting on: the next wait is a short one
        if not isinstance(verdict, Poison):
            return verdict
        rest = [row for row in rows if row.seq not in verdict.delivered]
        if named := next((row for row in rest if len(rows) == 1 or row.seq == verdict.seq), None):
            await self._bury(named, verdict.reason)
            return Going() if len(rest) > 1 else None
        middle = len(rest) // 2
        return await self._offer(rest[:middle]) or await self._offer(rest[middle:])

    async def _ask(self, rows: list[StoredOut]) -> Verdict:
        try:
            async with asyncio.timeout(self._deliver_s):
                return await self._sink.deliver(rows)
        except TimeoutError:
            return Wait(f"No answer within {self._deliver_s:.0f} s.")
        except Exception as error:  # noqa: BLE001 - a fault of ours must not lose a row
            return self._fault(error)

    def _fault(self, error: Exception) -> Wait:
        logger.opt(exception=error if not self._refusals else None).error("The sink {} failed.", self._sink.name)
        return Wait(f"A fault of the service: {type(error).__name__}.")

    async def _done(self, rows: Sequence[StoredOut]) -> None:
        await self._outbox.delete(rows)
        self._delivered += len(rows)

    async def _bury(self, row: StoredOut, reason: str) -> None:
        await self._outbox.bury(row, reason)
        logger.error("The sink {} can never take {}, now a dead letter: {}", self._sink.name, row.op, reason)

    async def _hold(self, refusal: Wait | Park) -> None:
        """Keep everything, and wait until it is time to try again or somebody kicks."""
        self._note(refusal)
        if isinstance(refusal, Park):
            await _within(self._kicked, self._parked_s)
            return
        self._refusals += 1
        own = self._waits.first_s * self._waits.factor ** min(self._refusals - 1, 64)
        own = min(own, self._waits.cap_s) * (1 - self._waits.jitter * self._chance())
        await _within(self._kicked, max(own, min(refusal.retry_after_s or 0.0, LONGEST_S)))

    def _note(self, refusal: Wait | Park) -> None:
        state = SinkState.PARKED if isinstance(refusal, Park) else SinkState.WAITING
        if self._state is SinkState.RUNNING:
            self._refused_at = time.monotonic()
        if state is not self._state and state is SinkState.PARKED:
            logger.error(
                "The sink {} is PARKED until this is mended; nothing is lost: {}", self._sink.name, refusal.reason
            )
        else:
            usual = isinstance(refusal, Wait) and refusal.usual
            level = "WARNING" if self._state is SinkState.RUNNING and not usual else "DEBUG"
            logger.log(level, "The sink {} waits: {}", self._sink.name, refusal.reason)
        self._state, self._reason = state, refusal.reason

    def _recovered(self) -> None:
        if self._state is not SinkState.RUNNING:
            logger.info("The sink {} runs again after {:.1f} s.", self._sink.name, time.monotonic() - self._refused_at)
        self._state, self._reason, self._refusals = SinkState.RUNNING, "", 0


async def _within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(event.set)
