"""The whole service under load, its hub, a worker or its PostgreSQL killed at random: what rows, webhooks and phones say afterwards.

What a killed worker had acknowledged to WhatsApp and not yet written down is lost with it, at most `ENGINE_WINDOW` texts of a
session; every other kill may cost nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks.kills import ENGINE_WINDOW, REST_S
from benchmarks.progress import Progress
from benchmarks.rig import Numbers
from benchmarks.service import Receiver, Service
from benchmarks.traffic import Traffic
from benchmarks.verdict import Judge, Verdict
from lab.client import running_lab

SECOND_KILL = 0.3  # of the hub's kills: how many are followed by another within a second of its start
MOST_KILLS = 3
VICTIM_S = 30.0


class Victim(StrEnum):
    """Who is killed."""

    HUB = "hub"
    WORKER = "worker"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Wish:
    """How many rounds, over how many sessions, under how many texts a second in and sends a second out."""

    rounds: int = 20
    sessions: int = 20
    per_worker: int = 5
    rate: float = 200.0
    sends: float = 4.0
    seed: int | None = None
    victims: Sequence[Victim] | None = None
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One kill: of whom, how often (a hub may be killed again at once), how soon all was connected, and what it cost.

    `lost`: by connection, how many acknowledged texts are no row that were not missing before.
    """

    number: int
    victim: Victim
    kills: int
    back_s: float
    settled_s: float
    lost: dict[str, int]
    verdict: Verdict

    @property
    def broken(self) -> list[str]:
        """The promises that this round broke."""
        window = ENGINE_WINDOW if self.victim is Victim.WORKER else 0
        late = [f"{count} texts of {who} lost" for who, count in self.lost.items() if count > window]
        return [f"round {self.number}, {self.victim}: {one}" for one in (*late, *self.verdict.broken)]

    def __str__(self) -> str:
        """One line."""
        sends = ", ".join(f"{count} {what}" for what, count in sorted(self.verdict.sends.items()))
        return (
            f"round {self.number:2}: {self.victim:8} x{self.kills}, back {self.back_s:4.1f} s, settled {self.settled_s:4.1f} s, "
            f"{sum(self.lost.values())} lost ({max(self.lost.values(), default=0)} at most of one session), "
            f"{self.verdict.rows} rows, {self.verdict.placeholders} empty, {self.verdict.redelivered} redelivered; sends: {sends}"
        )


class Mayhem:
    """A service with its traffic, and whoever kills parts of it."""

    def __init__(self, service: Service, receiver: Receiver, wish: Wish, numbers: Numbers | None = None) -> None:
        self._numbers = numbers or Numbers()
        self.seed = wish.seed if wish.seed is not None else random.SystemRandom().randrange(1 << 32)
        self._chance = random.Random(self.seed)
        self._service = service
        self._wish = wish
        self._traffic = Traffic(service, random.Random(self.seed + 1), rate=wish.rate, sends=wish.sends)
        self._judge = Judge(service, receiver, self._traffic)
        self._missing: dict[str, set[str]] = {}
        self._resting: dict[
            int, float
        ] = {}  # until when a started worker is spared, in monotonic seconds: sooner is a crash loop

    async def prepare(self) -> None:
        """Pair everybody."""
        await self._service.ready()
        await self._traffic.open(self._wish.sessions, self._numbers)

    def choose(self) -> Victim:
        """Choose whom the next round kills."""
        return self._chance.choice([one for one in Victim if self._rested() or one is not Victim.WORKER])

    async def round(self, number: int, victim: Victim) -> Round:
        """Traffic, a kill in its midst, traffic until all is connected again and a little longer; then judge everything so far."""
        self._traffic.begin()
        try:
            await asyncio.sleep(self._chance.uniform(1.0, 3.0))
            began = time.monotonic()
            kills = await self._kill(victim)
            await self._service.connected(self._wish.sessions)
            back_s = time.monotonic() - began
            await asyncio.sleep(self._chance.uniform(0.5, 2.0))
        finally:
            await self._traffic.end()
        settling = time.monotonic()
        verdict = await self._judge.judge()
        return Round(number, victim, kills, back_s, time.monotonic() - settling, self._news(verdict), verdict)

    def _news(self, verdict: Verdict) -> dict[str, int]:
        lost = {who: len(ids - self._missing.get(who, set())) for who, ids in verdict.missing.items()}
        self._missing = verdict.missing
        return {who: count for who, count in lost.items() if count}

    async def _kill(self, victim: Victim) -> int:
        match victim:
            case Victim.HUB:
                return await self._kill_hub()
            case Victim.WORKER:
                await self._kill_worker()
            case Victim.POSTGRES:
                await self._until(lambda: self._service.postgres() is not None)
                pid = self._service.postgres() or 0
                os.kill(pid, signal.SIGKILL)
                await self._until(lambda: self._service.postgres() not in (None, pid))
        return 1

    async def _kill_hub(self) -> int:
        kills = 0
        while kills == 0 or (kills < MOST_KILLS and self._chance.random() < SECOND_KILL):
            if kills:
                await asyncio.sleep(self._chance.uniform(0.0, 1.0))
            await self._service.kill()
            kills += 1
            await asyncio.sleep(self._chance.uniform(0.0, 1.0))
            await self._service.start()
        self._resting.clear()
        await self._service.ready()
        self._traffic.ask_again()
        return kills

    async def _kill_worker(self) -> None:
        before = set(self._service.workers())
        os.kill(self._chance.choice(self._rested()), signal.SIGKILL)
        await self._until(lambda: bool(set(self._service.workers()) - before))
        until = time.monotonic() + REST_S
        self._resting |= dict.fromkeys(set(self._service.workers()) - before, until)

    def _rested(self) -> list[int]:
        now = time.monotonic()
        return [pid for pid in self._service.workers() if self._resting.get(pid, 0.0) <= now]

    async def _until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(VICTIM_S):
            while not fact():  # noqa: ASYNC110  # processes have no event
                await asyncio.sleep(0.02)


async def run(wish: Wish, say: Progress) -> list[str]:
    """Kill as *wish* says, printing a line for each round; answers every promise that was broken, in sentences."""
    with tempfile.TemporaryDirectory(prefix="vigia-mayhem-", dir=wish.folder) as folder:
        async with (
            running_lab() as lab,
            Receiver() as receiver,
            Service(Path(folder) / "data", lab, webhook=receiver.url, per_worker=wish.per_worker) as service,
        ):
            mayhem = Mayhem(service, receiver, wish)
            print(f"seed {mayhem.seed}", flush=True)
            say(f"pairing {wish.sessions} sessions")
            await mayhem.prepare()
            return await _rounds(mayhem, wish, say, service)


async def _rounds(mayhem: Mayhem, wish: Wish, say: Progress, service: Service) -> list[str]:
    broken: list[str] = []
    for number in range(1, wish.rounds + 1):
        victim = wish.victims[(number - 1) % len(wish.victims)] if wish.victims else mayhem.choose()
        say(f"round {number} of {wish.rounds}: {victim}")
        try:
            one = await mayhem.round(number, victim)
        except TimeoutError as error:
            return [*broken, f"round {number}, {victim}: not everything settled: {error}", service.tail()]
        print(one, flush=True)
        broken += one.broken
    return list(dict.fromkeys(broken))
