"""The whole service and bare neonize in one local WhatsApp, each with accounts of its own, and where their CPU goes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.lab_engine import Engine, running_engine
from benchmarks.progress import Progress
from benchmarks.record import Record, watched
from benchmarks.rig import Numbers
from benchmarks.service import Service
from benchmarks.subjects import UNTOLD
from lab.client import LabClient, running_lab

PAIR_AT_ONCE = 4
SETTLE_S = 120.0
IN_FLIGHT = 50
PARTS = ("hub", "workers", "database", "bare", "lab")


@dataclass(frozen=True, slots=True)
class Account:
    """A session's name, its number, and the number of the one who writes to it."""

    name: str
    number: str
    customer: str


class Stage:
    """What is measured, and what it is measured with."""

    def __init__(self, lab: LabClient, service: Service, record: Record, engine: Engine, bare_pid: int) -> None:
        self.lab = lab
        self.service = service
        self.record = record
        self.engine = engine
        self.accounts: list[Account] = []
        self.bare_accounts: list[Account] = []
        self._bare_pid = bare_pid
        self._numbers = Numbers()

    async def pair(self, count: int) -> None:
        """Pair until the service and bare neonize have *count* accounts each."""
        turns = asyncio.Semaphore(PAIR_AT_ONCE)

        async def one(name: str, link: Callable[[str, str], Awaitable[object]]) -> Account:
            account = Account(name, self._numbers(), self._numbers())
            async with turns:
                await self.lab.phone(account.customer, "Ana")
                await link(account.name, account.number)
            return account

        new = range(len(self.accounts), count)
        self.accounts += await asyncio.gather(*(one(f"conta-{number}", self.service.pair) for number in new))
        self.bare_accounts += await asyncio.gather(*(one(f"nua-{number}", self._pair_bare) for number in new))

    async def _pair_bare(self, name: str, number: str) -> None:
        await self.lab.phone(number, "Loja")
        await self.engine.pair(self.lab, name, number)

    async def write(self, accounts: Sequence[Account], texts: int) -> None:
        """Let the customer of each account write *texts* to it."""
        await asyncio.gather(*(self.lab.write(one.customer, one.number, "texto", count=texts) for one in accounts))

    async def acknowledged(self, accounts: Sequence[Account]) -> int:
        """Answer how many texts these accounts acknowledged so far, as the lab counted."""
        items = [await self.lab.deliveries(one.number, since=1 << 60) for one in accounts]
        return sum(device["acked"] for item in items for device in item["items"])

    async def until_acknowledged(self, accounts: Sequence[Account], count: int) -> None:
        """Wait until these accounts acknowledged *count* texts in all."""
        async with asyncio.timeout(SETTLE_S):
            while await self.acknowledged(accounts) < count:  # noqa: ASYNC110 - nobody tells another process
                await asyncio.sleep(0.02)

    def cpu_s(self) -> dict[str, float]:
        """Answer the CPU seconds each part has used so far."""
        workers = self.service.workers()
        hub = psutil.Process(workers[0]).ppid() if workers else None
        postgres = self.service.postgres()
        family = psutil.Process(postgres).children() if postgres else []
        pids = [[hub], workers, [postgres, *(one.pid for one in family)], [self._bare_pid], [self.lab.place.pid]]
        return {part: sum(_cpu_s(pid) for pid in some if pid) for part, some in zip(PARTS, pids, strict=True)}


class Meter:
    """The time and CPU from its making on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._cpu_s = stage.cpu_s()
        self._began = time.monotonic()

    def read(self) -> tuple[float, dict[str, float]]:
        """Answer the seconds so far, and the CPU seconds of each part."""
        seconds = time.monotonic() - self._began
        return seconds, {part: used - self._cpu_s[part] for part, used in self._stage.cpu_s().items()}


@asynccontextmanager
async def stage(folder: Path | None, say: Progress, sessions: int) -> AsyncGenerator[Stage]:
    """Start all of it, with room for *sessions* in each. Leaves nothing running and no file."""
    async with AsyncExitStack() as parts:
        place = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="vigia-benchmark-", dir=folder)))
        for name in ("bare", "data"):
            (place / name).mkdir()
        lab = await parts.enter_async_context(running_lab())
        say("starting the service")
        service = await parts.enter_async_context(Service(place / "data", lab))
        await service.ready()
        record = await parts.enter_async_context(watched(place / "data"))
        engine = await parts.enter_async_context(
            running_engine(lab.place, place / "bare", threads=sessions + IN_FLIGHT, untold=UNTOLD)
        )
        bare_pid = next(
            one.pid for one in psutil.Process().children() if "benchmarks.lab_engine_driver" in one.cmdline()
        )
        yield Stage(lab, service, record, engine, bare_pid)


def _cpu_s(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system
