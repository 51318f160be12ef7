"""From a customer's phone to a committed row: how many texts a second, how soon. Bare neonize, which keeps nothing, beside it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.flow import Latency, Report, Speed
from benchmarks.progress import Progress
from benchmarks.soon import percentile, waits_ms
from benchmarks.stage import Account, Meter, Stage, stage

LONE_FLOOR = 800.0  # texts a second; what is slower is broken


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    texts: int = 6000  # in each measurement of speed, over all sessions
    sessions: int = 20
    rate: float = 100.0  # texts a second, while it is measured how soon they arrive
    during_s: float = 15.0
    folder: Path | None = None


QUICK = Plan(texts=40, sessions=2, rate=20.0, during_s=0.5)


async def run(plan: Plan, say: Progress, report: Report) -> None:
    """Measure everything of *plan* into *report*. Leaves nothing running and no file."""
    async with stage(plan.folder, say, plan.sessions) as scene:
        for count, name in ((1, "one phone"), (plan.sessions, f"{plan.sessions} phones, a session each")):
            say(f"pairing {count} and {count}")
            await scene.pair(count)
            await _warm(scene)
            report.speeds.append(await _bare_speed(scene, name, plan.texts // count, say))
            report.speeds.append(await _speed(scene, name, plan.texts // count, say))
        report.latencies.append(await _latency(scene, plan, say))


async def _warm(scene: Stage) -> None:
    """The first text of a chat makes its keys: that is not what is measured."""
    before, acknowledged = await scene.record.count(), await scene.acknowledged(scene.bare_accounts)
    await scene.write([*scene.accounts, *scene.bare_accounts], 1)
    await scene.record.until(before + len(scene.accounts))
    await scene.until_acknowledged(scene.bare_accounts, acknowledged + len(scene.bare_accounts))


async def _speed(scene: Stage, name: str, texts: int, say: Progress) -> Speed:
    before = await scene.record.count()
    return await _measured(
        scene, f"{name}: service", scene.accounts, texts, lambda total: scene.record.until(before + total), say
    )


async def _bare_speed(scene: Stage, name: str, texts: int, say: Progress) -> Speed:
    accounts = scene.bare_accounts
    before = await scene.acknowledged(accounts)
    return await _measured(
        scene,
        f"{name}: bare neonize",
        accounts,
        texts,
        lambda total: scene.until_acknowledged(accounts, before + total),
        say,
    )


async def _measured(
    scene: Stage,
    name: str,
    accounts: list[Account],
    texts: int,
    arrived: Callable[[int], Awaitable[None]],
    say: Progress,
) -> Speed:
    total, load = texts * len(accounts), os.getloadavg()[0]
    say(f"{name}: {total} texts")
    meter = Meter(scene)
    await scene.write(accounts, texts)
    written_s, _ = meter.read()
    await arrived(total)
    seconds, cpu_s = meter.read()
    say(f"{name}: {total / seconds:.0f}/s (the lab had written them after {written_s:.2f} of {seconds:.2f} s)")
    return Speed(name, total, seconds, cpu_s, load)


async def _latency(scene: Stage, plan: Plan, say: Progress) -> Latency:
    load = os.getloadavg()[0]
    say(f"{plan.rate * plan.during_s:.0f} texts at {plan.rate:.0f}/s")
    waits = await waits_ms(scene.lab, scene.record, scene.accounts, rate=plan.rate, during_s=plan.during_s)
    late = percentile(waits, 50), percentile(waits, 95)
    return Latency(f"from a phone's send to the row, {plan.rate:.0f}/s", len(waits), *late, waits[-1], load)
