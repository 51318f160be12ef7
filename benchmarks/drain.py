"""A queue of texts that came in while the database was away: how fast it grew, and how fast it is rows once the database is back.

The texts are real ones: written by phones of the local WhatsApp, decrypted by the engine, moved to the queue. New ones come in
meanwhile. Two figures, apart: how fast the mover filled the queue, and how fast the sink emptied it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.database import Database, Way, database
from benchmarks.faulty import Mood
from benchmarks.figures import aligned
from benchmarks.progress import Progress
from benchmarks.record import Record
from benchmarks.rig import Numbers
from benchmarks.service import Service
from benchmarks.traffic import Shop
from connector.store.driver import Target, connect
from lab.client import LabClient, running_lab

TARGET_S = {Way.POSTGRES: 10.0, Way.REST: 15.0}
"""For 100,000 rows."""
FLOOR = 3.0
"""So many times that is broken."""
OF_ROWS = 100_000
PAIR_AT_ONCE = 4
CHUNK = 250
QUEUED_S = 1800.0
DRAINED_S = 300.0
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rows are queued, of how many sessions, over which ways; `rate`: texts a second that come in meanwhile."""

    rows: int = OF_ROWS
    sessions: int = 20
    rate: float = 50.0
    ways: Sequence[Way] = tuple(Way)
    folder: Path | None = None


QUICK = Plan(rows=300, sessions=2, rate=20.0)


@dataclass(frozen=True, slots=True)
class Figures:
    """One way. Seconds and CPU seconds: `queued` from the first text to the last row in the queue, `drained` from there to the
    last of these rows in the database; `load`: the machine's run queue before."""

    way: Way
    rows: int
    queued_s: float
    queued_cpu_s: float
    drained_s: float
    hub_cpu_s: float
    database_cpu_s: float
    came_in: int
    load: float

    @property
    def broken(self) -> bool:
        """Whether it took longer than the floor allows for as many rows."""
        return self.drained_s > FLOOR * TARGET_S[self.way] * self.rows / OF_ROWS


@dataclass(slots=True)
class Report:
    """Everything that was measured."""

    figures: list[Figures] = field(default_factory=list[Figures])

    def table(self) -> str:
        """Answer all of it for a terminal."""
        queued, drained = ("queued s", "a second", "hub ms"), ("drained s", "a second", "hub ms", "database ms")
        head = ["rows", "over", *queued, *drained, "meanwhile", "load"]
        return f"{aligned(head, [_row(one) for one in self.figures])}\nCPU in ms a row."


def _row(one: Figures) -> list[str]:
    each = 1000 / one.rows
    return [
        f"{one.rows}",
        one.way,
        f"{one.queued_s:.1f}",
        f"{one.rows / one.queued_s:.0f}",
        f"{one.queued_cpu_s * each:.3f}",
        f"{one.drained_s:.1f}",
        f"{one.rows / one.drained_s:.0f}",
        f"{one.hub_cpu_s * each:.3f}",
        f"{one.database_cpu_s * each:.3f}",
        f"{one.came_in}",
        f"{one.load:.1f}",
    ]


async def run(plan: Plan, say: Progress, report: Report) -> None:
    """Measure each way of *plan* into *report*. Leaves nothing running and no file."""
    for way in plan.ways:
        async with AsyncExitStack() as parts:
            place = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="vigia-drain-", dir=plan.folder)))
            (place / "data").mkdir()
            lab = await parts.enter_async_context(running_lab())
            base = await parts.enter_async_context(database(place, way))
            service = await parts.enter_async_context(Service(place / "data", lab, **base.settings))
            await service.ready()
            connection = await connect(Target.of(base.url))
            parts.push_async_callback(connection.close)
            scene = Scene(lab, service, base, Record(connection))
            say(f"{way}: pairing {plan.sessions}")
            await scene.pair(plan.sessions)
            report.figures.append(await scene.measure(way, plan, say))


class Scene:
    """A service whose database can be taken away, and its accounts."""

    def __init__(self, lab: LabClient, service: Service, base: Database, record: Record) -> None:
        self._lab = lab
        self._service = service
        self._base = base
        self._record = record
        self._shops: list[Shop] = []
        self._came_in = 0

    async def pair(self, count: int) -> None:
        """Pair *count* accounts, and let each customer write once: the first text of a chat makes its keys."""
        turns, numbers = asyncio.Semaphore(PAIR_AT_ONCE), Numbers()

        async def one(shop: Shop) -> None:
            async with turns:
                await self._lab.phone(shop.customer, "Ana")
                await self._service.pair(shop.connection, shop.number)
                await self._lab.write(shop.customer, shop.number, "oi")

        self._shops = [Shop(f"conta-{number}", numbers(), numbers()) for number in range(count)]
        await asyncio.gather(*map(one, self._shops))
        await self._record.until(count)

    async def measure(self, way: Way, plan: Plan, say: Progress) -> Figures:
        """Take the database away, queue, give it back."""
        load, before = os.getloadavg()[0], await self._record.count()
        await self._base.before.be(Mood.KILLED)
        began, cpu = time.monotonic(), _cpu_s(self._hub)
        depth, rows = 0, plan.rows // plan.sessions * plan.sessions
        async with say.ticking(lambda: f"{way}: {depth} queued"), asyncio.TaskGroup() as writing:
            for shop in self._shops:
                writing.create_task(self._write(shop, plan.rows // plan.sessions), name=f"customer-{shop.customer}")
            async with asyncio.timeout(QUEUED_S):
                while depth < rows:
                    await asyncio.sleep(LOOK_S)
                    depth = await self._service.depth("record")
        queued_s, queued_cpu_s = time.monotonic() - began, _cpu_s(self._hub) - cpu
        flowing = asyncio.create_task(self._flow(plan.rate), name="new-texts")
        try:
            drained = await self._drained(before + rows)
        finally:
            flowing.cancel()
            with suppress(asyncio.CancelledError):
                await flowing
        await self._record.until(before + rows + self._came_in)
        say(f"{way}: {rows} rows in {drained[0]:.1f} s")
        return Figures(way, rows, queued_s, queued_cpu_s, *drained, self._came_in, load)

    async def _drained(self, count: int) -> tuple[float, float, float]:
        """Give the database back, and wait until *count* rows are there; answers the seconds, the hub's and the database's CPU."""
        await self._base.before.be(Mood.PASSES)
        hub, server = _cpu_s(self._hub), _cpu_s(self._server)
        began = time.monotonic()
        await self._service.kick("record")
        async with asyncio.timeout(DRAINED_S):
            await self._record.until(count)
        return time.monotonic() - began, _cpu_s(self._hub) - hub, _cpu_s(self._server) - server

    async def _write(self, shop: Shop, texts: int) -> None:
        for begin in range(0, texts, CHUNK):
            await self._lab.write(shop.customer, shop.number, "texto", count=min(CHUNK, texts - begin))

    async def _flow(self, rate: float) -> None:
        while True:
            for shop in self._shops:
                await self._lab.write(shop.customer, shop.number, "agora")
                self._came_in += 1
                await asyncio.sleep(1 / rate)

    @property
    def _hub(self) -> int:
        return psutil.Process(self._service.workers()[0]).ppid()

    @property
    def _server(self) -> int:
        return self._base.server.view.pid or 0


def _cpu_s(pid: int) -> float:
    """The CPU seconds of a process and of the children it still has."""
    first = psutil.Process(pid)
    family = [first, *(one for one in first.children() if "sessions.worker" not in " ".join(one.cmdline()))]
    return sum(times.user + times.system for one in family if (times := one.cpu_times()))
