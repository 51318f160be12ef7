"""Whatever is killed: what was written stays, sessions come back, nobody fights."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks.kills import ENGINE_WINDOW, Kills
from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions.engine import Launch
from sessions.errors import NotConnected
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


async def test_a_nearly_full_disk_disconnects_and_loses_nothing(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Under the low-water mark: disconnected with its reason while WhatsApp keeps the texts; after space returns all are there."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    await rig.fleet.stop()
    await rig.leave()
    said = rig.launch.spool / "free"

    def free(count: int) -> None:
        # Replaced as a whole: the worker reads it at any time.
        new = said.with_suffix(".new")
        new.write_text(str(count))
        new.replace(said)

    free(1_000_000_000)
    launch = replace(_odd(rig, "disk"), low_water_bytes=100_000_000, free_bytes=lambda _: int(said.read_text()))
    async with Rig(rig.data, lab, launch=launch) as odd:
        await odd.connected(session)
        free(90_000_000)
        await lab.write(customer, shop, "texto", count=200)
        await odd.in_state(Reason.DISK_FULL, session, within_s=30)
        assert "espaço" in odd.fleet.view(session).state.sentence("pt")
        with pytest.raises(NotConnected):
            await odd.fleet.send(session, "r", f"{customer}@s.whatsapp.net", "x")
        await lab.write(customer, shop, "depois", count=100)
        free(1_000_000_000)
        expected = [f"texto {index}" for index in range(200)] + [f"depois {index}" for index in range(100)]
        assert await odd.texts(session, 300) == expected


async def test_a_planned_replacement_of_a_worker_loses_nothing(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Drained, replaced, connected again, while a phone writes on: every text once and in order."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    writing = asyncio.create_task(_write_on(lab, customer, shop, 300))
    for _ in range(3):
        starts = rig.fleet.workers()[0].starts
        rig.fleet.engine.recycle(session, "a test")
        await rig.until(lambda before=starts: rig.fleet.workers()[0].starts > before, within_s=30)
        await rig.connected(session)
    await writing
    assert await rig.texts(session, 300) == [f"texto {index}" for index in range(300)]


async def _write_on(lab: LabClient, customer: str, shop: str, count: int) -> None:
    for index in range(count):
        await lab.write(customer, shop, f"texto {index}")
        await asyncio.sleep(0.02)


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
    """Workers gone and locks free within three seconds, a new start connects all."""
    sessions = [await rig.pair(number()) for _ in range(6)]
    await rig.fleet.stop()
    hub, workers = await _start_hub(rig)
    try:
        hub.kill()
        await hub.wait()
        await _gone(workers, [rig.fleet.register.folder / f"{session}.lock" for session in sessions], within_s=3.0)
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


async def _gone(pids: list[int], locks: list[Path], *, within_s: float) -> None:
    """A worker counts as dead when its first thread is; the kernel gives its locks back once the last of its threads is."""
    until = time.monotonic() + within_s
    while any(map(_alive, pids)) or not all(map(FileLock.free, locks)):
        if time.monotonic() > until:
            pytest.fail(f"workers, or their locks, outlived their hub by more than {within_s} s")
        await asyncio.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
