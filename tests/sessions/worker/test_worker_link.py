"""The worker's end of the control socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sessions import frames
from sessions.errors import Busy
from sessions.worker.link import Link


@dataclass
class Hub:
    """The hub's end, a handler that does what the request's name says, and what it saw."""

    link: Link
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    handled: list[frames.AnyRequest] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, *requests: frames.AnyRequest) -> None:
        self.writer.write(b"".join(frames.pack(one) for one in requests))

    async def heard(self) -> frames.FromWorker:
        async with asyncio.timeout(10):
            length = int.from_bytes(await self.reader.readexactly(4), "big")
            return frames.read_from_worker(await self.reader.readexactly(length))

    async def handle(self, request: frames.AnyRequest) -> frames.Reply:
        self.handled.append(request)
        match request:
            case frames.Close(session="busy"):
                raise Busy
            case frames.Close(session="fault"):
                raise KeyError("5511999990000")
            case frames.Close(session="slow"):
                await self.hold.wait()
            case _:
                pass
        return frames.Reply(id=request.id)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    ours, theirs = socket.socketpair()
    link = await Link.on(theirs.detach())
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    hub = Hub(link, reader, writer)
    yield hub
    hub.hold.set()
    writer.close()
    link._writer.close()


@pytest.fixture
async def serving(hub: Hub) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(hub.link.serve(hub.handle))
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def close(number: int, session: str) -> frames.Close:
    return frames.Close(id=number, deadline_s=1.0, session=session)


async def test_the_first_request_is_read_alone(hub: Hub):
    first = frames.Ping(id=1, deadline_s=1.0)
    hub.ask(first, close(2, "x"))
    assert await hub.link.first() == first
    assert await hub.link.first() == close(2, "x")


async def test_a_request_that_takes_long_holds_up_no_other(hub: Hub, serving: asyncio.Task[None]):
    hub.ask(close(1, "slow"), close(2, "quick"))
    assert await hub.heard() == frames.Reply(id=2)
    hub.hold.set()
    assert await hub.heard() == frames.Reply(id=1)


async def test_requests_begin_in_the_order_they_were_asked(hub: Hub, serving: asyncio.Task[None]):
    asked = [close(number, str(number)) for number in range(100)]
    hub.ask(*asked)
    for _ in asked:
        await hub.heard()
    assert hub.handled == asked


async def test_whatever_fails_the_hub_is_answered(hub: Hub, serving: asyncio.Task[None]):
    hub.ask(close(1, "busy"))
    assert await hub.heard() == frames.Reply(id=1, error="busy", sentence=Busy.__doc__)
    hub.ask(close(2, "fault"))
    reply = await hub.heard()
    assert isinstance(reply, frames.Reply)
    assert (reply.id, reply.error) == (2, "bug")
    assert "5511" not in (reply.sentence or "")


async def test_what_is_told_arrives_in_order(hub: Hub):
    told = [frames.Qr(session="s", code=str(number)) for number in range(200)]
    for one in told:
        hub.link.tell(one)
    await hub.link.flush(10)
    assert [await hub.heard() for _ in told] == told


async def test_when_the_hub_is_gone_serving_ends_and_nothing_more_is_said(hub: Hub, serving: asyncio.Task[None]):
    hub.ask(close(1, "slow"))
    hub.writer.close()
    await asyncio.wait_for(serving, 10)
    assert not hub.link.open
    hub.link.tell(frames.LowDisk())
    await hub.link.flush(1)


@pytest.mark.parametrize(
    "nonsense",
    [b"\x00\x00\x00\x03???", (frames.MAX_FRAME + 1).to_bytes(4, "big") + b"x", frames.pack(frames.LowDisk())],
)
async def test_a_hub_that_talks_nonsense_is_as_good_as_gone(hub: Hub, serving: asyncio.Task[None], nonsense: bytes):
    hub.writer.write(nonsense)
    await asyncio.wait_for(serving, 10)
    assert not hub.link.open


async def test_a_hub_that_does_not_listen_holds_nobody_up_for_longer_than_asked(hub: Hub):
    hub.link._writer.transport.set_write_buffer_limits(high=0)
    while True:  # until the socket takes no more
        hub.link.tell(frames.Qr(session="s", code="x" * 100_000))
        writer: Any = hub.link._writer.transport
        if writer.get_write_buffer_size() > 200_000:
            break
        await asyncio.sleep(0)
    await hub.link.flush(0.01)
    assert not hub.link.open
