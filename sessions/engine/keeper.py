"""Keeps one worker alive: starts it, asks after its health, ends it when it does not answer, starts the next."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from loguru import logger

from sessions import frames
from sessions.backoff import Random, Retry, wait_s
from sessions.engine.crashes import BLAMED_AFTER, STABLE_S, SUSPECT_AFTER, Crashes, End
from sessions.engine.launch import Launch
from sessions.engine.process import Hearing, WorkerProcess
from sessions.errors import GivenUp, NotConnected, SessionsError, WorkerGone

PING_EVERY_S = 5.0
PING_DEADLINE_S = 10.0
OVER_S = 5.0  # from the end of a worker's socket to that of its process


@dataclass(frozen=True, slots=True)
class Budget:
    """Above any of these a worker is replaced: the engine leaks a descriptor and some memory at every connect."""

    rss_bytes: int = 768 * 1024 * 1024
    descriptor_share: float = 0.7  # of its limit
    longest_call_s: float = 300.0

    def passed(self, health: frames.Health) -> str | None:
        """Answer which budget *health* passes, if any."""
        if health.rss_bytes > self.rss_bytes:
            return f"memory {health.rss_bytes >> 20} MB"
        if health.descriptors > self.descriptor_share * health.descriptor_limit:
            return f"{health.descriptors} file descriptors"
        if health.oldest_call_s > self.longest_call_s:
            return f"a call stuck for {health.oldest_call_s:.0f} s"
        return None


@dataclass(frozen=True, slots=True)
class Events:
    """Who is told of a worker's life. `down` says whether it was given up; `steady`, that one lives longer than crashes take."""

    down: Callable[[int, bool], None]
    hearing: Hearing
    steady: Callable[[int], None] = lambda _number: None


class Keeper:
    """The worker of one number, over all its processes."""

    def __init__(
        self,
        number: int,
        launch: Launch,
        events: Events,
        *,
        budget: Budget | None = None,
        suspect: bool = False,
        chance: Random = random.random,
    ) -> None:
        self.number = number
        self.name = f"w{number}"
        self.health: frames.Health | None = None
        self.starts = 0
        self.gave_up = False
        self.was_ready = False  # the last process came so far; if not, no session can be the cause of its end
        self.health_at = 0.0  # monotonic
        self._launch = launch
        self._crashes = Crashes(SUSPECT_AFTER if suspect else BLAMED_AFTER)
        self._events = events
        self._budget = budget or Budget()
        self._chance = chance
        self._process: WorkerProcess | None = None
        self._settled = asyncio.Event()  # there is a worker, or none is to come
        self._revive = asyncio.Event()
        self._leaving = False
        self._recycle: str | None = None
        self._overspent = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep a worker alive."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def process(self, within_s: float) -> WorkerProcess:
        """Answer the running worker, waiting for it. Raises `WorkerGone`, or `GivenUp` when none is to come."""
        try:
            async with asyncio.timeout(within_s):
                await self._settled.wait()
        except TimeoutError:
            raise WorkerGone from None
        if self.gave_up:
            raise GivenUp
        if self._process is None:
            raise WorkerGone
        return self._process

    def running(self) -> WorkerProcess:
        """Answer the running worker. Raises `WorkerGone` when there is none at this moment."""
        if self._process is None or not self._settled.is_set():
            raise WorkerGone
        return self._process

    @property
    def up(self) -> bool:
        """Whether a worker runs at this moment."""
        return self._process is not None and self._settled.is_set()

    def recycle(self, why: str) -> None:
        """Replace the worker by a new one: drained, without counting as a crash."""
        self._recycle = self._recycle or why

    def revive(self) -> None:
        """Try again after the keeper gave up."""
        if self.gave_up:
            self.gave_up = False
            self._settled.clear()
            self._revive.set()

    async def stop(self) -> None:
        """Drain the worker and keep none any more."""
        self._leaving = True
        process = self._process
        if process and self._settled.is_set():
            await process.drain()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._process:
            await self._process.kill()

    async def _run(self) -> None:
        while not self._leaving:
            began = time.monotonic()
            end = await self._one_life()
            if self._leaving:
                return
            self.gave_up = self._crashes.count(end, time.monotonic() - began)
            self._events.down(self.number, self.gave_up)
            if self.gave_up:
                await self._wait_for_revival()
                self._crashes.forget()
            elif self._crashes.in_a_row:
                await asyncio.sleep(wait_s(Retry.WORKER, self._crashes.in_a_row, self._chance))

    async def _one_life(self) -> End:
        """Run one process from start to end; answers how that was."""
        self.was_ready = False
        try:
            self._process = process = await WorkerProcess.start(self.name, self._launch, self._events.hearing)
        except (SessionsError, OSError) as error:
            logger.error("Worker {} did not start: {} Its last lines: {}", self.name, error, "\n".join(_notes(error)))
            return End.UNBORN
        self.starts += 1
        self.was_ready = True
        self._recycle = None
        self._overspent = False
        self._settled.set()
        logger.info("Worker {} is ready (pid {})", self.name, process.pid)
        watching = asyncio.create_task(self._watch(process), name=f"{self.name}-watch")
        try:
            status = await process.wait()
        finally:
            watching.cancel()
            self._settled.clear()
            self._process = None
            self.health = None
        if self._overspent:
            return End.OVERSPENT
        if self._leaving or self._recycle:
            return End.PLANNED
        logger.error(
            "Worker {} ended with status {}; its last lines: {}", self.name, status, "\n".join(process.last_lines)
        )
        return End.KILLED if process.killed_by_others else End.CRASHED

    async def _watch(self, process: WorkerProcess) -> None:
        """Ask after the worker's health; end it when it does not answer or asks too much."""
        began, told = time.monotonic(), False
        while True:
            try:
                reply = await process.channel.ask(frames.Ping, deadline_s=PING_DEADLINE_S)
            except NotConnected:
                return  # it drains: let it
            except WorkerGone:
                with suppress(TimeoutError):  # it is about to be over, and its own end says more than ours
                    await asyncio.wait_for(process.wait(), OVER_S)
                await process.kill()
                return
            except SessionsError:
                logger.error("Worker {} does not answer: it is replaced", self.name)
                await process.kill()
                return
            self.health, self.health_at = reply.health, time.monotonic()
            if not told and time.monotonic() - began > STABLE_S:
                told = True
                self._events.steady(self.number)
            if reply.health and not self._recycle:
                self._recycle = self._budget.passed(reply.health)
                self._overspent = self._recycle is not None
            if self._recycle:
                logger.warning("Worker {} is replaced by plan: {}", self.name, self._recycle)
                await process.drain()
                return
            await asyncio.sleep(PING_EVERY_S)

    async def _wait_for_revival(self) -> None:
        self._revive.clear()
        self._settled.set()
        await self._revive.wait()


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])
