"""Asks sessions that have been silent whether WhatsApp still answers: a socket can look alive and be dead."""

from __future__ import annotations

import asyncio
import random

from sessions import frames
from sessions.errors import Busy, EngineRefused
from sessions.worker.host import Host, Seat, Tell

SILENT_S = 15.0
JITTER_S = 3.0
ANSWER_S = 8.0
EVERY_S = 1.0
AT_ONCE = 4


class Prober:
    """Looks round every second; asks at most a few sessions at once; tells only what changed."""

    def __init__(self, host: Host, tell: Tell, *, silent_s: float = SILENT_S, answer_s: float = ANSWER_S) -> None:
        self._host = host
        self._tell = tell
        self._silent_s = silent_s
        self._answer_s = answer_s
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look round until cancelled."""
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                for session, seat in list(self._host.seats.items()):
                    if session not in self._asking and self._due(seat):
                        self._asking[session] = asyncio.create_task(
                            self._ask(session, seat), name=f"probe-{session[:8]}"
                        )
        finally:
            for task in self._asking.values():
                task.cancel()

    def _due(self, seat: Seat) -> bool:
        patience = self._silent_s + random.uniform(0, JITTER_S)  # noqa: S311  # spreads load
        return seat.online and seat.client.running and seat.client.silent_s > patience

    async def _ask(self, session: str, seat: Seat) -> None:
        try:
            answered, detail = await self._answers(seat)
        except (Busy, EngineRefused):
            return  # not asked: too much to do here, or it has ended, which is told elsewhere
        finally:
            self._asking.pop(session, None)
        if seat.online and answered == seat.deaf and self._host.seats.get(session) is seat:
            seat.deaf = not answered
            self._tell(frames.Probed(session=session, answered=answered, detail=detail))

    async def _answers(self, seat: Seat) -> tuple[bool, str]:
        async with self._turns:
            try:
                return await seat.client.ask(deadline_s=self._answer_s), ""
            except (Busy, EngineRefused):
                raise
            except Exception as error:  # noqa: BLE001  # an answer that nobody can read is none
                return False, type(error).__name__
