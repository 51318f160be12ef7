"""Paired accounts, each with a customer of its own, and the texts they exchange."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.progress import Progress
from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions.fleet import Options
from sessions.model import SessionId

AT_ONCE = 4  # MAX_PAIRINGS as shipped
ASKING_AT_ONCE = 16
SETTLE_S = 120.0


@dataclass(frozen=True, slots=True)
class Account:
    """A session, its number, and the number of the one who writes to it."""

    session: SessionId
    number: str
    customer: str


class Accounts:
    """The accounts under one data folder. They grow; nothing unlinks them."""

    def __init__(self, data: Path, lab: LabClient, say: Progress) -> None:
        self.data = data
        self.lab = lab
        self.all: list[Account] = []
        self._say = say
        self._numbers = Numbers()

    async def grow(self, count: int) -> list[float]:
        """Pair until there are *count*, a few at once, in this process; answers the seconds each new one took."""
        async with Rig(self.data, self.lab, options=Options(max_pairings=AT_ONCE)) as rig:
            await rig.connected(*(account.session for account in self.all))
            turns = asyncio.Semaphore(AT_ONCE)
            new = [self._pair(rig, turns) for _ in range(count - len(self.all))]
            async with self._say.ticking(lambda: f"paired {len(self.all)} of {count}"):
                return await asyncio.gather(*new)

    async def phone(self, name: str) -> str:
        """Make a phone; answers its number."""
        number = self._numbers()
        await self.lab.phone(number, name)
        return number

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

    async def _pair(self, rig: Rig, turns: asyncio.Semaphore) -> float:
        number, customer = await self.phone("Loja"), await self.phone("Ana")
        async with turns:
            session = rig.fleet.create()
            began = time.monotonic()
            await self.lab.scan(number, (await rig.fleet.qr(session)).text)
            await rig.connected(session)
            self.all.append(Account(session, number, customer))
            return time.monotonic() - began
