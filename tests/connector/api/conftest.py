"""An API in this process over a service in memory, which keeps to the ports and writes down what it is asked."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from operated import Actions, Letters, Operated

from connector import phones, refusals
from connector.api.atendimentos import Atendimentos
from connector.api.audit import Book
from connector.api.bootstrap import Bootstrap
from connector.api.connections import Connections
from connector.api.dead import DeadLetters
from connector.api.health import Health, Trouble
from connector.api.messages import Mailing, Messages
from connector.api.pairlinks import PairLinks
from connector.api.server import Telemetry, make_app
from connector.api.tenants import Tenants
from connector.pairlinks import NewLink, Opened
from connector.views import (
    AtendimentoRow,
    AtendimentoStatus,
    ConnectionIn,
    ConnectionView,
    MensagemRow,
    Page,
    SendIn,
    SentView,
    Status,
    TruthView,
)
from sessions import errors
from sessions.pairing import Code

KEY = "planted-key"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SESSION = "11111111-1111-4111-8111-111111111111"


@dataclass
class Memory:
    """All three ports. `fault`, when set, is what every call meets."""

    views: dict[str, ConnectionView] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    sent: dict[str, SentView] = field(default_factory=dict)
    keys: dict[str, tuple[SendIn, SentView]] = field(default_factory=dict)
    atendimento: AtendimentoRow | None = None
    mensagens: list[MensagemRow] = field(default_factory=list)
    next_status: str = "sent"
    next_error: str | None = None
    linked: bool = False
    fault: Exception | None = None

    def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        if self.fault:
            raise self.fault

    def be(self, connection_id: str, status: Status, reason: str) -> None:
        """Put a connection into a state."""
        self.views[connection_id] = replace(self._view(connection_id), status=status, reason=reason)

    def _view(self, connection_id: str) -> ConnectionView:
        if connection_id not in self.views:
            raise refusals.UnknownConnection
        return self.views[connection_id]

    async def create(self, wanted: ConnectionIn) -> tuple[ConnectionView, bool]:
        self._ask("create", wanted)
        if there := self.views.get(wanted.id):
            if (there.name, there.owner_id, there.company_id) != (wanted.name, wanted.owner_id, wanted.company_id):
                raise refusals.ConnectionConflict
            return there, False
        says = "Ainda não há celular vinculado: leia o QR code."
        view = ConnectionView(
            wanted.id, wanted.name, wanted.owner_id, wanted.company_id, "disconnected", "never_paired", says,
            None, None, None, None, None, None, NOW, True,
        )  # fmt: skip
        self.views[wanted.id] = view
        return view, True

    async def list(
        self, owner_id: str | None, company_id: str | None, status: Status | None, limit: int, offset: int
    ) -> Page[ConnectionView]:
        self._ask("list", owner_id, company_id, status, limit, offset)
        found = [
            one for one in self.views.values() if owner_id in (None, one.owner_id) and status in (None, one.status)
        ]
        return Page(found[offset : offset + limit], len(found))

    async def get(self, connection_id: str) -> ConnectionView:
        self._ask("get", connection_id)
        return self._view(connection_id)

    async def truth(self, connection_id: str) -> TruthView:
        self._ask("truth", connection_id)
        view = self._view(connection_id)
        return TruthView(
            connection_id, SESSION, view.status, view.reason, view.message, NOW, None, None, None,
            "w1", True, 1.5, True, True, False, 0.5, None, None, 0,
        )  # fmt: skip

    async def delete(self, connection_id: str) -> bool:
        self._ask("delete", connection_id)
        self._view(connection_id)
        del self.views[connection_id]
        return self.linked

    async def restart(self, connection_id: str) -> ConnectionView:
        self._ask("restart", connection_id)
        if self._view(connection_id).reason == "never_paired":
            raise errors.NotConnected
        self.be(connection_id, "connecting", "starting")
        return self.views[connection_id]

    async def logout(self, connection_id: str) -> bool:
        self._ask("logout", connection_id)
        self._view(connection_id)
        return self.linked

    async def qr(self, connection_id: str, wait_s: float) -> Code:
        self._ask("qr", connection_id, wait_s)
        if self._view(connection_id).status == "connected":
            raise errors.AlreadyConnected
        self.be(connection_id, "connecting", "waiting_scan")
        return Code("2@made,up,code", NOW.timestamp(), 1)

    async def pairing_code(self, connection_id: str, phone: str) -> Code:
        self._ask("pairing_code", connection_id, phone)
        if self._view(connection_id).status == "connected":
            raise errors.AlreadyConnected
        return Code("ABCD-EFGH", NOW.timestamp(), 1)

    async def make(self, connection_id: str, expires_in_s: int) -> NewLink:
        self._ask("make", connection_id, expires_in_s)
        self._view(connection_id)
        return NewLink("made-up", NOW)

    async def open(self, token: str) -> Opened:
        raise refusals.UnknownLink

    async def send(self, wanted: SendIn) -> SentView:
        self._ask("send", wanted)
        if self._view(wanted.connection_id).status != "connected":
            raise errors.NotConnected("Connecting to WhatsApp.")
        phones.read(wanted.to)
        if wanted.idempotency_key in self.keys:
            first, answer = self.keys[wanted.idempotency_key]
            if first != wanted:
                raise refusals.KeyReused
            return answer
        made = SentView(str(uuid.uuid4()), "3EB0AA", self.next_status, None, False, NOW, self.next_error)  # type: ignore[arg-type]
        self.sent[made.message_id] = made
        if wanted.idempotency_key:
            self.keys[wanted.idempotency_key] = (wanted, made)
        return made

    async def by_id(self, message_id: str) -> SentView:
        self._ask("by_id", message_id)
        if message_id not in self.sent:
            raise refusals.UnknownMessage
        return self.sent[message_id]

    async def messages(self, atendimento_id: str, limit: int, offset: int) -> Page[MensagemRow]:
        self._ask("messages", atendimento_id, limit, offset)
        if self.atendimento is None or self.atendimento.id != atendimento_id:
            raise refusals.UnknownAtendimento
        return Page(self.mensagens[offset : offset + limit], len(self.mensagens))

    async def active(
        self, owner_id: str | None, company_id: str | None, connection_id: str | None, limit: int, offset: int
    ) -> Page[AtendimentoRow]:
        self._ask("active", owner_id, company_id, connection_id, limit, offset)
        return Page([self.atendimento] if self.atendimento else [], 1 if self.atendimento else 0)

    async def set_status(self, atendimento_id: str, status: AtendimentoStatus) -> AtendimentoRow:
        self._ask("set_status", atendimento_id, status)
        if self.atendimento is None or self.atendimento.id != atendimento_id:
            raise refusals.UnknownAtendimento
        self.atendimento = replace(self.atendimento, status=status)
        return self.atendimento

    def with_atendimento(self) -> AtendimentoRow:
        """Have one atendimento with one message."""
        self.atendimento = AtendimentoRow(
            str(uuid.uuid4()), "user-1", None, "c1", "5511987654321", "Ana", "AGUARDANDO", NOW, None, NOW, None, 0, None,
            None, "whatsapp",
        )  # fmt: skip
        self.mensagens = [
            MensagemRow(
                str(uuid.uuid4()), "user-1", self.atendimento.id, "Olá!", "TEXTO", "CLIENTE", NOW, False, None, None,
                None, None, "3EB0BB", None,
            )
        ]  # fmt: skip
        return self.atendimento


@dataclass
class Rig:
    """The API, the service behind it, what was counted, the troubles it is said to have."""

    memory: Memory
    app: web.Application
    counted: list[tuple[str, str, int]]
    troubles: list[Trouble]


def build(*, public_metrics: bool = False) -> Rig:
    """Put an API together as the service does, over a memory."""
    memory = Memory()
    counted: list[tuple[str, str, int]] = []
    troubles: list[Trouble] = []
    mailing = Mailing(memory, memory)
    operated = Operated()
    resources = (
        Connections(memory),
        Messages(mailing, memory, memory),
        Atendimentos(memory),
        Tenants(memory, mailing),
        PairLinks(memory),
        Bootstrap(operated.lifecycle, operated, operated, operated),
        DeadLetters(Letters()),
        Book(Actions()),
    )
    telemetry = Telemetry(
        observe=lambda method, pattern, status, _seconds: counted.append((method, pattern, status)),
        render=lambda: (b"vigia_up 1\n", "text/plain; version=0.0.4; charset=utf-8"),
        public=public_metrics,
    )
    health = Health(lab=True, sessions=lambda: len(memory.views), troubles=lambda: troubles)
    app = make_app(key=KEY, health_of=health, resources=resources, telemetry=telemetry)
    app.on_startup.append(operated.started)
    return Rig(memory, app, counted, troubles)


@pytest.fixture
def rig() -> Rig:
    """Have an API over a service in memory."""
    return build()


@pytest.fixture
def memory(rig: Rig) -> Memory:
    """Look behind the API."""
    return rig.memory


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Talk to it with the key."""
    async with TestClient(TestServer(rig.app), headers={"X-API-KEY": KEY}) as made:
        yield made


@pytest.fixture
def builder() -> Any:
    """Build further ones."""
    return build
