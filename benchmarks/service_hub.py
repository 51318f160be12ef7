"""The service itself with a door for the benchmark: `python -m benchmarks.service_hub`, settings from the environment.

Says one JSON line on standard output when all sessions are connected. Then each line in is an order, `{"do": "send", "to": {session:
JID}, "texts": n}` or `{"do": "hear", "texts": n}`, each line out its answer. When standard input ends it stops in good order.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from connector import app
from connector.datadir import DataDir
from connector.settings import Settings
from sessions.fleet import Fleet
from sessions.intake import Intake
from sessions.model import Message, SendStatus, SessionId
from sessions.ports import SessionView
from sessions.state import Reason

LOOK_S = 0.05


class MeasuredFleet:
    """The service's own fleet, whoever hears it, and the benchmark's orders."""

    def __init__(self, settings: Settings, data: DataDir) -> None:
        fleet = app.build_fleet(settings, data)
        if not isinstance(fleet, Fleet):
            raise TypeError("the service has another fleet now: send through that one")
        self._fleet = fleet
        self._heard = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to bring every session back."""
        await self._fleet.start()
        self._tasks = [
            asyncio.create_task(self._hear(), name="benchmark-hears"),
            asyncio.create_task(self._serve(), name="benchmark-orders"),
        ]

    async def stop(self) -> None:
        """Disconnect every session."""
        await self._fleet.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def snapshot(self) -> Sequence[SessionView]:
        """Answer how every session is."""
        return self._fleet.snapshot()

    async def _hear(self) -> None:
        async with aclosing(Intake(self._fleet.spool, self._fleet.rung).batches()) as batches:
            async for batch in batches:
                self._heard += sum(isinstance(heard.words, Message) for heard in batch)

    async def _serve(self) -> None:
        await _until(self._connected)
        _say(connected=len(self._fleet.snapshot()))
        orders = asyncio.StreamReader(limit=2**24)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while line := await orders.readline():
            await self._obey(json.loads(line))
        os.kill(os.getpid(), signal.SIGTERM)  # as an operator would

    def _connected(self) -> bool:
        return all(view.state.reason is Reason.CONNECTED for view in self._fleet.snapshot())

    async def _obey(self, order: dict[str, Any]) -> None:
        if order["do"] == "send":
            sends = (self._send(SessionId(session), to, order["texts"]) for session, to in order["to"].items())
            _say(sent=sum(await asyncio.gather(*sends)))
        else:
            await _until(lambda: self._heard >= order["texts"])
            _say(heard=self._heard)

    async def _send(self, session: SessionId, to: str, texts: int) -> int:
        outcomes = [await self._fleet.send(session, f"b-{number}", to, f"texto {number}") for number in range(texts)]
        return sum(outcome.status is SendStatus.SENT for outcome in outcomes)


async def _until(fact: Callable[[], bool]) -> None:
    while not fact():  # noqa: ASYNC110  # looking costs less than telling this program of every change
        await asyncio.sleep(LOOK_S)


def _say(**words: Any) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(app.run(MeasuredFleet, lambda _text: None))
