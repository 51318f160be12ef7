"""What is done now and then."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from connector import background, housekeeping
from connector.spool import NewSend, OutRow, Spool, SpoolFull
from connector.store.errors import Offline
from sessions.model import SendStatus


class Database:
    """Away for as many questions as it is told, then it has seen *newest*."""

    def __init__(self, newest: int, away: int = 0) -> None:
        self.newest = newest
        self.away = away

    async def newest_version(self) -> int:
        if self.away:
            self.away -= 1
            raise Offline("away")
        return self.newest


async def test_a_clock_set_back_an_hour_still_issues_later_versions(tmp_path: Path) -> None:
    """A new data folder and a slow clock: what the database holds is believed before anything is told to it."""
    long_ago = 1_000_000
    spool = await Spool.opened(tmp_path / "spool", now_us=lambda: long_ago)
    ahead: Any = Database(newest=long_ago + 3_600_000_000, away=2)
    async with AsyncExitStack() as parts:
        parts.push_async_callback(spool.close)
        await housekeeping.start(parts, spool, housekeeping.CatchUp(spool, ahead, aloud=True), wait_s=10.0)
        assert spool.outbox.next_version() > ahead.newest


async def test_what_was_told_before_the_database_was_known_is_told_again(tmp_path: Path) -> None:
    """Its newest version is newer than what this run issued meanwhile; one that is older repeats nothing."""
    spool = await Spool.opened(tmp_path / "spool", now_us=lambda: 1_000_000)
    repeated: list[int] = []
    try:
        for newest in (2_000_000, 1):
            database: Any = Database(newest, away=1)
            catch_up = housekeeping.CatchUp(
                spool, database, aloud=True, behind=lambda: repeated.append(spool.outbox.next_version())
            )
            async with asyncio.timeout(10):
                await catch_up.run()
        assert repeated == [2_000_001]
    finally:
        await spool.close()


async def test_a_database_that_is_away_does_not_hold_the_start(tmp_path: Path) -> None:
    """It is waited for no longer than said."""
    spool = await Spool.opened(tmp_path / "spool")
    away: Any = Database(newest=1, away=1_000_000)
    async with AsyncExitStack() as parts:
        parts.push_async_callback(spool.close)
        async with asyncio.timeout(5):
            await housekeeping.start(parts, spool, housekeeping.CatchUp(spool, away, aloud=True), wait_s=0.05)


async def test_old_keys_are_forgotten_and_young_ones_kept(tmp_path: Path) -> None:
    """A week, then a key may be used anew; a send without an ending is never forgotten."""
    from connector.spool import Ended

    now = {"us": 0}
    spool = await Spool.opened(tmp_path / "spool", now_us=lambda: now["us"])
    for number, ended in (("old", True), ("open", False)):
        await spool.sends.begin(NewSend(number, "c", "s", "c", number, "h"), [])
        if ended:
            await spool.sends.finish(Ended(number, SendStatus.SENT, 1, "WA"))
    now["us"] = 1 << 60
    await spool.sends.begin(NewSend("young", "c", "s", "c", "young", "h"), [])
    await spool.sends.finish(Ended("young", SendStatus.SENT, 1, "WA"))
    database: Any = Database(newest=0)
    async with AsyncExitStack() as parts:
        parts.push_async_callback(spool.close)
        await housekeeping.start(parts, spool, housekeeping.CatchUp(spool, database, aloud=True), wait_s=0.0)
        async with asyncio.timeout(10):
            while await spool.sends.get("old"):
                pass
        assert await spool.sends.get("young")
        assert await spool.sends.get("open")


async def test_dead_letters_go_when_they_are_old_and_are_counted(tmp_path: Path) -> None:
    """What nobody decided about in time is removed; what is younger stays."""
    now = [1_000_000]
    spool = await Spool.opened(tmp_path / "spool", now_us=lambda: now[0])
    counted: dict[str, int] = {}
    gone = asyncio.Event()

    def count(sink: str, letters: int) -> None:
        counted[sink] = letters
        gone.set()

    async with AsyncExitStack() as parts:
        parts.push_async_callback(spool.close)
        await spool.outbox.put([OutRow("record", "c", f"op:{n}", b"") for n in range(3)])
        old, older, young = await spool.outbox.read("record", 3)
        await spool.outbox.bury(old, "No.")
        await spool.outbox.bury(older, "No.")
        now[0] = time.time_ns() // 1000
        await spool.outbox.bury(young, "No.")
        background.run(parts, housekeeping.expire(spool, 86_400.0, count), "expire")
        await asyncio.wait_for(gone.wait(), 10)
        assert counted == {"record": 2}
        assert [it.op for it in await spool.dead.list()] == ["op:2"]


async def test_what_waits_for_a_sink_that_was_unset_is_told_kept_and_goes_when_it_is_old(tmp_path: Path) -> None:
    """It may have been a slip; and it holds nothing else up."""
    now = [1_000_000]
    spool = await Spool.opened(tmp_path / "spool", now_us=lambda: now[0])
    said: asyncio.Queue[str] = asyncio.Queue()
    async with AsyncExitStack() as parts:
        parts.push_async_callback(spool.close)
        parts.callback(logger.remove, logger.add(said.put_nowait, format="{message}"))
        await spool.outbox.put([OutRow(sink, "c", f"op:{n}", b"") for sink in ("webhook", "record") for n in range(3)])
        now[0] = time.time_ns() // 1000
        await spool.outbox.put([OutRow("webhook", "c", "op:young", b"")])
        assert (spool.tally.deepest(), spool.tally.stranded()) == (4, {})
        spool.tally.expect(frozenset({"record"}))
        assert (spool.tally.deepest(), spool.tally.stranded()) == (3, {"webhook": 4})
        housekeeping.tell_stranded(spool, 1)
        kept = "4 rows wait for webhook, which is not set any more: they are kept for 1 days, should it be set again.\n"
        assert await asyncio.wait_for(said.get(), 10) == kept
        counted: list[tuple[str, int]] = []
        expire = housekeeping.expire_stranded(spool, 86_400.0, lambda *gone: counted.append(gone))
        background.run(parts, expire, "expire")
        gone = "3 rows that waited for webhook, which is not set any more, are gone.\n"
        assert await asyncio.wait_for(said.get(), 10) == gone
        assert (spool.tally.stranded(), counted) == ({"webhook": 1}, [("webhook", 3)])
        assert [it.op for it in await spool.outbox.read("webhook", 9)] == ["op:young"]
        assert len(await spool.outbox.read("record", 9)) == 3


class FullOnce:
    """A spool whose disk is full at the first look, and not at the next."""

    def __init__(self) -> None:
        self.sends = self.pair_links = self
        self.looks = 0
        self.tidied = asyncio.Event()

    async def forget(self, *, before_us: int) -> bool:
        self.looks += 1
        if self.looks == 1:
            raise SpoolFull("no room")
        self.tidied.set()
        return False


async def test_a_full_disk_ends_no_housekeeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old keys and links are forgotten once there is room again."""
    monkeypatch.setattr(housekeeping, "EVERY_S", 0.01)
    spool: Any = FullOnce()
    async with AsyncExitStack() as parts:
        background.run(parts, housekeeping._forget(spool), "forget-sends")
        await asyncio.wait_for(spool.tidied.wait(), 10)


async def test_a_task_that_ends_by_a_fault_says_so_at_once() -> None:
    """Nobody waits for it: the log is the only place where it can be seen."""
    said: asyncio.Queue[str] = asyncio.Queue()
    handler = logger.add(said.put_nowait, format="{level} {message}")

    async def stumble() -> None:
        raise ValueError("a fault")

    try:
        async with AsyncExitStack() as parts:
            background.run(parts, stumble(), "stumbler")
            line = await asyncio.wait_for(said.get(), 10)
    finally:
        logger.remove(handler)
    assert line.startswith("ERROR The task stumbler")
    assert "ValueError: a fault" in line
