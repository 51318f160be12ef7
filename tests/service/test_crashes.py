"""Whatever is killed: what was written stays, sessions come back, nobody fights."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.kills import ENGINE_WINDOW, Kills
from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions.engine import Launch
from sessions.fleet import Options
from sessions.locks import FileLock
from sessions.model import RAW
from sessions.state import Reason

HERE = Path(__file__).parent
MESSAGE = 17


def _odd(rig: Rig, wrong: str) -> Launch:
    command = (sys.executable, str(HERE / "odd_worker.py"), wrong)
    return Launch(spool=rig.launch.spool, lab=rig.launch.lab, command=command)


async def test_a_worker_whose_loop_stands_still_writes_on(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Blocked for five seconds, five hundred texts, killed: all but the engine's own channel are in the inbox."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    await rig.fleet.stop()
    await rig.leave()
    async with Rig(rig.data, lab, launch=_odd(rig, "blocked")) as odd:
        await odd.connected(session)
        await odd.until(lambda: odd.fleet.workers()[0].health is not None)
        health = odd.fleet.workers()[0].health
        assert health
        os.kill(health.pid, signal.SIGUSR1)
        ids = await lab.write(customer, shop, "texto", count=500)
        acked = await lab.deliveries(shop, wait=4, acked=500)
        os.kill(health.pid, signal.SIGKILL)
        await odd.until(lambda: odd.fleet.view(session).state.reason is not Reason.CONNECTED)
        await odd.connected(session)
        assert acked["items"][0]["acked"] > 400, "the engine did not acknowledge while the loop stood still"
        await odd.until(lambda: len(odd.messages(session)) >= 500 - ENGINE_WINDOW)
        await odd.hear_the_rest()
        heard = [message.id for message in odd.messages(session)]
        assert heard == [one for one in ids if one in set(heard)], "out of order, or twice"
        assert len(ids) - len(heard) <= ENGINE_WINDOW


async def test_a_translator_that_raises_loses_nothing(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Every event is a row all the same: raw, marked, counted."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    await rig.fleet.stop()
    await rig.leave()
    async with Rig(rig.data, lab, launch=_odd(rig, "raising")) as odd:
        await odd.connected(session)
        await lab.write(customer, shop, "texto", count=50)

        def marked() -> int:
            rows = [heard.row for heard in odd.heard[session] if heard.row.code == MESSAGE and heard.row.kind == RAW]
            return sum(row.error == "translation failed: RuntimeError" and b"texto" in (row.raw or b"") for row in rows)

        await odd.until(lambda: marked() == 50)
        await odd.until(lambda: (health := odd.fleet.workers()[0].health) is not None and health.untranslated >= 50)


async def test_killed_workers_lose_no_more_than_the_engine_holds(
    tmp_path: Path, lab: LabClient, number: Numbers
) -> None:
    """Three kills under 200 texts a second over twenty sessions, and one after a quiet second. The rest: `scripts/soak`."""
    async with Rig(tmp_path, lab, options=Options(per_worker=5)) as rig:
        kills = Kills(rig, number)
        sys.stdout.write(f"seed {kills.seed}\n")
        await kills.prepare()
        fights = await kills.fights()
        rounds = [await kills.round(number) for number in range(3)] + [await kills.round(3, quiet=True)]
        sys.stdout.writelines(f"{one}\n" for one in rounds)
        assert all(missing <= ENGINE_WINDOW for one in rounds for missing in one.missing.values())
        assert not rounds[-1].missing
        assert not any(one.doubled for one in rounds)
        assert max(one.back_s for one in rounds) < 15
        assert await kills.fights() == fights


async def test_a_killed_hub_takes_its_workers_with_it_and_the_next_one_has_every_session(
    rig: Rig, lab: LabClient, number: Numbers
) -> None:
    """Workers gone within three seconds, locks free, a new start connects all."""
    sessions = [await rig.pair(number()) for _ in range(6)]
    await rig.fleet.stop()
    hub, workers = await _start_hub(rig)
    try:
        hub.kill()
        await hub.wait()
        await _gone(workers, within_s=3.0)
        assert all(FileLock.free(rig.fleet.register.folder / f"{session}.lock") for session in sessions)
        hub, again = await _start_hub(rig)
        assert len(again) == 2
        assert not set(again) & set(workers)
    finally:
        if hub.returncode is None:
            hub.kill()
        await hub.wait()


async def test_a_new_hub_waits_for_the_workers_of_the_old_one(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Started in the same moment the old one is killed: no second login fights the first."""
    for _ in range(2):
        await rig.pair(number())
    await rig.fleet.stop()
    before = (await lab.stats())["fights"]
    hub, _workers = await _start_hub(rig)
    hub.kill()
    await hub.wait()
    hub, _workers = await _start_hub(rig)
    hub.kill()
    await hub.wait()
    assert (await lab.stats())["fights"] == before


async def _start_hub(rig: Rig) -> tuple[asyncio.subprocess.Process, list[int]]:
    place = rig.lab.place
    with (rig.data / "hub.log").open("ab") as log:
        hub = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / "hub_program.py"), str(rig.data), place.proxy, str(place.ca), place.root_key),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert hub.stdout
    line = await asyncio.wait_for(hub.stdout.readline(), 90)
    assert line, (rig.data / "hub.log").read_text()[-3000:]
    return hub, json.loads(line)


async def _gone(pids: list[int], *, within_s: float) -> None:
    until = time.monotonic() + within_s
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        if time.monotonic() > until:
            pytest.fail(f"workers outlived their hub by more than {within_s} s")
        await asyncio.sleep(0.05)
