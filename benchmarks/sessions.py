"""What sessions cost: memory, start, pairing and idle CPU of the whole service, beside bare neonize on the same accounts."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accounts import Accounts
from benchmarks.figures import Cell, PairingTime, Report
from benchmarks.processes import Tree
from benchmarks.progress import Progress
from benchmarks.subjects import Subject, bare, bare_pairing, whole
from lab.client import running_lab


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured, and for how long."""

    counts: tuple[int, ...] = (10, 50, 100, 200)
    per_worker: tuple[int, ...] = (25, 50, 100)
    texts: int = 20  # in and out, for each session
    quiet_s: float = 5.0  # after login and after traffic, before memory is read
    idle_s: float = 15.0  # how long idle CPU is watched
    bare_pairings: int = 8
    folder: Path | None = None

    def cells(self, count: int) -> list[int | None]:
        """Answer how many sessions a worker gets in each start; None is bare neonize. Starts that would be the same are left out."""
        several = [each for each in self.per_worker if each < count]
        one = [each for each in self.per_worker if each >= count][:1]
        first, *others = [*several, *one]
        return [first, None, *others]


QUICK = Plan(counts=(2,), per_worker=(25,), texts=3, quiet_s=0.2, idle_s=1.0, bare_pairings=1)


async def run(plan: Plan, say: Progress, report: Report) -> None:
    """Measure everything of *plan* into *report*. Leaves nothing running and no file."""
    with tempfile.TemporaryDirectory(prefix="vigia-benchmark-", dir=plan.folder) as folder:
        async with running_lab() as lab:
            accounts = Accounts(Path(folder), lab, say)
            say(f"pairing {plan.bare_pairings} accounts with bare neonize")
            report.bare_pairing_s = await bare_pairing(accounts, plan.bare_pairings)
            for count in sorted(plan.counts):
                await _grow(accounts, count, say, report)
                for per_worker in plan.cells(count):
                    report.cells.append(await _measure(plan, accounts, per_worker, say))


async def _grow(accounts: Accounts, count: int, say: Progress, report: Report) -> None:
    say(f"pairing up to {count} sessions")
    took = await accounts.grow(count)
    report.pairings.append(PairingTime(count, statistics.median(took), max(took)))


async def _measure(plan: Plan, accounts: Accounts, per_worker: int | None, say: Progress) -> Cell:
    count = len(accounts.all)
    load = os.getloadavg()[0]
    say(f"{count} sessions, {f'{per_worker} a worker' if per_worker else 'bare neonize'} (load {load:.1f})")
    subject: AbstractAsyncContextManager[Subject] = whole(accounts, per_worker) if per_worker else bare(accounts)
    began = time.monotonic()
    async with subject as running:
        await running.connected()
        start_s, tree = time.monotonic() - began, Tree(running.pid)
        start_cpu_s = tree.cpu_s()
        say(f"connected after {start_s:.1f} s")
        await asyncio.sleep(plan.quiet_s)
        login = tree.memory()
        idle = await tree.cpu_percent(plan.idle_s)
        before_cpu_s = tree.cpu_s()
        traffic_s = await _traffic(plan, accounts, running)
        traffic_cpu_s = tree.cpu_s() - before_cpu_s
        say(f"{2 * plan.texts * count} messages in {traffic_s:.1f} s")
        await asyncio.sleep(plan.quiet_s)
        traffic = tree.memory()
        ending = time.monotonic()
    return Cell(
        sessions=count,
        per_worker=per_worker,
        load=load,
        start_s=start_s,
        start_cpu_s=start_cpu_s,
        login=login,
        idle_cpu_percent=idle,
        messages=2 * plan.texts * count,
        traffic_s=traffic_s,
        traffic_cpu_s=traffic_cpu_s,
        traffic=traffic,
        stop_s=time.monotonic() - ending,
    )


async def _traffic(plan: Plan, accounts: Accounts, running: Subject) -> float:
    """Each account gets and sends its texts; answers the seconds until all of them were kept."""
    began = time.monotonic()
    await asyncio.gather(accounts.write(plan.texts), running.send(plan.texts))
    await accounts.settled()
    await running.kept(2 * plan.texts * len(accounts.all))
    return time.monotonic() - began
