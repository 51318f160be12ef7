"""A worker from its first frame to its exit, on an engine that does what the test says."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from neonize.proto import Neonize_pb2

from sessions import frames
from sessions.errors import FixUs
from sessions.inbox import InboxReader, inbox_name
from sessions.locks import FileLock
from sessions.model import Outcome, SendStatus, Sign, decode
from sessions.worker import client as client_module
from sessions.worker import program as program_module
from sessions.worker.from_whatsapp import translate
from sessions.worker.library import Library
from sessions.worker.link import Link
from sessions.worker.program import Program

ONE = "0001-one"


class FakeOs:
    """The system, but that an exit only ends the task that makes it."""

    def __init__(self) -> None:
        self.exits: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _exit(self, status: int) -> None:
        self.exits.append(status)
        raise asyncio.CancelledError


@dataclass
class Hub:
    """The hub's end of the sockets, and the worker's task."""

    folder: Path
    go: Any
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    wake: socket.socket
    running: asyncio.Task[None]
    notices: list[frames.FromWorker]
    exits: list[int]
    numbers: int = 0

    async def ask(self, kind: type[Any], **fields: Any) -> frames.Reply:
        self.numbers += 1
        self.writer.write(frames.pack(kind(id=self.numbers, deadline_s=10.0, **fields)))
        reply = await self.replied()
        assert reply.id == self.numbers
        return reply

    async def replied(self) -> frames.Reply:
        while not isinstance(said := await self.heard(), frames.Reply):
            self.notices.append(said)
        return said

    async def heard(self) -> frames.FromWorker:
        async with asyncio.timeout(20):
            length = int.from_bytes(await self.reader.readexactly(4), "big")
            return frames.read_from_worker(await self.reader.readexactly(length))

    async def configure(self, **fields: Any) -> frames.Reply:
        plain: dict[str, Any] = {
            "name": "w1",
            "inbox": str(self.inbox),
            "low_water_bytes": 0,
            "sync": "normal",
            "lab": None,
        }
        return await self.ask(frames.Configure, **(plain | fields))

    async def open(self) -> None:
        await self.ask(frames.Open, session=ONE, path=str(self.folder / f"{ONE}.db"))

    @property
    def inbox(self) -> Path:
        return self.folder / inbox_name("w1", "b1")

    def rows(self) -> list[Any]:
        reader = InboxReader(self.inbox)
        try:
            return list(reader.read_after(0, 1000))
        finally:
            reader.close()


@pytest.fixture
async def hub(make_bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    system = FakeOs()
    monkeypatch.setattr(program_module, "os", system)
    monkeypatch.setattr(program_module, "silence_output", lambda: None)
    monkeypatch.setattr(program_module, "LAST_WORDS_S", 0.1)
    bench = make_bench(tmp_path)
    ours, theirs = socket.socketpair()
    wake, ring = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    wake.setblocking(False)
    link = await Link.on(theirs.detach())
    library = Library(go=bench.go, proto=bench.host._library.proto, path=tmp_path)
    program = Program(link, library, ring.fileno(), translate)
    running = asyncio.create_task(program.run())
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    hub = Hub(tmp_path, bench.go, reader, writer, wake, running, [], system.exits)
    yield hub
    for session in bench.go.sessions.values():
        session.end()
    running.cancel()
    await asyncio.gather(running, *link._tasks, return_exceptions=True)
    if hasattr(program, "_inbox"):
        program._inbox.close()
    hub.writer.close()
    link._writer.close()
    wake.close()
    ring.close()


async def test_configured_it_is_ready_and_says_how_it_is(hub: Hub):
    reply = await hub.configure()
    assert reply.health is not None
    assert reply.health.pid == os.getpid()
    assert hub.inbox.exists()
    again = await hub.configure()
    assert again.error == "bug"


async def test_what_is_no_configuration_is_no_beginning(hub: Hub):
    hub.writer.write(frames.pack(frames.Ping(id=1, deadline_s=1.0)))
    with pytest.raises(FixUs):
        await asyncio.wait_for(hub.running, 20)


async def test_events_are_on_disk_rung_for_and_counted(hub: Hub, until):
    await hub.configure()
    await hub.open()
    await until(lambda: len(hub.rows()) == 2)
    assert hub.wake.recv(16) == b"\0"
    hub.go.sessions[ONE].event(13, b"history")
    await until(lambda: len(hub.rows()) == 3)
    health = (await hub.ask(frames.Ping)).health
    assert health is not None
    assert (health.rows, health.untranslated) == ({"life": 2, "raw": 1}, 1)
    assert list(health.sessions) == [ONE]
    signs = [one.life.sign for one in hub.notices if isinstance(one, frames.Alive)]
    assert signs == [Sign.IDENTITY, Sign.CONNECTED]


async def test_drained_it_disconnects_writes_what_is_left_and_exits(hub: Hub, until):
    await hub.configure()
    await hub.open()
    disconnect = hub.go.Disconnect

    def last_words(name: bytes) -> None:
        disconnect(name)
        hub.go.sessions[ONE].event(20, b"last words")

    hub.go.Disconnect = last_words
    reply = await hub.ask(frames.Drain)
    assert reply.error is None
    assert hub.rows()[-1].raw == b"last words"
    assert hub.go.of(ONE) == ["Neonize", "Disconnect"]
    await until(lambda: hub.exits == [0])


async def test_while_it_leaves_it_takes_nothing_on(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client_module, "STOP_S", 20.0)
    await hub.configure()
    await hub.open()
    holding = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(_name: bytes) -> None:
        asyncio.run_coroutine_threadsafe(holding.wait(), loop).result(20)

    hub.go.Disconnect = slowly
    hub.writer.write(frames.pack(frames.Drain(id=900, deadline_s=10.0)))
    hub.numbers = 900
    for kind, fields in [(frames.Ping, {}), (frames.Open, {"session": "x", "path": "/x"}), (frames.Drain, {})]:
        assert (await hub.ask(kind, **fields)).error == "not_connected"
    holding.set()
    assert (await hub.replied()).id == 900


async def test_when_the_hub_is_gone_it_disconnects_and_exits_and_its_locks_are_free_then(hub: Hub):
    await hub.configure()
    await hub.open()
    hub.writer.close()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(hub.running, 20)
    assert hub.exits == [0]
    assert "Disconnect" in hub.go.of(ONE)
    assert hub.rows()


async def test_when_the_hub_is_gone_a_send_under_way_is_answered_before_it_disconnects(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    gone, asked = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(program_module, "silence_output", gone.set)
    cut_off: list[bool] = []

    def answer(text: str) -> bytes:
        loop.call_soon_threadsafe(asked.set)
        assert gone.wait(20)
        until = time.monotonic() + 0.1
        while "Disconnect" not in hub.go.of(ONE) and time.monotonic() < until:
            time.sleep(0.01)
        cut_off.append("Disconnect" in hub.go.of(ONE))
        answer = Neonize_pb2.SendMessageReturnFunction()
        answer.SendResponse.ID = f"ID-{text}"
        return answer.SerializePartialToString()

    hub.go.on_send = answer
    await hub.configure()
    await hub.open()
    hub.writer.write(frames.pack(frames.Send(id=9, deadline_s=10.0, session=ONE, ref="r", to="1@lid", text="oi")))
    await asyncio.wait_for(asked.wait(), 20)
    hub.writer.close()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(hub.running, 20)
    outcomes = [decode(row.kind, row.body) for row in hub.rows() if row.kind == "outcome"]
    assert outcomes == [Outcome("r", SendStatus.SENT, "1@lid", "ID-oi", at_ms=0)]
    assert cut_off == [False]
    assert "Disconnect" in hub.go.of(ONE)


async def test_under_the_low_water_mark_everything_is_disconnected_and_that_is_said(hub: Hub, until):
    await hub.configure(low_water_bytes=1 << 60)
    await hub.open()
    await until(lambda: "Disconnect" in hub.go.of(ONE))
    while not any(isinstance(one, frames.LowDisk) for one in hub.notices):
        hub.notices.append(await hub.heard())
    assert not FileLock.free(hub.folder / f"{ONE}.lock"), (
        "it still holds the session: whoever opens it anew closes it first"
    )
