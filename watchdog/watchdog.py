"""Keeps watch: looks round every few seconds, says what is wrong once and when it is over, and carries remedies out."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from loguru import logger

from watchdog.checks import ALL, Check, Finding, findings
from watchdog.pace import Limits, Pace
from watchdog.remedies import Hands, Remedy, carry_out, code
from watchdog.sights import Snapshot

EVERY_S = 5.0
LOOK_S = 10.0
REMEDY_S = 60.0
LATE = 3.0
"""So many times the usual pause without a round say that none is coming."""
EARLIER_S = 60.0
"""How much older the snapshot is that a check may compare with."""
_KEPT = 64


class Eyes(Protocol):
    """Who sees how everything is."""

    async def look(self) -> Snapshot:
        """Answer a snapshot. May raise; is broken off when it takes too long."""
        ...


class Tally(Protocol):
    """Who counts, keeps and tells what the watchdog sees and does. Must not raise."""

    def found(self, finding: Finding) -> None:
        """Take note of a problem that is new."""
        ...

    def over(self, finding: Finding, after_s: float) -> None:
        """Take note that a problem is over."""
        ...

    def acted(self, remedy: Remedy, why: str, *, done: bool) -> None:
        """Take note of an action: it was done, or it failed."""
        ...


@dataclass(frozen=True, slots=True)
class Habits:
    """How it watches. `clock`: monotonic seconds."""

    every_s: float = EVERY_S
    look_s: float = LOOK_S
    remedy_s: float = REMEDY_S
    earlier_s: float = EARLIER_S
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    checks: tuple[Check, ...] = ALL
    clock: Callable[[], float] = time.monotonic


class Watchdog:
    """Watches over what *eyes* see with the help of *hands*. One round at a time."""

    def __init__(self, eyes: Eyes, hands: Hands, tally: Tally, habits: Habits | None = None) -> None:
        self._eyes = eyes
        self._hands = hands
        self._tally = tally
        self._habits = habits or Habits()
        self._pace = Pace(self._habits.limits)
        self._seen: deque[tuple[float, Snapshot]] = deque(maxlen=_KEPT)
        self._open: dict[tuple[str, str], tuple[Finding, float]] = {}  # and since when
        self._blind = False
        self._round: asyncio.Task[None] | None = None
        self._ticked = 0.0  # when the scheduler last said so, monotonic
        self._minder: asyncio.Task[None] | None = None
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def start(self) -> None:
        """Look round at once, and then regularly."""
        job = self._scheduler.add_job(  # pyright: ignore[reportUnknownMemberType]  # the library ships no types
            self._tick,
            "interval",
            seconds=self._habits.every_s,
            next_run_time=datetime.now(UTC),
            name="watchdog",
            coalesce=True,
            misfire_grace_time=None,  # a round that the loop was too busy for is made late, not left out
        )
        self._scheduler.start()
        self._ticked = time.monotonic()
        self._minder = asyncio.create_task(self._mind(job), name="watchdog-minder")

    async def stop(self) -> None:
        """Watch no more; a round under way is broken off. To stop what was not started is harmless."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        tasks = [one for one in (self._minder, self._round) if one]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _mind(self, job: Any) -> None:
        """See to it that rounds are made although somebody set the clock back: the scheduler plans by it, and would sleep that long."""
        while True:
            await asyncio.sleep(self._habits.every_s)
            if time.monotonic() - self._ticked > LATE * self._habits.every_s:
                job.modify(next_run_time=datetime.now(UTC))

    @property
    def findings(self) -> Sequence[Finding]:
        """What is wrong just now, oldest first."""
        return [found for found, _since in self._open.values()]

    async def look_round(self) -> None:
        """Make one round: look, judge, tell, act."""
        try:
            async with asyncio.timeout(self._habits.look_s):
                snapshot = await self._eyes.look()
        except Exception as error:  # noqa: BLE001 - a watchdog that falls over guards nothing
            self._cannot_see(error)
            return
        self._blind = False
        now = self._habits.clock()
        found = findings(snapshot, self._earlier(now), self._habits.checks)
        self._seen.append((now, snapshot))
        self._tell(found, now)
        reasons = {one.remedy: one.sentence for one in reversed(found)}
        due = self._pace.due((one.remedy for one in found), now)
        await asyncio.gather(*(self._act(remedy, reasons[remedy]) for remedy in due))

    async def _tick(self) -> None:
        """Begin a round, unless the last is still under way. The scheduler only says when: the task and its end are ours.

        A coroutine, since the scheduler would run a plain function in a thread.
        """
        self._ticked = time.monotonic()
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self.look_round(), name="watchdog-round")

    def _earlier(self, now: float) -> Snapshot | None:
        """Answer the youngest snapshot that is old enough to compare with; forget those before it."""
        earlier = None
        while self._seen and now - self._seen[0][0] >= self._habits.earlier_s:
            earlier = self._seen.popleft()
        if earlier is None:
            return None
        self._seen.appendleft(earlier)
        return earlier[1]

    def _tell(self, found: Sequence[Finding], now: float) -> None:
        """Tell what is new, and what is over with how long it lasted. What goes on is not told again."""
        present = {(one.problem, one.about): one for one in found}
        for key, (was, since) in list(self._open.items()):
            if key not in present:
                del self._open[key]
                self._tally.over(was, now - since)
                logger.debug("Watchdog: {} of {} is over after {:.0f} s", was.problem, was.about, now - since)
        for key, one in present.items():
            was, since = self._open.get(key, (None, now))
            if not one.told and (was is None or was.turn != one.turn):  # a new turn of what goes on is told again
                self._tally.found(one)
                logger.debug("Watchdog: {}", one.sentence)
            self._open[key] = (one, since)

    async def _act(self, remedy: Remedy, why: str) -> None:
        """Carry a remedy out, for a limited time, and say what came of it."""
        action, times = code(remedy), self._pace.count(remedy)
        logger.debug("Watchdog: {} (try {}), because: {}", action, times, why)
        try:
            async with asyncio.timeout(self._habits.remedy_s):
                await carry_out(remedy, self._hands)
        except Exception as error:  # noqa: BLE001 - one remedy that fails keeps no other from being tried
            self._tally.acted(remedy, why, done=False)
            logger.error("Watchdog: {} failed: {}", action, f"{type(error).__name__}: {error}")
        else:
            self._tally.acted(remedy, why, done=True)

    def _cannot_see(self, error: Exception) -> None:
        if self._blind:
            logger.debug("Watchdog: still nothing can be seen: {}", type(error).__name__)
        else:
            logger.opt(exception=error).error("Watchdog: nothing can be seen")
        self._blind = True
