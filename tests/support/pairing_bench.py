"""A pairing with a throw-away worker that only says what a test says: shared by the tests of pairing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from sessions import frames
from sessions.engine.process import WorkerProcess
from sessions.errors import PairingEnded, SessionsError
from sessions.model import Identity, Life, SessionId, Sign
from sessions.pairing import Pairing
from sessions.state import ForbiddenMove, Reason

ONE = SessionId("2f5c7a10-0000-4000-8000-000000000001")
WHO = Identity(jid="5511999990000:3@s.whatsapp.net", lid=None, phone="5511999990000")
WAIT_S = 20.0


class FakeWorker:
    """A throw-away worker: its channel answers as told, its news are the test's."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, list[SessionsError | str]] = {}
        self.ended: list[str] = []
        self.notice: Callable[[frames.Notice], None] = lambda notice: None
        self.gone: Callable[[], None] = lambda: None
        self.code = "ABCD1234"
        self.holding: asyncio.Event | None = None
        self.draining: asyncio.Event | None = None

    @property
    def channel(self) -> FakeWorker:
        return self

    async def ask(self, kind: type[Any], *, deadline_s: float, **fields: Any) -> frames.Reply:
        assert deadline_s > 0
        assert fields["session"] == ONE
        self.asked.append((kind.__name__, fields))
        if self.holding:
            await self.holding.wait()
        answers = self.answers.get(kind.__name__, [])
        answer = answers.pop(0) if answers else self.code if kind is frames.PairCode else None
        if isinstance(answer, SessionsError):
            raise answer
        return frames.Reply(id=1, text=answer)

    def on_end(self, call: Callable[[], None]) -> None:
        self.gone = call

    async def drain(self) -> None:
        self.ended.append("drain")
        if self.draining:
            await self.draining.wait()

    async def kill(self) -> None:
        self.ended.append("kill")


class Bench:
    """A pairing, its worker, the moves it made, and its task."""

    def __init__(self, folder: Path) -> None:
        self.worker = FakeWorker()
        self.refusal: SessionsError | None = None
        self.moves: list[Reason] = []
        self.forbidden: set[Reason] = set()
        self.path = folder / f"{ONE}.db"
        self.pairing = Pairing(ONE, self.path, self._throwaway, self._move)
        self.task: asyncio.Task[Identity] | None = None

    def begin(self) -> asyncio.Task[Identity]:
        self.task = asyncio.create_task(self.pairing.run())
        return self.task

    def say(self, *notices: frames.Notice) -> None:
        for notice in notices:
            self.worker.notice(notice)

    def qr(self, code: str) -> None:
        self.say(frames.Qr(session=ONE, code=code))

    def live(self, sign: Sign, **fields: Any) -> None:
        self.say(frames.Alive(session=ONE, life=Life(sign, **fields)))

    def scanned(self) -> None:
        self.live(Sign.IDENTITY, identity=WHO)
        self.live(Sign.PAIRED)
        self.live(Sign.CONNECTED)

    async def _throwaway(self, session: SessionId, notice: Callable[[frames.Notice], None]) -> WorkerProcess:
        assert session == ONE
        if self.refusal:
            raise self.refusal
        self.worker.notice = notice
        return cast(WorkerProcess, self.worker)

    def _move(self, reason: Reason) -> None:
        if reason in self.forbidden:
            raise ForbiddenMove(reason.code)
        if self.moves[-1:] != [reason]:
            self.moves.append(reason)


async def ending(bench: Bench) -> PairingEnded:
    """Wait for the end of a pairing that comes to nothing, and answer why."""
    assert bench.task
    with pytest.raises(PairingEnded) as caught:
        await asyncio.wait_for(bench.task, WAIT_S)
    return caught.value
