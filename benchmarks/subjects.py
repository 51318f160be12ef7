"""What is measured: the whole service, or bare neonize in one process, on the same accounts."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp
import psutil

from benchmarks.accounts import AT_ONCE, Account, Accounts
from benchmarks.lab_engine import Engine, running_engine
from benchmarks.service import LOOK_S, Service

CONNECTED_S = 180.0
SEND_S = 300.0
KEPT_S = 300.0
UNTOLD = ("Message", "Receipt")  # the lab knows what was acknowledged: telling of each would be measured too
CALL_THREADS = 32  # beside one for each session; a worker of ours has as many


class Subject(Protocol):
    """A running program that holds every account."""

    pid: int

    async def connected(self) -> None:
        """Wait until every account is connected."""
        ...

    async def send(self, texts: int) -> None:
        """Have each account send *texts* to its customer, and wait until WhatsApp took them."""
        ...

    async def kept(self, texts: int) -> None:
        """Wait until *texts*, in and out, are where the program keeps them."""
        ...


class Whole:
    """The service, over HTTP."""

    def __init__(self, service: Service, http: aiohttp.ClientSession, accounts: Accounts) -> None:
        self.pid = _child("connector serve")
        self._service = service
        self._http = http
        self._accounts = accounts.all

    async def connected(self) -> None:
        """Wait until the service says so."""
        await self._service.connected(len(self._accounts), within_s=CONNECTED_S)

    async def send(self, texts: int) -> None:
        """One text after another in each connection, all connections at once."""

        async def one(account: Account) -> None:
            for number in range(texts):
                await self._service.send(account.connection, account.customer, f"texto {number}")

        await asyncio.gather(*map(one, self._accounts))

    async def kept(self, texts: int) -> None:
        """Wait until so many rows since its start, and all there are, are in the database. Raises `TimeoutError`."""
        async with asyncio.timeout(KEPT_S):
            while not await self._recorded(texts):  # noqa: ASYNC110  # it is another process, which tells only when asked
                await asyncio.sleep(LOOK_S)

    async def _recorded(self, rows: int) -> bool:
        async with self._http.get("/metrics") as answer:
            figures = dict(line.rsplit(" ", 1) for line in (await answer.text()).splitlines())
        waiting, delivered = (
            float(figures[f'vigia_sink_{name}{{sink="record"}}']) for name in ("depth", "delivered_total")
        )
        return not waiting and delivered >= rows


class Bare:
    """neonize's own client, every session in one process."""

    def __init__(self, engine: Engine, accounts: Accounts) -> None:
        self.pid = _child("benchmarks.lab_engine_driver")
        self._engine = engine
        self._lab = accounts.lab
        sessions = accounts.sessions()
        self._customers = {sessions[account.number]: account.customer for account in accounts.all}

    async def connected(self) -> None:
        """Connect one after another, and wait until the lab says that all are there. Raises `TimeoutError`."""
        for session in self._customers:
            await self._engine.ask("connect", session=session)
        async with asyncio.timeout(CONNECTED_S):
            while not await self._all_there():
                pass

    async def send(self, texts: int) -> None:
        """As many texts at once as there are threads."""

        async def one(session: str, to: str) -> None:
            await self._engine.ask("send_many", session=session, to=to, text="texto", count=texts, timeout=SEND_S)

        await asyncio.gather(*(one(session, to) for session, to in self._customers.items()))

    async def kept(self, texts: int) -> None:
        """It keeps nothing: acknowledged is all there is."""

    async def _all_there(self) -> bool:
        count = len(self._customers)
        return (await self._lab.ask("GET", "/devices", connected=count, wait=30))["connected"] >= count


@asynccontextmanager
async def whole(accounts: Accounts, per_worker: int) -> AsyncGenerator[Whole]:
    """Run the service with so many sessions a worker."""
    async with accounts.service(per_worker) as service, aiohttp.ClientSession(service.url) as http:
        yield Whole(service, http, accounts)


@asynccontextmanager
async def bare(accounts: Accounts) -> AsyncGenerator[Bare]:
    """Run bare neonize on the service's own databases, while that does not run: two logins of a device end one another."""
    folder = accounts.folder / "data" / "sessions"
    threads = len(accounts.all) + CALL_THREADS
    async with running_engine(accounts.lab.place, folder, threads=threads, untold=UNTOLD) as engine:
        yield Bare(engine, accounts)


async def bare_pairing(accounts: Accounts, count: int) -> float:
    """Pair *count* new accounts with bare neonize, as many at once as the service does; answers the median seconds."""
    folder = accounts.folder / "bare"
    folder.mkdir(exist_ok=True)
    numbers = [await accounts.phone("Loja") for _ in range(count)]
    turns = asyncio.Semaphore(AT_ONCE)
    async with running_engine(accounts.lab.place, folder, untold=UNTOLD) as engine:

        async def pair(number: str) -> float:
            async with turns:
                began = time.monotonic()
                await engine.pair(accounts.lab, number, number)
                return time.monotonic() - began

        return statistics.median(await asyncio.gather(*map(pair, numbers)))


def _child(words: str) -> int:
    """Answer the child of this program whose command has these words."""
    return next(one.pid for one in psutil.Process().children() if words in " ".join(one.cmdline()))
