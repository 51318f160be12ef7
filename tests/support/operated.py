"""What operators handle, in memory: for an API that is asked everything its own document says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from aiohttp import web
from counted import COUNTED, NEVER

from connector import refusals
from connector.api.bootstrap import StepOf
from connector.api.stats import Connections, DatabaseFigures, SendFigures, Stats, Summary
from connector.audit import Entry
from connector.events import Event
from connector.lifecycle import Condition, Lifecycle, Service
from connector.views import DeadLetterRow, LettersWanted, Page, Replayed, SinkRow

LETTER = DeadLetterRow(1, "record", "loja", "w1:1", "No.", datetime(2026, 1, 2, tzinfo=UTC), 2, {"a": 1})


class Operated:
    """Figures that are made up, services that restart at once, one dead letter, and a stream that ends where it begins."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.listeners = 0
        self.lifecycle = Lifecycle([Service("sinks", lambda: Condition("running"), _done)], _done, lambda _job: None)

    async def started(self, _app: web.Application) -> None:
        await self.lifecycle.initialize()

    def summary(self) -> Summary:
        return Summary("degraded", "1.2.3", 0.0, True, (("sink_record", "It waits."),))

    def stats(self) -> Stats:
        return Stats(
            connections=Connections(total=0, by_status={}, by_reason={}, items=[]),
            pairings=0,
            sinks=[],
            dead_letters={"inbound": 0},
            workers=[],
            database=DatabaseFigures(kind="embedded", away_seconds=None, latency_ms=1.5),
            sends=SendFigures(sent=0, failed=0, unknown=0, success_rate=None, took=NEVER),
            findings=[],
            **COUNTED,
            inbox_bytes=0,
            disk_free_bytes=1,
            disk_low_bytes=1,
            uptime_seconds=2.0,
        )

    async def run(self) -> list[StepOf]:
        return [StepOf(name="disk", title="Disk", status="ok", detail="74 GB free", remedy="", seconds=0.1)]

    async def listen(self, after: int | None) -> AsyncGenerator[Event | None]:
        if after:
            yield None
        yield Event((after or 0) + 1, "serviceStarted", b"{}")


class Actions:
    """A book of two actions."""

    async def read(self, limit: int, before: int | None) -> list[Entry]:
        book = [Entry(2.5, "operator", "discard", "webhook", "dead letter 1: No.", True),
                Entry(1.0, "watchdog", "reconnect", "loja", "It is silent.", False)]  # fmt: skip
        return [one for one in book if before is None or one.id < before][:limit]


class Letters:
    """One dead letter of the sink `record`, which neither a replay nor a discard takes away."""

    async def list(self, wanted: LettersWanted, after: int, limit: int, bodies: bool) -> Page[DeadLetterRow]:
        del wanted, limit, bodies
        return Page([LETTER] if after < LETTER.id else [], 1)

    async def get(self, letter_id: int) -> DeadLetterRow:
        if letter_id != LETTER.id:
            raise refusals.UnknownLetter
        return LETTER

    async def replay(self, letter_id: int) -> DeadLetterRow:
        return await self.get(letter_id)

    async def replay_all(self, sink: str, wanted: LettersWanted) -> Replayed:
        del wanted
        if sink != LETTER.sink:
            raise refusals.NoSink
        return Replayed(1, 0)

    async def discard(self, letter_id: int) -> DeadLetterRow:
        return await self.get(letter_id)

    def kick(self, sink: str) -> SinkRow:
        if sink != LETTER.sink:
            raise refusals.UnknownSink
        return SinkRow(sink, "running", "", 0, None, 1)


async def _done() -> None: ...
