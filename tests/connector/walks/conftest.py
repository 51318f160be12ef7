"""The two walks on a real spool, with a fleet that says what a test tells it to."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from connector.connections import Connections
from connector.outbound import Outbound, Parts
from connector.spool import Spool
from sessions.errors import SessionsError, UnknownSession
from sessions.model import Identity, Outcome, SendStatus, SessionId
from sessions.pairing import Code
from sessions.ports import SessionView, Truth
from sessions.state import Reason, State

SINKS = frozenset({"record", "webhook"})
NOW = 1_800_000_000.0


@dataclass
class ToldFleet:
    """A fleet of words only."""

    views: dict[SessionId, SessionView] = field(default_factory=dict[SessionId, SessionView])
    sent: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    asked: list[str] = field(default_factory=list[str])
    numbers: dict[str, str] = field(default_factory=dict[str, str])
    answer: SendStatus | SessionsError = SendStatus.SENT
    error: str | None = None

    def create(self) -> SessionId:
        session = SessionId(str(uuid.uuid4()))
        self.views[session] = SessionView(session, State(Reason.NEVER_PAIRED), None, None, None, lab=True)
        return session

    def become(self, session: SessionId, reason: Reason) -> None:
        who = Identity("5511900000000:1@s.whatsapp.net", "99:1@lid", "5511900000000")
        self.views[session] = replace(self.views[session], state=State(reason), identity=who)

    def view(self, session: SessionId) -> SessionView:
        if session not in self.views:
            raise UnknownSession
        return self.views[session]

    def truth(self, session: SessionId) -> Truth:
        return Truth(self.view(session), "w1", worker_alive=True, as_of_s=1.0, pump=True, socket=True, heard_s=2.0)

    def connect(self, session: SessionId) -> None:
        self.become(session, Reason.STARTING)

    async def qr(self, session: SessionId, wait_s: float) -> Code:
        return Code("qr", NOW + wait_s, 1)

    async def pair_code(self, session: SessionId, phone: str) -> Code:
        return Code("ABCD-EFGH", NOW, 1)

    async def logout(self, session: SessionId) -> bool:
        return True

    async def remove(self, session: SessionId) -> bool:
        self.view(session)
        del self.views[session]
        return False

    async def remove_unpaired(self, session: SessionId) -> bool:
        if self.view(session).identity:
            return False
        return not await self.remove(session)

    def discard(self, session: SessionId) -> None:
        assert session not in self.views
        self.asked.append(f"discard {session}")

    async def on_whatsapp(self, session: SessionId, phone: str) -> str | None:
        self.asked.append(phone)
        return self.numbers.get(phone)

    async def send(self, session: SessionId, ref: str, to: str, text: str) -> Outcome:
        self.sent.append((ref, to, text))
        if isinstance(self.answer, SessionsError):
            raise self.answer
        found = "WA-1" if self.answer is SendStatus.SENT else None
        return Outcome(ref=ref, status=self.answer, to=to, message_id=found, at_ms=int(NOW * 1000), error=self.error)


class QuietBoard:
    """Nothing is recorded in time."""

    async def wait(self, message_id: str, timeout_s: float) -> str | None:
        return None


@dataclass
class House:
    """What a test works with."""

    spool: Spool
    fleet: ToldFleet
    connections: Connections
    outbound: Outbound

    async def told(self, sink: str) -> list[dict[str, Any]]:
        """Answer what waits for a sink."""
        return [msgspec.json.decode(row.body) for row in await self.spool.outbox.read(sink, 1000)]


@pytest.fixture
def fleet() -> ToldFleet:
    return ToldFleet()


@pytest_asyncio.fixture
async def house(tmp_path: Path, fleet: ToldFleet) -> AsyncGenerator[House]:
    spool = await Spool.opened(tmp_path / "spool")
    connections = Connections(spool.connections, spool.outbox, SINKS, lambda: NOW)
    await connections.load(fleet)
    parts = Parts(connections, fleet, spool.sends, QuietBoard(), SINKS, spool.outbox.next_version, lambda: NOW)
    yield House(spool, fleet, connections, Outbound(parts))
    await spool.close()
