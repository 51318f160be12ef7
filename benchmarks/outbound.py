"""From an HTTP request to WhatsApp's answer: how many sends a second, how soon. Bare neonize, which keeps nothing, beside it."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.flow import Latency, Report, Speed
from benchmarks.progress import Progress
from benchmarks.stage import IN_FLIGHT, Meter, Stage, stage
from sessions.errors import FixUs

FLOOR = 0.3  # of bare neonize, with many in flight; what is slower is broken

Send = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many sends: one after another, and with many in flight."""

    in_turn: int = 400
    at_once: int = 2000
    folder: Path | None = None


QUICK = Plan(in_turn=10, at_once=IN_FLIGHT)


async def run(plan: Plan, say: Progress, report: Report) -> None:
    """Measure everything of *plan* into *report*. Leaves nothing running and no file."""
    async with stage(plan.folder, say, 1) as scene:
        say("pairing one and one")
        await scene.pair(1)
        senders = {"bare neonize": _bare(scene), "service": _service(scene)}
        for send in senders.values():
            await send("texto")  # the first makes the chat's keys
        for flight, count in ((1, plan.in_turn), (IN_FLIGHT, plan.at_once)):
            for who, send in senders.items():
                await _measure(scene, (who, send), flight, count, say, report)


def _service(scene: Stage) -> Send:
    account = scene.accounts[0]

    async def send(text: str) -> None:
        said = await scene.service.send(account.name, account.customer, text)
        if said["status"] != "sent":
            raise FixUs(f"a send ended {said['status']}")

    return send


def _bare(scene: Stage) -> Send:
    account = scene.bare_accounts[0]

    async def send(text: str) -> None:
        await scene.engine.ask("send", session=account.name, to=account.customer, text=text)

    return send


async def _measure(
    scene: Stage, sender: tuple[str, Send], flight: int, count: int, say: Progress, report: Report
) -> None:
    who, send = sender
    name = f"{'one after another' if flight == 1 else f'{flight} in flight'}: {who}"
    load = os.getloadavg()[0]
    say(f"{name}: {count} sends")
    waits: list[float] = []
    texts = iter(range(count))

    async def lane() -> None:
        for number in texts:
            began = time.monotonic()
            await send(f"texto {number}")
            waits.append(1000 * (time.monotonic() - began))

    meter = Meter(scene)
    await asyncio.gather(*(lane() for _ in range(flight)))
    seconds, cpu_s = meter.read()
    late = statistics.quantiles(waits, n=100)
    report.speeds.append(Speed(name, count, seconds, cpu_s, load))
    report.latencies.append(Latency(name, count, late[49], late[94], max(waits), load))
    say(f"{name}: {count / seconds:.0f}/s, p95 {late[94]:.1f} ms")
