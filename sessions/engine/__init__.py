"""The engine as the hub sees it: sessions are opened, closed and spoken through; which worker does it is nobody else's concern."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from loguru import logger

from sessions import frames
from sessions.engine.keeper import Budget, Events, Keeper
from sessions.engine.launch import Lab, Launch
from sessions.engine.placement import Placement
from sessions.engine.process import Hearing, WorkerProcess
from sessions.errors import (
    DiskFull,
    FixUs,
    GivenUp,
    Isolated,
    NotAsked,
    SendError,
    SessionsError,
    UnknownSession,
    WorkerGone,
)
from sessions.model import Loss, Outcome, SendStatus, SessionId

START_S = 3.0  # how long a session's start may keep the next one waiting
LINE_UP_S = 180.0  # as long as every session before it in its worker took that long
WORKER_UP_S = 90.0
CLOSE_S = 45.0
LOGOUT_S = 30.0
ASK_S = 20.0
SPARE_THREADS = 16
MOST_SUSPECTS = 12
"""Workers whose sessions are told apart at once. More crash only where it is not a session's fault."""


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears the engine: news of one session, the sessions a worker lost (and what becomes of them), and its inbox's bell.

    `low_disk`: a worker disconnected its sessions, for want of disk or (False) because its inbox took no row.
    """

    notice: Callable[[SessionId, frames.Notice], None]
    lost: Callable[[list[SessionId], Loss], None]
    low_disk: Callable[[list[SessionId], bool], None]
    wake: Callable[[], None]
    line: Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker for status pages."""

    name: str
    sessions: int
    starts: int
    gave_up: bool
    health: frames.Health | None
    up: bool = False


class Engine:
    """All workers. Sessions stay where they are placed until they are released."""

    def __init__(self, launch: Launch, ears: Ears, *, per_worker: int = 25, budget: Budget | None = None) -> None:
        # A session sends one text at a time and is asked one thing beside that; what WhatsApp does not answer holds a thread for 75 s.
        self._launch = replace(launch, threads=2 * per_worker + SPARE_THREADS)
        self._ears = ears
        self._budget = budget
        self._placement = Placement(per_worker)
        self._keepers: dict[int, Keeper] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._throwaways: set[WorkerProcess] = set()
        self._numbers = 0

    async def open(self, session: SessionId, database: Path) -> None:
        """Open *session*, closing it first where it is open.

        Raises `Locked`, `WorkerGone`, `Deadline`, `DiskFull`, `GivenUp`, `Isolated`.
        """
        if self._launch.disk_low:
            raise DiskFull
        number = self._placement.place(session)
        keeper = self._keeper(number)
        try:
            process = await keeper.process(WORKER_UP_S)
        except GivenUp:
            self._raise_where_it_went(session, number)
            raise
        try:
            await process.channel.ask(frames.Close, deadline_s=CLOSE_S, session=session)
        except FixUs as stuck:
            keeper.recycle(f"a session does not let go ({stuck.code})")
            await process.kill()
            raise WorkerGone from None
        await process.channel.ask(
            frames.Open, deadline_s=START_S, patience_s=LINE_UP_S, session=session, path=str(database)
        )

    async def close(self, session: SessionId) -> None:
        """Close *session* and free its place; a worker that is empty then ends. Whatever happens, the session is closed afterwards."""
        number = self._placement.where(session)
        if number is None:
            return
        try:
            await self._running(session).channel.ask(frames.Close, deadline_s=CLOSE_S, session=session)
        except WorkerGone:
            pass
        except SessionsError as error:
            self.recycle(session, f"a session does not let go ({error.code})")
        finally:
            if self._placement.take_away(session) is not None:
                self._retire(number)

    async def rest(self, session: SessionId) -> None:
        """Have the engine let *session* be, so that it dials no more by itself; its place stays. One that does not answer is let be."""
        with suppress(SessionsError):
            await self._running(session).channel.ask(frames.Close, deadline_s=CLOSE_S, session=session)

    async def logout(self, session: SessionId) -> None:
        """Unlink the session's device at WhatsApp. Raises `EngineRefused`, `Deadline`, `WorkerGone`, `UnknownSession`."""
        await self._running(session).channel.ask(frames.Logout, deadline_s=LOGOUT_S, session=session)

    async def send(self, session: SessionId, ref: str, to: str, text: str, *, deadline_s: float) -> Outcome:
        """Send a text; answers how it ended, unknown if its worker died meanwhile.

        Raises `Busy`, `UnknownSession`, `WorkerGone`, `TooLong`: then it was not sent.
        """
        process = self._running(session)
        try:
            reply = await process.channel.ask(
                frames.Send, deadline_s=deadline_s, session=session, ref=ref, to=to, text=text
            )
        except NotAsked:
            raise
        except WorkerGone:
            return Outcome(ref=ref, status=SendStatus.UNKNOWN, to=to, error=SendError.WORKER_GONE)
        except SessionsError as error:
            if error.code == "deadline":
                return Outcome(ref=ref, status=SendStatus.UNKNOWN, to=to, error=SendError.TIMED_OUT)
            raise
        if reply.outcome is None:
            raise FixUs
        return reply.outcome

    async def on_whatsapp(self, session: SessionId, phone: str) -> str | None:
        """Answer the JID a number answers to, or None."""
        reply = await self._running(session).channel.ask(
            frames.OnWhatsApp, deadline_s=ASK_S, session=session, phone=phone
        )
        return reply.text

    async def throwaway(self, session: SessionId, notice: Callable[[frames.Notice], None]) -> WorkerProcess:
        """Start a worker for one pairing. Its keeper is the caller, who ends it."""
        if self._launch.disk_low:
            raise DiskFull
        self._numbers += 1
        hearing = Hearing(notice=notice, wake=self._ears.wake, line=self._ears.line)
        worker = await WorkerProcess.start(f"p{self._numbers}", self._launch, hearing)
        self._throwaways.add(worker)
        worker.on_end(lambda: self._throwaways.discard(worker))
        return worker

    def recycle(self, session: SessionId, why: str) -> None:
        """Replace the worker of *session*."""
        number = self._placement.where(session)
        if number in self._keepers:
            self._keepers[number].recycle(why)

    def recycle_all(self, why: str) -> None:
        """Replace every worker."""
        for keeper in self._keepers.values():
            keeper.recycle(why)

    def revive(self) -> None:
        """Start again the workers that were given up."""
        for keeper in self._keepers.values():
            keeper.revive()

    def workers(self) -> list[WorkerView]:
        """Answer the resident workers."""
        return [self._worker(number, keeper) for number, keeper in sorted(self._keepers.items())]

    def _worker(self, number: int, keeper: Keeper) -> WorkerView:
        return WorkerView(
            keeper.name, len(self._placement.on(number)), keeper.starts, keeper.gave_up, keeper.health, keeper.up
        )

    def isolate(self, session: SessionId) -> None:
        """Give *session* a worker of its own whenever it is opened: it has ended workers before."""
        self._placement.isolate(session)

    def forgive(self, session: SessionId) -> None:
        """Let *session* share a worker again from its next opening on."""
        self._placement.forgive(session)

    def health(self, session: SessionId) -> tuple[WorkerView | None, frames.SessionHealth | None, float]:
        """Answer the worker of *session*, what it last said of it, and how many seconds ago."""
        number = self._placement.where(session)
        keeper = self._keepers.get(number) if number is not None else None
        if number is None or keeper is None:
            return None, None, 0.0
        told = keeper.health.sessions.get(session) if keeper.health else None
        return self._worker(number, keeper), told, time.monotonic() - keeper.health_at

    async def stop(self) -> None:
        """Drain every worker, all at once."""
        keepers, self._keepers = list(self._keepers.values()), {}
        throwaways = [worker.kill() for worker in self._throwaways]
        await asyncio.gather(*(keeper.stop() for keeper in keepers), *self._retiring, *throwaways)

    def _keeper(self, number: int) -> Keeper:
        if number not in self._keepers:
            hearing = Hearing(
                notice=lambda notice: self._heard(number, notice), wake=self._ears.wake, line=self._ears.line
            )
            events = Events(down=self._down, hearing=hearing, steady=self._placement.open)
            suspect = self._placement.is_closed(number)
            self._keepers[number] = Keeper(number, self._launch, events, budget=self._budget, suspect=suspect)
            self._keepers[number].start()
        return self._keepers[number]

    def _running(self, session: SessionId) -> WorkerProcess:
        number = self._placement.where(session)
        if number is None:
            raise UnknownSession
        if number not in self._keepers:
            raise WorkerGone  # it was told apart from others, and is not open in its new place yet
        return self._keepers[number].running()

    def _heard(self, number: int, notice: frames.Notice) -> None:
        if isinstance(notice, frames.LowDisk):
            self._ears.low_disk(self._placement.on(number), notice.full)
        else:
            self._ears.notice(SessionId(notice.session), notice)

    def _down(self, number: int, gave_up: bool) -> None:
        sessions = self._placement.on(number)
        self._ears.lost(sessions, self._blame(number, sessions) if gave_up else Loss.RESTARTING)

    def _blame(self, number: int, sessions: list[SessionId]) -> Loss:
        """A worker that was ready and died again and again: halve its sessions until the one is found that does it."""
        if not sessions or not self._keepers[number].was_ready or self._placement.suspects > MOST_SUSPECTS:
            logger.critical("Worker w{} crashed too often in a row and was stopped", number)
            return Loss.GIVEN_UP
        if len(sessions) == 1:
            logger.critical("Session {} ends every worker it is open in: it is isolated", sessions[0])
            self._placement.isolate(sessions[0])
        else:
            logger.error("Worker w{} keeps crashing: its {} sessions are told apart", number, len(sessions))
            self._placement.part(number)
        self._retire(number)
        return Loss.ISOLATED if len(sessions) == 1 else Loss.RESTARTING

    def _raise_where_it_went(self, session: SessionId, number: int) -> None:
        """Its worker was given up while it waited: perhaps it is to wait for another, or was found to be the cause."""
        now = self._placement.where(session)
        if now is None:
            raise Isolated from None
        if now != number:
            raise WorkerGone from None

    def _retire(self, number: int) -> None:
        if number not in self._keepers:
            return
        task = asyncio.create_task(self._keepers.pop(number).stop(), name=f"retire-w{number}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


__all__ = ["Ears", "Engine", "Lab", "Launch", "WorkerView"]
