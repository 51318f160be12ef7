"""Everything that can happen to a database, one fault after another in random order, under load: what the callers, the receiver of
webhooks and the phones saw meanwhile, and what the rows say afterwards.

No fault may cost a row, a send or an event: nothing is killed here that could hold any of them in memory alone.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import aiohttp
import psutil

from benchmarks.database import Database, Way, database
from benchmarks.faulty import Mood
from benchmarks.progress import Progress
from benchmarks.rig import Numbers
from benchmarks.service import Answer, Receiver, Service
from benchmarks.traffic import Asked, Traffic
from benchmarks.verdict import Judge, Verdict
from lab.client import LabClient, running_lab

LOOK_EVERY_S = 0.4
ANSWER_S = 12.0
"""How long a read may take: the service gives the database 5 s, and the rest is for a busy machine."""
GO_ON_S = 30.0
"""How long to wait under a fault for a send that is answered and an event that is told."""
BACK_S = 120.0
"""How soon the queue is caught up with: a parked sink looks every half minute, and the queue has to be written."""
MENDED = 0.6  # of the faults: after how many somebody has the sink try at once
FULL_BYTES = 4096  # no file of the hub may grow beyond this: what a full disk is to a program


class Fault(StrEnum):
    """What happens."""

    KILLED = "killed"
    HUNG = "hung"
    SLOW = "slow"
    HTML = "html"
    UNAUTHORIZED = "unauthorized"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"
    PAUSED = "paused"
    FULL = "full"  # the database's disk
    SCHEMA = "schema"  # the function that records is gone, and comes back
    RESTARTED = "restarted"  # PostgreSQL killed, and started again
    DISK = "disk"  # our own: the queue cannot grow


_MOODS = {fault: Mood(fault.value) for fault in Fault if fault.value in {mood.value for mood in Mood}}
_OVER_HTTP = {Fault.HTML, Fault.UNAUTHORIZED, Fault.LIMITED, Fault.UNAVAILABLE, Fault.PAUSED, Fault.FULL}
FAULTS = {Way.POSTGRES: tuple(one for one in Fault if one not in _OVER_HTTP), Way.REST: tuple(Fault)}


@dataclass(frozen=True, slots=True)
class Wish:
    """How many runs, over which ways in turn; each with so many sessions under so many texts in and sends out a second."""

    runs: int = 20
    ways: tuple[Way, ...] = tuple(Way)
    sessions: int = 5
    rate: float = 40.0
    sends: float = 4.0
    seed: int | None = None
    folder: Path | None = None


@dataclass(slots=True)
class Episode:
    """One fault. `reads`: how many were answered with which status, `slowest_s` how late; `sent`, `told`: sends answered and events
    told meanwhile; `back_s`: how soon no more waited than a second brings, after its end, `kicked`: because somebody had it try."""

    fault: Fault
    kicked: bool
    lasted_s: float = 0.0
    reads: Counter[int] = field(default_factory=Counter[int])
    slowest_s: float = 0.0
    sent: int = 0
    told: int = 0
    back_s: float = 0.0
    broken: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        """One line."""
        reads = ", ".join(f"{count} x {status}" for status, count in sorted(self.reads.items()))
        how = "kicked" if self.kicked else "by itself"
        return (
            f"{self.fault:12} {self.lasted_s:4.1f} s, reads {reads} (slowest {self.slowest_s:.1f} s), {self.sent:3} sends answered, "
            f"{self.told:4} events told, caught up {self.back_s:4.1f} s later ({how})"
        )


class Outage:
    """A service under load, and who takes its database away."""

    def __init__(
        self, service: Service, receiver: Receiver, base: Database, wish: Wish, seed: int, numbers: Numbers
    ) -> None:
        self._service = service
        self._receiver = receiver
        self._base = base
        self._wish = wish
        self._chance = random.Random(seed)
        self._numbers = numbers
        self._traffic = Traffic(service, random.Random(seed + 1), rate=wish.rate, sends=wish.sends)

    async def prepare(self) -> None:
        """Pair everybody."""
        await self._service.ready()
        await self._traffic.open(self._wish.sessions, self._numbers)

    async def run(self, way: Way, told: Callable[[Episode], None]) -> tuple[list[str], Verdict]:
        """Go through every fault of *way* once, in random order; answers every promise that was broken, in sentences."""
        order = self._chance.sample(FAULTS[way], len(FAULTS[way]))
        broken: list[str] = []
        self._traffic.begin()
        try:
            for fault in order:
                await asyncio.sleep(self._chance.uniform(0.5, 1.5))
                episode = await self._suffer(fault)
                told(episode)
                broken += [f"{fault}: {one}" for one in episode.broken]
        finally:
            await self._traffic.end()
        verdict = await Judge(self._service, self._receiver, self._traffic).judge()
        lost = [f"{len(ids)} texts of {who} are no row" for who, ids in verdict.missing.items() if ids]
        return [*broken, *lost, *verdict.broken], verdict

    async def _suffer(self, fault: Fault) -> Episode:
        episode = Episode(fault, kicked=self._chance.random() < MENDED)
        looking = asyncio.create_task(self._look(episode), name="reader")
        asked, told, began = len(self._traffic.asked), len(self._receiver.events), time.monotonic()
        try:
            async with self._under(fault):
                await asyncio.sleep(self._chance.uniform(3.0, 6.0))
                if fault is not Fault.DISK:
                    await self._went_on(episode, asked, told)
            episode.lasted_s = time.monotonic() - began
            await self._recover(episode)
        finally:
            looking.cancel()
            ended = await asyncio.gather(looking, return_exceptions=True)
        episode.broken += [f"the reader failed: {one!r}" for one in ended if isinstance(one, Exception)]
        return episode

    @asynccontextmanager
    async def _under(self, fault: Fault) -> AsyncGenerator[None]:
        """Let *fault* last while inside."""
        if mood := _MOODS.get(fault):
            await self._base.before.be(mood)
            yield
            await self._base.before.be(Mood.PASSES)
        elif fault is Fault.SCHEMA:
            await self._base.break_schema()
            yield
            await self._base.mend_schema()
        elif fault is Fault.RESTARTED:
            await self._base.kill()
            yield
        else:
            hub = psutil.Process(psutil.Process(self._service.workers()[0]).ppid())
            _, hard = hub.rlimit(psutil.RLIMIT_FSIZE)
            hub.rlimit(psutil.RLIMIT_FSIZE, (FULL_BYTES, hard))
            yield
            hub.rlimit(psutil.RLIMIT_FSIZE, (hard, hard))

    async def _went_on(self, episode: Episode, asked: int, told: int) -> None:
        """Wait until sends were answered and events told that began under the fault."""

        def since() -> list[Asked]:
            return [one for one in self._traffic.asked[asked:] if one.message_id and one.refused is None]

        try:
            async with asyncio.timeout(GO_ON_S):
                while not (since() and len(self._receiver.events) > told):  # noqa: ASYNC110 - other programs have no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            episode.broken.append(f"{len(since())} sends answered and {len(self._receiver.events) - told} events told")
        episode.sent, episode.told = len(since()), len(self._receiver.events) - told

    async def _recover(self, episode: Episode) -> None:
        began = time.monotonic()
        if episode.kicked:
            await self._service.kick("record")
        try:
            async with asyncio.timeout(BACK_S):
                while await self._service.depth("record") > self._wish.rate:  # noqa: ASYNC110 - another program's figure has no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            rows = await self._service.depth("record")
            episode.broken.append(f"{rows} rows still wait {BACK_S:.0f} s after it was over")
        episode.back_s = time.monotonic() - began

    async def _look(self, episode: Episode) -> None:
        """Read as a page does, all the time: an answer, or a refusal that says when to ask again; never silence."""
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    answer = await self._service.look("/atendimentos/active", limit=1)
            except (TimeoutError, aiohttp.ClientError) as error:
                episode.broken.append(f"a read was not answered ({type(error).__name__})")
                continue
            episode.reads[answer.status] += 1
            episode.slowest_s = max(episode.slowest_s, answer.seconds)
            if not _proper(answer):
                episode.broken.append(f"a read was answered {answer.status} {answer.body}")
            await asyncio.sleep(LOOK_EVERY_S)


def _proper(answer: Answer) -> bool:
    if answer.status == 200:
        return True
    kind = answer.headers.get("Content-Type", "")
    return answer.status == 503 and kind.startswith("application/problem+json") and "Retry-After" in answer.headers


@asynccontextmanager
async def outage(
    folder: Path, lab: LabClient, way: Way, wish: Wish, seed: int, numbers: Numbers
) -> AsyncGenerator[Outage]:
    """Start everything of one run in *folder*. Leaves nothing running."""
    async with AsyncExitStack() as parts:
        (folder / "data").mkdir()
        base = await parts.enter_async_context(database(folder, way))
        receiver = await parts.enter_async_context(Receiver())
        service = Service(folder / "data", lab, webhook=receiver.url, **base.settings)
        await parts.enter_async_context(service)
        made = Outage(service, receiver, base, wish, seed, numbers)
        await made.prepare()
        yield made


async def run(wish: Wish, say: Progress) -> list[str]:
    """Go through *wish*, printing a line for each fault; answers every promise that was broken, in sentences."""
    seeds = random.SystemRandom() if wish.seed is None else random.Random(wish.seed)
    broken: list[str] = []
    for number in range(wish.runs):
        way, seed = wish.ways[number % len(wish.ways)], wish.seed if wish.runs == 1 else None
        seed = seeds.randrange(1 << 32) if seed is None else seed
        say(f"run {number + 1} of {wish.runs}, over {way}, seed {seed}")
        print(f"run {number + 1}: over {way}, seed {seed}", flush=True)
        found = await _one(wish, way, seed)
        broken += [f"run {number + 1} (--over {way} --seed {seed}): {one}" for one in found]
    return broken


async def _one(wish: Wish, way: Way, seed: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="vigia-outage-", dir=wish.folder) as folder:
        async with running_lab() as lab, outage(Path(folder), lab, way, wish, seed, Numbers()) as made:
            try:
                broken, verdict = await made.run(way, _print)
            except TimeoutError as error:
                return [f"not everything settled: {error}"]
    sends = ", ".join(f"{count} {what}" for what, count in sorted(verdict.sends.items()))
    print(f"  {verdict.rows} rows, {verdict.redelivered} redelivered; sends: {sends}", flush=True)
    return broken


def _print(episode: Episode) -> None:
    print(f"  {episode}", flush=True)
