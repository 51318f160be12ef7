"""A session on an engine that only says what a test says: shared by the tests of the actor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sessions import frames
from sessions.errors import SessionsError
from sessions.model import Identity, Life, Loss, SessionId, Sign
from sessions.news import Lost, LowDisk
from sessions.plan import Plan
from sessions.ports import Tools
from sessions.register import Record, Register
from sessions.session import Session
from sessions.state import Reason, State

ONE = SessionId("2f5c7a10-0000-4000-8000-000000000001")
WHO = Identity(jid="5511999990000:3@s.whatsapp.net", lid=None, phone="5511999990000")
NOW = 1_800_000_000.0
PAIRED = Record(ONE, identity=WHO)


class Bench:
    """A session with everything around it acted by the test and written down."""

    def __init__(self, folder: Path, record: Record = PAIRED, now: float = NOW) -> None:
        self.calls: list[str] = []
        self.answers: list[SessionsError | Exception | None] = []
        self.holding: asyncio.Event | None = None
        self.reached = True
        self.looks = 0
        self.looking: asyncio.Event | None = None
        self.steady = 1000.0
        self.turns: list[float] = []
        self.now = now
        self.states: list[Reason] = []
        self.kept: list[Record] = []
        tools = Tools(
            engine=self,
            reachable=self.reachable,
            turn=self.turn,
            register=Register(folder),
            keep=self.kept.append,
            changed=self.changed,
            clock=lambda: self.now,
            chance=lambda: 0.0,
        )
        self.session = Session(record, tools)

    async def open(self, session: SessionId, database: Path) -> None:
        assert (session, database.name) == (ONE, f"{ONE}.db")
        self.calls.append("open")
        if self.holding:
            await self.holding.wait()
        if self.answers and (answer := self.answers.pop(0)):
            raise answer

    async def close(self, session: SessionId) -> None:
        assert session == ONE
        self.calls.append("close")

    async def rest(self, session: SessionId) -> None:
        assert session == ONE
        self.calls.append("rest")

    def turn(self) -> float:
        return self.turns.pop(0) if self.turns else 0.0

    async def reachable(self) -> bool:
        self.looks += 1
        if self.looking:
            await self.looking.wait()
        return self.reached

    def changed(self, session: SessionId, before: State, now: State) -> None:
        assert session == ONE
        assert before != now
        self.states.append(now.reason)

    def tell_steady_time(self) -> None:
        """Have the session plan by `steady` (seconds) and not by the machine's clock. Before it starts."""
        self.session._plan = Plan(lambda: 0.0, lambda: self.steady)

    def live(self, sign: Sign, **fields: Any) -> None:
        self.session.hear(frames.Alive(session=ONE, life=Life(sign, **fields)))

    @property
    def reason(self) -> Reason:
        return self.session.state.reason

    @property
    def opens(self) -> int:
        return self.calls.count("open")


def hear(bench: Bench, said: Any) -> None:
    said = said() if callable(said) else said
    bench.session.hear(frames.Alive(session=ONE, life=said) if isinstance(said, Life) else said)


DAY_S = 86_400.0

FAULTS: list[tuple[str, Any, Reason, float | None]] = [
    ("disconnected", Life(Sign.DISCONNECTED), Reason.RECONNECTING, 20.0),
    ("keep-alive missed", Life(Sign.KEEPALIVE_TIMEOUT, code="1"), Reason.DEAF, 5.0),
    ("stream error", Life(Sign.STREAM_ERROR, code="463"), Reason.DEAF, 0.5),
    ("logged out", Life(Sign.LOGGED_OUT, code="2"), Reason.LOGGED_OUT, None),
    ("replaced", Life(Sign.REPLACED), Reason.REPLACED, 30.0),
    ("banned for a day", Life(Sign.BANNED, code="2", until_s=86_400), Reason.BANNED, DAY_S),
    ("banned without end", Life(Sign.BANNED, code="2"), Reason.BANNED, 3600.0),
    ("outdated", Life(Sign.OUTDATED), Reason.OUTDATED, None),
    ("refused", Life(Sign.CONNECT_FAILURE, code="8"), Reason.REFUSED, 5.0),
    ("refused as outdated", Life(Sign.CONNECT_FAILURE, code="6"), Reason.OUTDATED, None),
    ("pump dead", frames.Ended(session=ONE, error="pump_dead"), Reason.DEAF, 0.5),
    ("engine ended", frames.Ended(session=ONE, error="engine"), Reason.DEAF, 0.5),
    ("dial refused", frames.Ended(session=ONE, error="unreachable"), Reason.UNREACHABLE, 1.0),
    ("probe unanswered", frames.Probed(session=ONE, answered=False), Reason.DEAF, 0.5),
    ("given up", lambda: Lost(Loss.GIVEN_UP), Reason.CRASH_LOOP, None),
    ("isolated", lambda: Lost(Loss.ISOLATED), Reason.ISOLATED, 60.0),
    ("disk low", LowDisk(), Reason.DISK_FULL, 5.0),
    ("inbox broken", LowDisk(full=False), Reason.UNWRITABLE, 5.0),
    ("credentials gone", frames.Qr(session=ONE, code="2@x"), Reason.LOGGED_OUT, None),
    ("credentials gone, said otherwise", frames.LoginStatus(session=ONE, status="timeout"), Reason.LOGGED_OUT, None),
]  # fmt: skip
