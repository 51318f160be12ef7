"""The services that an operator can start and restart by name, in the order in which they start. Jobs say what became of a restart."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context  # what is started outlives the request that asked for it, and must not bear its name
from dataclasses import dataclass, field
from typing import Literal

from loguru import logger

from connector.refusals import CannotStart, NotInitialized, RestartUnderWay, UnknownJob

Name = Literal["database", "sinks", "workers", "sessions", "watchdog"]
JOBS_KEPT = 50
RESTART_S = 120.0
"""How long one service may take to restart."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How a service is: `running`, `stopped` or `degraded`, and a sentence where there is something to say."""

    state: Literal["running", "stopped", "degraded"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """One of them. *restart* loses nothing, and returns once it works again."""

    name: Name
    condition: Callable[[], Condition]
    restart: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """A restart. Times are unix seconds; `errors` by service."""

    id: str
    services: Sequence[Name]
    started_at: float
    status: Literal["running", "done", "failed"] = "running"
    ended_at: float | None = None
    errors: dict[str, str] = field(default_factory=dict[str, str])


class Lifecycle:
    """All services of one Vigia. *start* starts them, once, for whoever comes first; *restarted* is told of each restart that has ended."""

    def __init__(
        self,
        services: Sequence[Service],
        start: Callable[[], Awaitable[None]],
        restarted: Callable[[Job], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._services = services
        self._start = start
        self._restarted = restarted
        self._clock = clock
        self._starting: asyncio.Task[None] | None = None
        self._initialized = False
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    @property
    def initialized(self) -> bool:
        """Whether everything was started."""
        return self._initialized

    def conditions(self) -> dict[Name, Condition]:
        """Answer how each service is."""
        if not self._initialized:
            return {one.name: Condition("stopped", "Not initialized yet.") for one in self._services}
        return {one.name: one.condition() for one in self._services}

    async def initialize(self) -> bool:
        """Start what does not run; answer whether there was anything to start. Raises what the start raises.

        A start goes on when its caller has gone: half of it would be worse than either.
        """
        if self._initialized:
            return False
        if self._starting is None:
            self._starting = asyncio.create_task(self._start_all(), name="initialize", context=Context())
            await asyncio.shield(self._starting)
            return True
        await asyncio.shield(self._starting)
        return False

    async def _start_all(self) -> None:
        try:
            await self._start()
            self._initialized = True
        finally:
            self._starting = None

    def restart(self, names: Sequence[Name]) -> Job:
        """Begin to restart services, all of them without *names*. Raises `NotInitialized`, `RestartUnderWay`."""
        if not self._initialized:
            raise NotInitialized
        if self._task and not self._task.done():
            raise RestartUnderWay
        chosen = tuple(one for one in self._services if not names or one.name in names)
        job = Job(uuid.uuid4().hex, tuple(one.name for one in chosen), self._clock())
        self._note(job)
        self._task = asyncio.create_task(self._work(job, chosen), name="restart", context=Context())
        return job

    def job(self, job_id: str) -> Job:
        """Answer a restart, one of the last. Raises `UnknownJob`."""
        if job_id not in self._jobs:
            raise UnknownJob
        return self._jobs[job_id]

    async def ended(self, job_id: str, wait_s: float) -> Job:
        """Answer a restart once it has ended, or as it is after *wait_s*."""
        if self._task and wait_s and self.job(job_id).status == "running":
            await asyncio.wait({self._task}, timeout=wait_s)
        return self.job(job_id)

    def break_off(self) -> None:
        """Have a start or a restart under way end soon: whoever waits for it is told how far it came."""
        for task in self._under_way():
            task.cancel()

    async def stop(self) -> None:
        """Break off a start or a restart under way. Only then may what they handle be stopped, or they start it again."""
        self.break_off()
        await asyncio.gather(*self._under_way(), return_exceptions=True)

    def _under_way(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._starting, self._task) if task]

    async def _work(self, job: Job, services: Sequence[Service]) -> None:
        errors: dict[str, str] = {}
        for one in services:
            logger.info("Restarting {}, as an operator asked.", one.name)
            try:
                async with asyncio.timeout(RESTART_S):
                    await one.restart()
            except Exception as error:  # noqa: BLE001 - one service that does not restart keeps no other from it
                logger.opt(exception=error).error("{} did not restart.", one.name)
                errors[one.name] = _sentence(error)
        status = "failed" if errors else "done"
        ended = Job(job.id, job.services, job.started_at, status, self._clock(), errors)
        self._note(ended)
        self._restarted(ended)

    def _note(self, job: Job) -> None:
        self._jobs[job.id] = job
        while len(self._jobs) > JOBS_KEPT:
            self._jobs.popitem(last=False)


def _sentence(error: Exception) -> str:
    """What an operator is told of a restart that failed. Only our own errors are shown whole: another's may say anything."""
    if isinstance(error, TimeoutError):
        return "It did not come back in time: the watchdog goes on with it, and the log says more."
    if isinstance(error, CannotStart):
        return str(error)
    return f"{type(error).__name__}: see the log."
