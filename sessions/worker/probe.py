"""Asks sessions that have been silent whether WhatsApp still answers: a socket can look alive and be dead."""

from __future__ import annotations

import asyncio
import random

from sessions import frames
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
        self._deaf: set[str] = set()

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
            async with self._turns:
                answered = await seat.client.ask(deadline_s=self._answer_s)
            if seat.online and answered == (session in self._deaf):
                self._tell(frames.Probed(session=session, answered=answered))
                (self._deaf.discard if answered else self._deaf.add)(session)
        except Exception as error:  # noqa: BLE001  # a probe that cannot be made says so; the next one tries again
            self._tell(frames.Probed(session=session, answered=False, detail=type(error).__name__))
        finally:
            self._asking.pop(session, None)
