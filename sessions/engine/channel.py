"""The hub's end of a worker's control socket: asks, and hears."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from sessions import frames
from sessions.errors import Busy, Deadline, NotAsked, TooLong, WorkerGone, by_code

R = TypeVar("R", bound=frames.Request)

GRACE_S = 2.0  # the worker's own deadline passes first, so that its answer says what happened


class Channel:
    """Requests and answers by number, notices to `on_notice`. When the socket ends, whoever waits gets `WorkerGone`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_notice: Callable[[frames.Notice], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_notice = on_notice
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[frames.Reply]] = {}
        self._open = True

    async def ask(
        self, kind: type[R], *, deadline_s: float, patience_s: float | None = None, **fields: Any
    ) -> frames.Reply:
        """Ask for *kind* with *fields*. The worker may take *deadline_s* once it is our turn; we wait *patience_s* in all.

        Raises what the worker answered, `Deadline`, or `WorkerGone`. `NotAsked`, `Busy` (it takes nothing in) and `TooLong` say that
        it was never asked.
        """
        number = next(self._numbers)
        packed = _packed(kind(id=number, deadline_s=deadline_s, **fields))
        until = asyncio.get_running_loop().time() + (patience_s or deadline_s + GRACE_S)
        await self._has_room(until)
        answer: asyncio.Future[frames.Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(packed)
            async with asyncio.timeout_at(until):  # wait_for would lose a cancellation to an answer
                reply = await answer
        except TimeoutError:
            raise Deadline from None
        finally:
            self._waiting.pop(number, None)
        if reply.error:
            raise by_code(reply.error, reply.sentence)
        return reply

    async def run(self) -> None:
        """Read until the socket ends, or says something that is no frame."""
        try:
            while True:
                self._take(await self._frame())
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            return
        finally:
            self._end()

    async def _has_room(self, until: float) -> None:
        """Wait until the worker has taken in what it was told before."""
        try:
            async with asyncio.timeout_at(until):
                if self._open:
                    await self._writer.drain()
        except TimeoutError:
            raise Busy from None
        except ConnectionError:
            raise NotAsked from None
        if not self._open:
            raise NotAsked

    async def _frame(self) -> frames.FromWorker:
        length = int.from_bytes(await self._reader.readexactly(4), "big")
        if length > frames.MAX_FRAME:
            raise asyncio.IncompleteReadError(b"", length)
        return frames.read_from_worker(await self._reader.readexactly(length))

    def _take(self, frame: frames.FromWorker) -> None:
        if not isinstance(frame, frames.Reply):
            self._on_notice(frame)
            return
        waiting = self._waiting.get(frame.id)
        if waiting and not waiting.done():
            waiting.set_result(frame)

    def _end(self) -> None:
        self._open = False
        self._writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(WorkerGone())


def _packed(request: frames.Request) -> bytes:
    try:
        return frames.pack(request)
    except ValueError:
        raise TooLong from None
