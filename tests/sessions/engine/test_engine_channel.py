"""The hub's end of a control socket, with a worker that says exactly what a test wants."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from sessions import frames
from sessions.engine import channel as channel_module
from sessions.engine.channel import Channel
from sessions.errors import Busy, Deadline, FixUs, Locked, NotAsked, SessionsError, TooLong, WorkerGone

T = TypeVar("T")
LONG_S = 30.0  # a wait that must never be what ends a test


@dataclass
class Wire:
    """A channel and the worker's end of its socket."""

    channel: Channel
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    running: asyncio.Task[None]
    notices: list[frames.Notice]
    asking: list[asyncio.Task[frames.Reply]] = field(default_factory=list)

    def ask(self, kind: type[Any] = frames.Ping, **fields: Any) -> asyncio.Task[frames.Reply]:
        asked = self.channel.ask(kind, **({"deadline_s": LONG_S} | fields))
        self.asking.append(asyncio.create_task(asked))
        return self.asking[-1]

    async def asked(self) -> frames.AnyRequest:
        length = int.from_bytes(await self.reader.readexactly(4), "big")
        return frames.read_request(await self.reader.readexactly(length))

    def say(self, *said: frames.FromWorker) -> None:
        self.writer.write(b"".join(frames.pack(one) for one in said))


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    ours, theirs = socket.socketpair()
    notices: list[frames.Notice] = []
    channel = Channel(*await asyncio.open_unix_connection(sock=ours), notices.append)
    running = asyncio.create_task(channel.run())
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    wire = Wire(channel, reader, writer, running, notices)
    yield wire
    writer.close()
    for task in (running, *wire.asking):
        task.cancel()
    await asyncio.gather(running, *wire.asking, return_exceptions=True)


async def within(what: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T:
    return await asyncio.wait_for(what, 10)


async def test_answers_find_their_questions_by_number(wire: Wire):
    asking = [wire.ask(frames.OnWhatsApp, session="s", phone=str(number)) for number in range(5)]
    asked = [await wire.asked() for _ in asking]
    assert len({one.id for one in asked}) == 5
    for one in reversed(asked):
        assert isinstance(one, frames.OnWhatsApp)
        wire.say(frames.Reply(id=one.id, text=one.phone))
    assert [(await within(task)).text for task in asking] == ["0", "1", "2", "3", "4"]


async def test_the_worker_is_told_how_long_it_may_take(wire: Wire):
    wire.ask(frames.Ping, deadline_s=12.5)
    assert (await within(wire.asked())).deadline_s == 12.5


async def test_an_error_comes_back_as_the_error_it_was(wire: Wire):
    for code, sentence, kind in [
        ("locked", "Held.", Locked),
        ("stuck", "Will not let go.", FixUs),
        ("no such code", None, FixUs),
    ]:
        asking = wire.ask()
        asked = await wire.asked()
        wire.say(frames.Reply(id=asked.id, error=code, sentence=sentence))
        with pytest.raises(SessionsError) as caught:
            await within(asking)
        assert isinstance(caught.value, kind)
        assert str(caught.value) == (sentence or kind.__doc__)


async def test_no_answer_in_time_is_a_deadline_and_a_late_one_harms_nobody(wire: Wire, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(channel_module, "GRACE_S", 0.02)
    with pytest.raises(Deadline):
        await wire.channel.ask(frames.Ping, deadline_s=0.01)
    late = await wire.asked()
    asking = wire.ask()
    asked = await wire.asked()
    wire.say(frames.Reply(id=late.id, text="late"), frames.Reply(id=asked.id, text="mine"), frames.Reply(id=10**6))
    assert (await within(asking)).text == "mine"


async def test_our_patience_may_be_longer_than_the_workers_deadline(wire: Wire):
    asking = wire.ask(frames.Open, deadline_s=0.001, patience_s=LONG_S, session="s", path="/x")
    asked = await wire.asked()
    assert asked.deadline_s == 0.001
    wire.say(frames.Reply(id=asked.id))
    await within(asking)


async def test_a_question_given_up_is_forgotten(wire: Wire):
    asking = wire.ask()
    await wire.asked()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(asking)
    assert not wire.channel._waiting


async def test_who_is_told_to_stop_stops_even_if_the_answer_comes_at_that_moment(wire: Wire):
    asking = wire.ask()
    asked = await wire.asked()
    wire.channel._take(frames.Reply(id=asked.id))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(asking)


async def test_notices_are_heard_in_order_and_between_answers(wire: Wire):
    asking = wire.ask()
    asked = await wire.asked()
    signs: list[frames.Notice] = [frames.Qr(session="s", code=str(number)) for number in range(50)]
    wire.say(*signs[:25], frames.Reply(id=asked.id), *signs[25:])
    await within(asking)
    wire.writer.close()
    await within(wire.running)
    assert wire.notices == signs


async def test_a_frame_in_pieces_is_one_frame(wire: Wire):
    asking = wire.ask()
    packed = frames.pack(frames.Reply(id=(await wire.asked()).id, text="x" * 100_000))
    for at in range(0, len(packed), 7919):
        wire.writer.write(packed[at : at + 7919])
        await wire.writer.drain()
    assert len((await within(asking)).text or "") == 100_000


async def test_when_the_socket_ends_everybody_waiting_is_told(wire: Wire):
    asking = [wire.ask() for _ in range(3)]
    for _ in asking:
        await wire.asked()
    wire.writer.close()
    for task in asking:
        with pytest.raises(WorkerGone):
            await within(task)
    await within(wire.running)
    with pytest.raises(WorkerGone):
        await wire.channel.ask(frames.Ping, deadline_s=LONG_S)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x00\x00\x00\x05hello",
        b"\x00\x00\x00\x00",
        (frames.MAX_FRAME + 1).to_bytes(4, "big") + b"x",
        b"\xff\xff\xff\xff",
        frames.pack(frames.Ping(id=1, deadline_s=1.0)),
    ],
    ids=["garbage", "empty", "too long", "huge", "a request"],
)
async def test_what_is_no_frame_ends_the_channel_and_nobody_waits_on(wire: Wire, nonsense: bytes):
    asking = wire.ask()
    await wire.asked()
    wire.writer.write(nonsense)
    with pytest.raises(WorkerGone):
        await within(asking)
    await within(wire.running)
    assert await within(wire.reader.read()) == b"", "the worker is to see that nobody listens any more"


async def test_a_listener_that_fails_ends_the_channel_not_in_silence():
    """Whatever it was, nobody may be left waiting."""
    ours, theirs = socket.socketpair()

    def fail(_notice: frames.Notice) -> None:
        raise RuntimeError("a fault of ours")

    channel = Channel(*await asyncio.open_unix_connection(sock=ours), fail)
    running = asyncio.create_task(channel.run())
    asking = asyncio.create_task(channel.ask(frames.Ping, deadline_s=LONG_S))
    with theirs:
        theirs.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(theirs, frames.pack(frames.LowDisk()))
        with pytest.raises(WorkerGone):
            await within(asking)
        with pytest.raises(RuntimeError, match="fault of ours"):
            await within(running)


async def test_what_was_never_asked_is_said_so(wire: Wire):
    """A send that never left is a certain failure, not an unknown one."""
    wire.writer.close()
    await wire.running
    with pytest.raises(NotAsked):
        await wire.ask()


async def test_what_was_asked_before_the_worker_ended_is_not_said_to_be_unasked(wire: Wire):
    asking = wire.ask()
    await wire.asked()
    wire.writer.close()
    with pytest.raises(WorkerGone) as gone:
        await asking
    assert not isinstance(gone.value, NotAsked)


async def test_what_is_too_long_is_refused_and_the_channel_lives_on(wire: Wire):
    with pytest.raises(TooLong):
        await wire.ask(frames.Send, session="s", ref="r", to="x@y", text="x" * frames.MAX_FRAME)
    asking = wire.ask()
    wire.say(frames.Reply(id=(await wire.asked()).id))
    await asking


async def test_a_worker_that_takes_nothing_in_is_told_no_more(wire: Wire, monkeypatch: pytest.MonkeyPatch):
    """What waits in our memory is bounded; who is turned away was not asked."""
    monkeypatch.setattr(channel_module, "GRACE_S", 0.0)
    wire.reader._transport.pause_reading()  # type: ignore[attr-defined]  # nothing else keeps a reader from reading
    big = {"session": "s", "ref": "r", "to": "x@y", "text": "x" * 1_000_000}
    for _ in range(3):
        wire.ask(frames.Send, **big)
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await wire.ask(frames.Send, deadline_s=0.05, **big)
