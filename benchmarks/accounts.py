"""Paired accounts, each with a customer of its own who writes to it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.progress import Progress
from benchmarks.rig import Numbers
from benchmarks.service import Service
from lab.client import LabClient
from sessions.register import Register

AT_ONCE = 4  # pairings, as MAX_PAIRINGS ships
PER_WORKER = 25  # while pairing
ASKING_AT_ONCE = 16
SETTLE_S = 120.0


@dataclass(frozen=True, slots=True)
class Account:
    """A connection, its number, and the number of the one who writes to it."""

    connection: str
    number: str
    customer: str


class Accounts:
    """The accounts of one folder. They grow; nothing unlinks them."""

    def __init__(self, folder: Path, lab: LabClient, say: Progress) -> None:
        self.folder = folder
        self.lab = lab
        self.all: list[Account] = []
        self._say = say
        self.number = Numbers()

    def service(self, per_worker: int) -> Service:
        """Answer the service on this folder, not started yet."""
        return Service(self.folder / "data", self.lab, per_worker=per_worker)

    async def grow(self, count: int) -> list[float]:
        """Pair through the service until there are *count*, a few at once; answers the seconds each new one took."""
        known = len(self.all)
        async with self.service(PER_WORKER) as service:
            await service.connected(known)
            turns = asyncio.Semaphore(AT_ONCE)

            async def pair(place: int) -> float:
                account = Account(f"loja-{place}", self.number(), await self.phone("Ana"))
                async with turns:
                    began = time.monotonic()
                    await service.pair(account.connection, account.number)
                    self.all.append(account)
                    return time.monotonic() - began

            async with self._say.ticking(lambda: f"paired {len(self.all)} of {count}"):
                return await asyncio.gather(*map(pair, range(known, count)))

    async def phone(self, name: str) -> str:
        """Make a phone; answers its number."""
        number = self.number()
        await self.lab.phone(number, name)
        return number

    def sessions(self) -> dict[str, str]:
        """Answer the session of each number: the name of its database."""
        records = Register(self.folder / "data" / "sessions").load()
        return {record.identity.phone: record.id for record in records if record.identity}

    async def write(self, texts: int) -> None:
        """Let each customer write *texts* to its account."""
        turns = asyncio.Semaphore(ASKING_AT_ONCE)

        async def one(account: Account) -> None:
            async with turns:
                await self.lab.write(account.customer, account.number, "texto", count=texts)

        await asyncio.gather(*map(one, self.all))

    async def settled(self) -> None:
        """Wait until every text written was acknowledged. Raises `TimeoutError`."""
        async with asyncio.timeout(SETTLE_S):
            for account in self.all:
                while await self._unsettled(account):
                    pass

    async def _unsettled(self, account: Account) -> int:
        """Answer how many texts nobody acknowledged yet, waiting a second for them."""
        queued = sum(one["queued"] for one in await self._counts(account))
        return queued - sum(one["acked"] for one in await self._counts(account, wait=1, acked=queued))

    async def _counts(self, account: Account, **query: int) -> list[dict[str, int]]:
        return (await self.lab.deliveries(account.number, since=1 << 60, **query))["items"]
