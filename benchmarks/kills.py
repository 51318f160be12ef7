"""Workers killed under load, judged by the lab's own list: what was acknowledged to WhatsApp and never reached the inbox."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.rig import Numbers, Rig
from sessions.engine.crashes import STABLE_S
from sessions.model import SessionId
from sessions.state import Reason

ENGINE_WINDOW = 100  # events that the engine's own channel holds for a session: acknowledged, and gone with it
SETTLE_S = 60.0
REST_S = STABLE_S + 2.0  # a worker that ends again sooner is in a crash loop, and rightly waits before it starts again


@dataclass(frozen=True, slots=True)
class Round:
    """One kill: which worker, how long its sessions were away, and what was lost of each session's texts."""

    number: int
    victim: int
    back_s: float
    missing: dict[SessionId, int] = field(default_factory=dict[SessionId, int])
    doubled: int = 0

    @property
    def lost(self) -> int:
        """Texts lost in all."""
        return sum(self.missing.values())


class Kills:
    """Twenty phones write to twenty sessions at a steady rate; now and then a worker is killed."""

    def __init__(
        self, rig: Rig, numbers: Numbers, *, sessions: int = 20, rate: float = 200.0, seed: int | None = None
    ) -> None:
        self.seed = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
        self._rig = rig
        self._count = sessions
        self._pause_s = sessions / rate
        self._chance = random.Random(self.seed)
        self._numbers = numbers
        self._shops: dict[SessionId, str] = {}
        self._customers: dict[SessionId, str] = {}
        self._written: Counter[SessionId] = Counter()
        self._lost_before: dict[SessionId, int] = {}
        self._rested_at: dict[str, float] = {}  # by worker: when it may be killed again, in monotonic seconds

    async def prepare(self) -> None:
        """Pair every session and make its customer."""
        for _ in range(self._count):
            shop, customer = self._numbers(), self._numbers()
            session = await self._rig.pair(shop)
            await self._rig.lab.phone(customer, "Ana")
            self._shops[session], self._customers[session] = shop, customer

    async def round(self, number: int, *, quiet: bool = False) -> Round:
        """Write for a while, kill a worker (with *quiet*: after a second without texts), wait until all is as it was, and count."""
        await asyncio.sleep(self.rest_s)
        writers = [asyncio.create_task(self._write(one), name=f"writer-{one[:8]}") for one in self._shops]
        try:
            await asyncio.sleep(self._chance.uniform(0.5, 2.0))
            if quiet:
                await self._stop(writers)
                await self._everything_arrived()
                await asyncio.sleep(1.0)
            name, victim = self._kill()
            began = time.monotonic()
            await self._rig.until(self._somebody_down, within_s=10)
            await self._rig.connected(*self._shops, within_s=SETTLE_S)
            back_s = time.monotonic() - began
            self._rested_at[name] = began + back_s + REST_S
            await asyncio.sleep(self._chance.uniform(0.2, 1.0))
        finally:
            await self._stop(writers)
        await self._everything_arrived()
        missing, doubled = await self._count_losses()
        return Round(number, victim, back_s, missing, doubled)

    async def fights(self) -> int:
        """Answer how often two logins of one device overlapped."""
        return (await self._rig.lab.stats())["fights"]

    @property
    def rest_s(self) -> float:
        """Seconds until a worker may be killed again."""
        rests = [self._rest_s(view.name) for view in self._rig.fleet.workers()]
        return min(rests, default=0.0)

    def _rest_s(self, worker: str) -> float:
        return max(0.0, self._rested_at.get(worker, 0.0) - time.monotonic())

    def _kill(self) -> tuple[str, int]:
        workers = {view.name: view.health.pid for view in self._rig.fleet.workers() if view.health}
        name = self._chance.choice([name for name in workers if not self._rest_s(name)])
        os.kill(workers[name], signal.SIGKILL)
        return name, workers[name]

    def _somebody_down(self) -> bool:
        return any(self._rig.fleet.view(one).state.reason is not Reason.CONNECTED for one in self._shops)

    async def _write(self, session: SessionId) -> None:
        await asyncio.sleep(self._chance.uniform(0, self._pause_s))
        while True:
            began = time.monotonic()
            await self._rig.lab.write(self._customers[session], self._shops[session], f"{self._written[session]}")
            self._written[session] += 1
            await asyncio.sleep(max(0.0, self._pause_s - (time.monotonic() - began)))

    async def _stop(self, writers: list[asyncio.Task[None]]) -> None:
        for writer in writers:
            writer.cancel()
        ended = await asyncio.gather(*writers, return_exceptions=True)
        for one in ended:
            if isinstance(one, Exception) and not isinstance(one, asyncio.CancelledError):
                raise one

    async def _everything_arrived(self) -> None:
        """Wait until every text was handed over and acknowledged, and the inboxes were read."""
        until = time.monotonic() + SETTLE_S
        for shop in self._shops.values():
            while await self._unsettled(shop):
                if time.monotonic() > until:
                    raise TimeoutError(f"texts stay undelivered after {SETTLE_S} s")
        await self._rig.hear_the_rest()

    async def _unsettled(self, shop: str) -> int:
        """Answer how many texts to *shop* nobody acknowledged yet, waiting a second for them."""
        counts = (await self._rig.lab.deliveries(shop, since=1 << 60))["items"]
        queued = sum(one["queued"] for one in counts)
        counts = (await self._rig.lab.deliveries(shop, since=1 << 60, wait=1, acked=queued))["items"]
        return queued - sum(one["acked"] for one in counts)

    async def _count_losses(self) -> tuple[dict[SessionId, int], int]:
        missing: dict[SessionId, int] = {}
        doubled = 0
        for session, shop in self._shops.items():
            told = (await self._rig.lab.deliveries(shop))["items"]
            acked = [one["id"] for device in told for one in device["deliveries"] if one["acked"]]
            heard = Counter(message.id for message in self._rig.messages(session))
            doubled += sum(count - 1 for count in heard.values())
            gone = sum(1 for one in acked if one not in heard)
            if new := gone - self._lost_before.get(session, 0):
                missing[session] = new
            self._lost_before[session] = gone
        return missing, doubled
