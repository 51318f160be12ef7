"""Keeps the embedded PostgreSQL running: starts it, migrates it, starts it again when it dies, and ends it with the service."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import psutil
from loguru import logger

from connector.store.cluster import Cluster
from connector.store.driver import Target, classify, connect
from connector.store.errors import Misconfigured, Offline, StoreError
from sessions.backoff import Retry, wait_s

READY_S = 120.0
"""After a power cut it reads its log first, which may take a while."""
STOP_S = 4.0
LOG_BYTES = 5_000_000
STARTS = "The embedded PostgreSQL starts."
DOWN = "The embedded PostgreSQL does not run: the end of {} in the data folder says why."
Prepare = Callable[[str], Awaitable[object]]


class Running(StrEnum):
    """Where the embedded PostgreSQL is."""

    STOPPED = "stopped"  # not asked for, or asked to end
    STARTING = "starting"  # being made, started or migrated
    UP = "up"  # takes calls
    DOWN = "down"  # died or does not start; tried again soon


@dataclass(frozen=True, slots=True)
class EmbeddedView:
    """What is known of it now: its process while there is one, how often it was started again, and why it is down."""

    running: Running = Running.STOPPED
    pid: int | None = None
    restarts: int = 0
    reason: str | None = None


class Embedded:
    """One PostgreSQL in a folder, reached over a socket that only this user can open."""

    def __init__(self, folder: Path, prepare: Prepare) -> None:
        """*folder* is absolute; *prepare* is given the address at every start, before anybody is told that it is up."""
        self._cluster = Cluster.at(folder)
        self._prepare = prepare
        self._view = EmbeddedView()
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._again = asyncio.Event()

    @property
    def url(self) -> str:
        """The address, the same over restarts; nobody answers there while it is not up."""
        return self._cluster.url

    @property
    def view(self) -> EmbeddedView:
        """Where it is now."""
        return self._view

    async def start(self) -> None:
        """Begin to start it, and answer at once. Raises `Misconfigured` where no later try could help."""
        if (self._cluster.folder / "PG_VERSION").exists():
            self._cluster.require_major()
        self._task = asyncio.create_task(self._keep(), name="embedded-postgres")

    @property
    def up(self) -> bool:
        """Whether it takes calls, its tables brought up to date."""
        return self._view.running is Running.UP

    @property
    def away(self) -> str | None:
        """Why it takes no calls just now; None while it does."""
        if self.up:
            return None
        return DOWN.format(self._cluster.log.name) if self._view.reason else STARTS

    async def until_up(self, timeout: float) -> bool:
        """Wait until it takes calls, and answer whether it does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._view.running is not Running.UP:
                    await self._changed.wait()
        return self._view.running is Running.UP

    def listen(self, up: Callable[[], None]) -> None:
        """Have *up* called each time it takes calls from now on. It may not raise."""
        self._listeners.append(up)

    def restart(self) -> None:
        """End its process, the hard way if it must be, and start another: for a watchdog that finds it not answering."""
        self._again.set()

    async def stop(self) -> None:
        """End it in order, in `STOP_S` and a little; may be called twice."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._tell(EmbeddedView(restarts=self._view.restarts))

    def _tell(self, view: EmbeddedView) -> None:
        self._view = view
        self._changed.set()
        self._changed = asyncio.Event()

    async def _keep(self) -> None:
        failures = 0
        while True:
            self._tell(replace(self._view, running=Running.STARTING, pid=None))
            began = time.monotonic()
            reason = await self._run_once()
            failures = 1 if time.monotonic() - began > 60 else failures + 1
            self._tell(EmbeddedView(Running.DOWN, None, self._view.restarts + 1, reason))
            logger.log("WARNING" if failures == 1 else "DEBUG", "The embedded PostgreSQL is down: {}", reason)
            await asyncio.sleep(wait_s(Retry.WORKER, failures, random.random))

    async def _run_once(self) -> str:
        """Start it, let it run, and answer why it is not running any more."""
        process: asyncio.subprocess.Process | None = None
        try:
            await self._cluster.prepare()
            process = await self._spawn()
            await self._welcome(process)
            return await self._over(process)
        except (OSError, StoreError) as error:
            return str(error) or type(error).__name__
        finally:
            if process:
                await _surely(_end(process))

    async def _over(self, process: asyncio.subprocess.Process) -> str:
        """Wait until it ended or is to be, and answer why."""
        self._again.clear()
        ended = asyncio.create_task(process.wait(), name="embedded-postgres-ends")
        asked = asyncio.create_task(self._again.wait(), name="embedded-postgres-is-to-end")
        try:
            await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
            return f"it ended with status {ended.result()}" if ended.done() else "it was restarted"
        finally:
            asked.cancel()
            ended.cancel()

    async def _spawn(self) -> asyncio.subprocess.Process:
        log = self._cluster.log
        mode = "wb" if log.exists() and log.stat().st_size > LOG_BYTES else "ab"
        with log.open(mode) as file:
            return await asyncio.create_subprocess_exec(
                *self._cluster.command,
                env=self._cluster.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C must not reach it before the service has written what it holds
            )

    async def _welcome(self, process: asyncio.subprocess.Process) -> None:
        began = time.monotonic()
        self._tell(replace(self._view, pid=process.pid))
        await _answering(self.url, process)
        try:
            await self._prepare(self.url)
        except Misconfigured as error:  # it runs, and whoever calls it is told the same
            logger.error("The embedded PostgreSQL cannot be used: {}", error)
        self._tell(replace(self._view, running=Running.UP, reason=None))
        logger.info("The embedded PostgreSQL is up after {:.1f} s.", time.monotonic() - began)
        for up in self._listeners:
            up()


async def _answering(url: str, process: asyncio.subprocess.Process) -> None:
    """Wait until it takes a connection. Raises `Offline` when it ended instead, or never does."""
    ends = time.monotonic() + READY_S
    while time.monotonic() < ends:
        if process.returncode is not None:
            raise Offline(f"it ended with status {process.returncode} while it started")
        try:
            connection = await connect(Target.of(url))
        except Exception as error:
            if not isinstance(classify(error), Offline):
                raise classify(error) from error
            await asyncio.sleep(0.03)
        else:
            return await connection.close()
    raise Offline("it does not take connections")


async def _surely(work: Coroutine[None, None, None]) -> None:
    """Do *work* to its end, also when called off in the midst of it: a process that is half ended stays."""
    doing = asyncio.create_task(work, name="embedded-postgres-end")
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await doing
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it: calls under way are broken off, what was committed is kept. The hard way leaves its own repair to the next start."""
    for how, wait in ((signal.SIGINT, STOP_S), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 1.0)):
        if process.returncode is not None:
            return
        with suppress(psutil.NoSuchProcess):
            whole = psutil.Process(process.pid)
            # Its own processes end with it by themselves, but for those that hang; they would keep the next one out.
            for one in (whole, *(whole.children() if how is signal.SIGKILL else ())):
                one.send_signal(how)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), wait)
