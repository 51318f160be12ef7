"""Whether a dead webhook holds up the record: how soon a text is a row with tens of thousands of events waiting, and with none.

Two services stand beside each other, one with a receiver that takes everything, one with a receiver that takes nothing; both were
given the same texts. Their latency is measured in turn, several times, so that what else the machine does strikes both.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import aligned
from benchmarks.progress import Progress
from benchmarks.record import Record, watched
from benchmarks.rig import Numbers
from benchmarks.service import Mood, Moody, Service
from benchmarks.soon import percentile, waits_ms
from benchmarks.traffic import Shop
from lab.client import LabClient, running_lab

BOUND = 1.2  # of normal: more would mean that the record waits for the webhook
CHUNK = 500
FLOOD_S = 900.0
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """How many events wait, and how the latency is measured."""

    events: int = 50_000
    sessions: int = 4
    windows: int = 5
    window_s: float = 8.0
    rate: float = 100.0
    folder: Path | None = None


QUICK = Plan(events=200, sessions=2, windows=1, window_s=0.5, rate=40.0)


@dataclass(slots=True)
class Report:
    """Each window's p50 and p95 in milliseconds, by what the receiver did; how many events waited, and came in the end."""

    waiting: int = 0
    drained_s: float = 0.0
    astray: list[str] = field(default_factory=list[str])
    """What did not come to the receiver as it came in, once it took everything, in sentences."""
    p50_ms: dict[Mood, list[float]] = field(default_factory=lambda: {mood: [] for mood in Mood})
    p95_ms: dict[Mood, list[float]] = field(default_factory=lambda: {mood: [] for mood in Mood})

    def ratio(self, mood: Mood) -> float:
        """The median p95 under *mood*, as a share of the normal one."""
        return statistics.median(self.p95_ms[mood]) / statistics.median(self.p95_ms[Mood.TAKES])

    @property
    def held(self) -> bool:
        """Whether the record went on as if nothing were."""
        return not self.astray and all(self.ratio(mood) <= BOUND for mood in Mood)

    def table(self) -> str:
        """Answer all of it for a terminal."""
        head = ["events waiting", "the receiver", "p50 ms", "p95 ms", "of normal", "p95 of each window"]
        end = f"The receiver took all of it in {self.drained_s:.0f} s, each event once and in order."
        return "\n".join([aligned(head, [self._row(mood) for mood in Mood]), *(self.astray or [end])])

    def _row(self, mood: Mood) -> list[str]:
        return [
            "0" if mood is Mood.TAKES else f"{self.waiting}",
            mood,
            f"{statistics.median(self.p50_ms[mood]):.1f}",
            f"{statistics.median(self.p95_ms[mood]):.1f}",
            f"{self.ratio(mood):.2f}",
            " ".join(f"{one:.1f}" for one in self.p95_ms[mood]),
        ]


@dataclass(frozen=True, slots=True)
class House:
    """A service, whoever it tells, what it recorded, and its accounts."""

    service: Service
    receiver: Moody
    record: Record
    shops: list[Shop]


async def run(plan: Plan, say: Progress, report: Report) -> None:
    """Measure into *report*. Leaves nothing running and no file."""
    async with AsyncExitStack() as parts:
        place = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="vigia-backlog-", dir=plan.folder)))
        lab, numbers = await parts.enter_async_context(running_lab()), Numbers()
        for name in ("well", "burdened"):
            (place / name).mkdir()
        say("starting two services and pairing their accounts")
        well = await parts.enter_async_context(_house(place / "well", lab, Mood.TAKES, plan.sessions, numbers))
        burdened = await parts.enter_async_context(
            _house(place / "burdened", lab, Mood.REFUSES, plan.sessions, numbers)
        )
        for house in (well, burdened):
            await _flood(house, plan, say)
        report.waiting = await burdened.service.depth("webhook")
        for window in range(plan.windows):
            for mood in (Mood.TAKES, Mood.REFUSES, Mood.HANGS):
                house = well if mood is Mood.TAKES else burdened
                house.receiver.feel(mood)
                waits = await waits_ms(lab, house.record, house.shops, rate=plan.rate, during_s=plan.window_s)
                report.p50_ms[mood].append(percentile(waits, 50))
                report.p95_ms[mood].append(percentile(waits, 95))
                say(f"window {window + 1}, the receiver {mood}: p95 {report.p95_ms[mood][-1]:.1f} ms")
        await _drain(burdened, say, report)


@asynccontextmanager
async def _house(data: Path, lab: LabClient, mood: Mood, sessions: int, numbers: Numbers) -> AsyncGenerator[House]:
    async with Moody(mood) as receiver, Service(data, lab, webhook=receiver.url) as service:
        await service.ready()
        shops = [Shop(f"loja-{index}", numbers(), numbers()) for index in range(sessions)]
        for shop in shops:
            await lab.phone(shop.customer, "Ana")
            await service.pair(shop.connection, shop.number)
        async with watched(data) as record:
            yield House(service, receiver, record, shops)


async def _flood(house: House, plan: Plan, say: Progress) -> None:
    """Let the customers write all texts; wait until they are rows, and events where somebody takes them."""
    each = plan.events // plan.sessions
    async with say.ticking(lambda: "texts are becoming rows"), asyncio.timeout(FLOOD_S):
        await asyncio.gather(*(_write(house, shop, each) for shop in house.shops))
        while await house.record.count() < each * plan.sessions:  # noqa: ASYNC110 - nobody tells another process
            await asyncio.sleep(LOOK_S)
    async with say.ticking(lambda: f"{len(house.receiver.events)} events were told"), asyncio.timeout(FLOOD_S):
        while not await _settled(house, each * plan.sessions):  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK_S)


async def _write(house: House, shop: Shop, texts: int) -> None:
    for begin in range(0, texts, CHUNK):
        await house.service.lab.write(shop.customer, shop.number, "texto", count=min(CHUNK, texts - begin))


async def _settled(house: House, events: int) -> bool:
    """Whether all events were told, or all wait."""
    waiting = await house.service.depth("webhook")
    return waiting == 0 or (not house.receiver.events and waiting >= events)


async def _drain(house: House, say: Progress, report: Report) -> None:
    """Let the receiver take everything, and compare it with what the local WhatsApp delivered."""
    began = time.monotonic()
    house.receiver.feel(Mood.TAKES)
    async with say.ticking(lambda: f"{len(house.receiver.events)} events were told"), asyncio.timeout(FLOOD_S):
        while await house.service.depth("webhook"):  # noqa: ASYNC110 - nobody tells another process
            await asyncio.sleep(LOOK_S)
    report.drained_s = time.monotonic() - began
    for shop in house.shops:
        [device] = (await house.service.lab.deliveries(shop.number))["items"]
        texts = [event["data"] for event in house.receiver.events if event["type"] == "messageReceived"]
        told = [data["waMessageId"] for data in texts if data["connectionId"] == shop.connection]
        if told != [one["id"] for one in device["deliveries"]]:
            report.astray.append(f"{shop.connection}: {len(told)} events are not its {device['queued']} texts in order")
