from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from connector.spool import Delivered, Drainer, Mover, OutRow, Process, Spool, StoredOut, Verdict
from connector.spool.disk import Disk
from sessions.backoff import Backoff
from sessions.inbox import InboxFolder, InboxWriter, Row, inbox_name

AT_ONCE = Backoff(first_s=0.001, factor=1.0, cap_s=0.001, jitter=0.0)
FOUND_S = 20.0


class Wall:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self.us = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.us


class Receiver:
    """A sink that answers what a test says, and remembers what it took."""

    def __init__(self, name: str, answer: Callable[[list[StoredOut]], Verdict] = lambda _: Delivered()) -> None:
        self.name = name
        self.answer = answer
        self.offered: list[list[str]] = []
        self.took: list[StoredOut] = []
        self._heard = asyncio.Condition()

    async def deliver(self, rows: list[StoredOut]) -> Verdict:
        verdict = self.answer(rows)
        async with self._heard:
            self.offered.append([row.op for row in rows])
            self.took += (
                rows if isinstance(verdict, Delivered) else [row for row in rows if row.seq in verdict.delivered]
            )
            self._heard.notify_all()
        return verdict

    @property
    def ops(self) -> list[str]:
        return [row.op for row in self.took]

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait for a fact that an offer brings about."""
        async with asyncio.timeout(FOUND_S), self._heard:
            await self._heard.wait_for(fact)


class House:
    """A spool in a folder, with inboxes, a mover and drainers as a test wants them; `crash` forgets them all without a farewell."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.wall = Wall()
        self.rung = asyncio.Event()
        self._stack = stack
        self.disk = self.disk_with(free=1 << 40)

    def disk_with(self, *, free: int, **settings: Any) -> Disk:
        settings = {"ballast_bytes": 1 << 16, "free_bytes": lambda _: free} | settings
        return Disk(self.folder, **settings)

    async def spool(self) -> Spool:
        spool = await Spool.opened(self.folder, disk=self.disk, now_us=self.wall)
        self._stack.push_async_callback(spool.close)
        return spool

    def inbox(self, worker: str = "w1", boot: str = "b1") -> InboxWriter:
        writer = InboxWriter(
            self.folder / inbox_name(worker, boot), wake=lambda: None, free_bytes=lambda _: 1 << 40, created_us=1
        )
        self._stack.callback(writer.close)
        return writer

    async def mover(self, spool: Spool, process: Process | None = None, **settings: Any) -> Mover:
        mover = Mover(
            InboxFolder(self.folder),
            spool.outbox,
            process or to("record"),
            dead=spool.dead,
            disk=self.disk,
            rung=self.rung,
            **settings,
        )
        await mover.start()
        self._stack.push_async_callback(mover.stop)
        return mover

    def drain(self, spool: Spool, receiver: Receiver, **settings: Any) -> Drainer:
        settings = {"waits": AT_ONCE, "chance": lambda: 0.0, "now_us": self.wall} | settings
        drainer = Drainer(receiver, spool.outbox, **settings)
        drainer.start()
        self._stack.push_async_callback(drainer.stop)
        return drainer


def to(*sinks: str) -> Process:
    """Answer a process that makes a row for each sink, whose body says the version."""
    return lambda file, row, next_version: [
        OutRow(sink, row.session, f"{file}:{row.seq}", str(next_version()).encode()) for sink in sinks
    ]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    folder = tmp_path / "spool #1?"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        yield House(folder, stack)


@pytest.fixture
async def spool(house: House) -> Spool:
    return await house.spool()


@pytest.fixture
def receiver() -> type[Receiver]:
    return Receiver


@pytest.fixture
def into() -> Callable[..., Process]:
    return to


@pytest.fixture
def said() -> Callable[[str, int], Row]:
    """The n-th thing that a session said."""
    return lambda session, n: Row(session, "message", 17, n, f"text {n}".encode())


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for a fact that nobody announces."""

    async def until(fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(FOUND_S):
            while not fact():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.002)

    return until
