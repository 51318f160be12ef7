"""The engine as the hub sees it: sessions are opened, closed and spoken through; which worker does it is nobody else's concern."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sessions import frames
from sessions.engine.keeper import Budget, Events, Keeper
from sessions.engine.launch import Lab, Launch
from sessions.engine.placement import Placement
from sessions.engine.process import Hearing, WorkerProcess
from sessions.errors import DiskFull, FixUs, SendError, SessionsError, UnknownSession, WorkerGone
from sessions.model import Outcome, SendStatus, SessionId

START_S = 3.0  # how long a session's start may keep the next one waiting
LINE_UP_S = 180.0  # as long as every session before it in its worker took that long
WORKER_UP_S = 90.0
CLOSE_S = 45.0
LOGOUT_S = 30.0
ASK_S = 20.0


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears the engine: news of one session, the sessions a worker lost (and whether it was given up), and its inbox's bell."""

    notice: Callable[[SessionId, frames.Notice], None]
    lost: Callable[[list[SessionId], bool], None]
    low_disk: Callable[[list[SessionId]], None]
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


class Engine:
    """All workers. Sessions stay where they are placed until they are released."""

    def __init__(self, launch: Launch, ears: Ears, *, per_worker: int = 25, budget: Budget | None = None) -> None:
        self._launch = launch
        self._ears = ears
        self._budget = budget
        self._placement = Placement(per_worker)
        self._keepers: dict[int, Keeper] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._throwaways: set[WorkerProcess] = set()
        self._numbers = 0

    async def open(self, session: SessionId, database: Path) -> None:
        """Open *session*, closing it first where it is open. Raises `Locked`, `WorkerGone`, `Deadline`, `DiskFull`."""
        if self._launch.disk_low:
            raise DiskFull
        keeper = self._keeper(self._placement.place(session))
        process = await keeper.process(WORKER_UP_S)
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
            process = self._keepers[number].running()
            await process.channel.ask(frames.Close, deadline_s=CLOSE_S, session=session)
        except WorkerGone:
            pass
        except SessionsError as error:
            self._keepers[number].recycle(f"a session does not let go ({error.code})")
        finally:
            if self._placement.take_away(session) is not None:
                self._retire(number)

    async def logout(self, session: SessionId) -> None:
        """Unlink the session's device at WhatsApp. Raises `EngineRefused`, `Deadline`, `WorkerGone`, `UnknownSession`."""
        await self._running(session).channel.ask(frames.Logout, deadline_s=LOGOUT_S, session=session)

    async def send(self, session: SessionId, ref: str, to: str, text: str, *, deadline_s: float) -> Outcome:
        """Send a text; answers how it ended, unknown if its worker died meanwhile. Raises `Busy`, `UnknownSession`, `WorkerGone`."""
        process = self._running(session)
        try:
            reply = await process.channel.ask(
                frames.Send, deadline_s=deadline_s, session=session, ref=ref, to=to, text=text
            )
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
        if number is not None:
            self._keepers[number].recycle(why)

    def revive(self) -> None:
        """Start again the workers that were given up."""
        for keeper in self._keepers.values():
            keeper.revive()

    def workers(self) -> list[WorkerView]:
        """Answer the resident workers."""
        loads = self._placement.loads()
        return [
            WorkerView(keeper.name, loads.get(number, 0), keeper.starts, keeper.gave_up, keeper.health)
            for number, keeper in sorted(self._keepers.items())
        ]

    def silent_s(self, session: SessionId) -> float | None:
        """Seconds since *session* last showed life, as of its worker's last health; None when not known."""
        number = self._placement.where(session)
        keeper = self._keepers.get(number) if number is not None else None
        return keeper.health.silent_s.get(session) if keeper and keeper.health else None

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
            events = Events(down=self._down, hearing=hearing)
            self._keepers[number] = Keeper(number, self._launch, events, budget=self._budget)
            self._keepers[number].start()
        return self._keepers[number]

    def _running(self, session: SessionId) -> WorkerProcess:
        number = self._placement.where(session)
        if number is None:
            raise UnknownSession
        return self._keepers[number].running()

    def _heard(self, number: int, notice: frames.Notice) -> None:
        if isinstance(notice, frames.LowDisk):
            self._ears.low_disk(self._placement.on(number))
        else:
            self._ears.notice(SessionId(notice.session), notice)

    def _down(self, number: int, gave_up: bool) -> None:
        self._ears.lost(self._placement.on(number), gave_up)

    def _retire(self, number: int) -> None:
        task = asyncio.create_task(self._keepers.pop(number).stop(), name=f"retire-w{number}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


__all__ = ["Ears", "Engine", "Lab", "Launch", "WorkerView"]
