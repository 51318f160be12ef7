"""Records are written off the loop: the newest of each, never the older over the newer."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import replace

import pytest

from sessions import scribe as scribe_module
from sessions.model import SessionId
from sessions.register import Record
from sessions.scribe import Scribe

ONE, TWO = Record(SessionId("one")), Record(SessionId("two"))


class Disk:
    def __init__(self) -> None:
        self.written: list[Record] = []
        self.threads: set[int] = set()
        self.failures = 0
        self.go = threading.Event()
        self.go.set()

    def save(self, record: Record) -> None:
        self.go.wait(20)
        self.threads.add(threading.get_ident())
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.written.append(record)


async def test_what_is_kept_is_written_elsewhere(until):
    disk = Disk()
    scribe = Scribe(disk.save)
    scribe.keep(ONE)
    scribe.keep(TWO)
    await until(lambda: disk.written == [ONE, TWO])
    assert threading.get_ident() not in disk.threads


async def test_of_many_only_the_newest_is_written(until):
    disk = Disk()
    disk.go.clear()
    scribe = Scribe(disk.save)
    kept = [replace(ONE, since=float(number)) for number in range(50)]
    for record in kept:
        scribe.keep(record)
        await asyncio.sleep(0)
    disk.go.set()
    await scribe.stop()
    assert disk.written[-1] == kept[-1]
    assert len(disk.written) <= 2


async def test_a_disk_that_refuses_is_asked_again(until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scribe_module, "AGAIN_S", 0.001)
    disk = Disk()
    disk.failures = 3
    scribe = Scribe(disk.save)
    scribe.keep(ONE)
    await until(lambda: disk.written == [ONE])
    await scribe.stop()


async def test_what_is_dropped_is_not_written_afterwards(until):
    disk = Disk()
    disk.go.clear()
    scribe = Scribe(disk.save)
    scribe.keep(ONE)
    await until(lambda: scribe._writing.locked())
    scribe.keep(replace(ONE, since=2.0))
    dropping = asyncio.create_task(scribe.drop(ONE.id))
    await asyncio.sleep(0)
    assert not dropping.done(), "a write is under way: its file would come back"
    disk.go.set()
    await dropping
    await scribe.stop()
    assert disk.written == [ONE]


async def test_at_the_end_what_the_disk_refuses_is_lost_and_nothing_hangs(until):
    """Also in the midst of a write: an error that nobody looked at would be told by the collector, in the midst of anything."""
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unheard.append(context))
    disk = Disk()
    disk.failures = 99
    disk.go.clear()
    scribe = Scribe(disk.save)
    scribe.keep(ONE)
    await until(lambda: scribe._writing.locked())
    stopping = asyncio.create_task(scribe.stop())
    await asyncio.sleep(0)
    disk.go.set()
    await asyncio.wait_for(stopping, 10)
    assert disk.written == []
    gc.collect()
    assert unheard == []
