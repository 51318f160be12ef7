"""A whole API over a service that is only told how it is: what pages that ask it with a key are tested against."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from counted import COUNTED, NEVER

from connector.api.assets import Assets
from connector.api.audit import Book
from connector.api.bootstrap import BASE, Initialized, StatusOf
from connector.api.bootstrap import Reason as Wrong
from connector.api.connections import Connections
from connector.api.health import Health
from connector.api.operator import Operator
from connector.api.pairlinks import PairLinks
from connector.api.rates import Policy
from connector.api.route import route
from connector.api.server import Edge, Telemetry, make_app
from connector.api.stats import Connections as ConnectionFigures
from connector.api.stats import (
    DatabaseFigures,
    FindingOf,
    SendFigures,
    SinkFigures,
    Stats,
    WorkerFigures,
)
from connector.audit import Entry
from connector.pairlinks import NewLink
from connector.refusals import ConnectionConflict, UnknownConnection
from connector.views import ConnectionIn, ConnectionView, Page, Status, TruthView
from sessions.errors import DiskFull
from sessions.state import Reason, State

KEY = "a-key-of-the-tests"
GB = 10**9


@dataclass
class Told:
    """The service: its connections, its figures, what was asked of it. `fault`, when set, is what every change meets."""

    views: dict[str, ConnectionView] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    reasons: tuple[tuple[str, str], ...] = ()
    findings: tuple[tuple[str, str], ...] = ()
    sinks: list[SinkFigures] = field(default_factory=list)
    unprocessed: int = 0
    book: list[Entry] = field(default_factory=list[Entry])
    away_s: float | None = None
    listed: bool = False
    full: bool = False
    lab: bool = False
    asleep: bool = False

    def have(
        self,
        connection_id: str,
        name: str,
        reason: Reason = Reason.CONNECTED,
        phone: str | None = "5511987654321",
        heard_s: float | None = 5,
    ) -> None:
        """Have a connection, which heard something *heard_s* seconds ago."""
        now = datetime.now(UTC)
        heard = None if heard_s is None else now - timedelta(seconds=heard_s)
        state = State(reason)
        self.views[connection_id] = ConnectionView(
            connection_id, name, "owner", None, reason.status.value, reason.code, state.sentence("pt"),
            phone, None, None, None, None, heard, now, self.lab,
        )  # fmt: skip

    def sink(
        self,
        name: str,
        state: str = "running",
        reason: str = "",
        *,
        waiting: int = 0,
        oldest_s: float | None = None,
        dead: int = 0,
    ) -> None:
        """Have a sink."""
        told: Any = {"name": name, "state": state, "reason": reason, "waiting": waiting, "oldest_seconds": oldest_s}
        self.sinks.append(SinkFigures(**told, delivered=12_345, dead=dead))

    def app(self, **edge: Any) -> web.Application:
        """Answer the API with the operator's page, as the service puts it together."""
        assets = Assets.read()
        services: Any = self
        resources = (Connections(services), PairLinks(services), Book(self), self)
        return make_app(
            key=KEY,
            health_of=Health(lab=self.lab, sessions=lambda: len(self.views)),
            resources=resources,
            pages=(assets, Operator(assets)),
            telemetry=Telemetry(
                observe=lambda *_: None, render=lambda: (b"vigia_told 1\n", "text/plain; charset=utf-8"), public=False
            ),
            edge=Edge(rates=Policy.of("off"), **edge),
        )

    # The connections

    async def create(self, wanted: ConnectionIn) -> tuple[ConnectionView, bool]:
        self._ask("create", wanted.id, wanted.name, wanted.owner_id)
        if wanted.id in self.views:
            raise ConnectionConflict
        self.have(wanted.id, wanted.name, Reason.NEVER_PAIRED, None, None)
        return self.views[wanted.id], True

    async def list(
        self, owner_id: str | None, company_id: str | None, status: Status | None, limit: int, offset: int
    ) -> Page[ConnectionView]:
        del owner_id, company_id, status
        return Page([*self.views.values()][offset : offset + limit], len(self.views))

    async def get(self, connection_id: str) -> ConnectionView:
        if connection_id not in self.views:
            raise UnknownConnection
        return self.views[connection_id]

    async def truth(self, connection_id: str) -> TruthView:
        view = await self.get(connection_id)
        up = view.status == "connected"
        heard = (datetime.now(UTC) - view.last_event_at).total_seconds() if view.last_event_at else None
        return TruthView(
            connection_id, f"session of {connection_id}", view.status, view.reason, view.message, view.created_at,
            None if up else 12.4, None, None,
            "w0" if view.phone else None, view.phone is not None, 1.5, up, up, up, heard, heard, None, 0 if up else 2,
        )  # fmt: skip

    async def delete(self, connection_id: str) -> bool:
        self._ask("delete", connection_id)
        await self.get(connection_id)
        del self.views[connection_id]
        return self.listed

    async def restart(self, connection_id: str) -> ConnectionView:
        self._ask("restart", connection_id)
        view = await self.get(connection_id)
        self.views[connection_id] = replace(view, status="connecting", reason=Reason.STARTING.code)
        return self.views[connection_id]

    async def make(self, connection_id: str, expires_in_s: float) -> NewLink:
        self._ask("link", connection_id)
        await self.get(connection_id)
        return NewLink("T0ken-" + "x" * 37, datetime.now(UTC) + timedelta(seconds=expires_in_s))

    def _ask(self, *what: str) -> None:
        self.asked.append(what)
        if self.full:
            raise DiskFull

    def did(self, actor: str, action: str, about: str, why: str, *, done: bool = True) -> None:
        """Have something in the book, a minute after what is there."""
        at = datetime.now(UTC).timestamp() - 86_400 + 60 * len(self.book)
        self.book.insert(0, Entry(at, actor, action, about, why, done))

    async def read(self, limit: int, before: int | None) -> list[Entry]:
        """Answer a part of the book."""
        return [one for one in self.book if before is None or one.id < before][:limit]

    # The figures

    @route("GET", BASE + "/status", tag="told")
    async def status(self) -> StatusOf:
        return StatusOf(
            initialized=not self.asleep,
            status="degraded" if self.reasons else "ok",
            version="0.1.0",
            started_at=datetime.now(UTC) - timedelta(seconds=7300),
            lab=self.lab,
            reasons=[Wrong(code=code, detail=detail) for code, detail in self.reasons],
            services=[],
        )

    @route("POST", BASE + "/initialize", tag="told")
    async def initialize(self) -> Initialized:
        self.asleep = False
        return Initialized(initialized=True, started=True, services=[])

    @route("GET", BASE + "/stats", tag="told")
    async def stats(self) -> Stats:
        return Stats(
            connections=ConnectionFigures(total=len(self.views), by_status={}, by_reason={}, items=[]),
            pairings=1,
            sinks=self.sinks,
            dead_letters={one.name: one.dead for one in self.sinks} | {"inbound": self.unprocessed},
            workers=[
                WorkerFigures(
                    name="w0", sessions=3, starts=1, restarts=0, gave_up=False, memory_bytes=60_000_000, descriptors=40
                )
            ],
            database=DatabaseFigures(kind="embedded", away_seconds=self.away_s, latency_ms=1.5),
            sends=SendFigures(sent=1204, failed=3, unknown=1, success_rate=0.997, took=NEVER),
            findings=[FindingOf(problem=problem, about="a", detail=detail) for problem, detail in self.findings],
            **COUNTED,
            inbox_bytes=0,
            disk_free_bytes=int(41.5 * GB),
            disk_low_bytes=GB,
            uptime_seconds=7300,
        )
