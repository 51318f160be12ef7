"""The control socket: reads what the hub asks, one task a request, and writes what there is to say."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import msgspec

from sessions import frames
from sessions.worker.host import refusal

Handler = Callable[[frames.AnyRequest], Awaitable[frames.Reply]]


class Link:
    """The worker's end of the control socket. When it ends the hub is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = True

    @classmethod
    async def on(cls, descriptor: int) -> Link:
        """Take over the socket with this file descriptor."""
        sock = socket.socket(fileno=descriptor)
        sock.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=sock))

    async def first(self) -> frames.AnyRequest:
        """Read one request. Raises `asyncio.IncompleteReadError` when the hub is gone."""
        length = int.from_bytes(await self._reader.readexactly(4), "big")
        if length > frames.MAX_FRAME:
            raise asyncio.IncompleteReadError(b"", length)
        return frames.read_request(await self._reader.readexactly(length))

    async def serve(self, handle: Handler) -> None:
        """Serve requests until the hub is gone, or says what is no request."""
        try:
            while True:
                request = await self.first()
                task = asyncio.create_task(self._answer(handle, request), name=type(request).__name__.lower())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            self.open = False

    def tell(self, frame: frames.FromWorker) -> None:
        """Say something to the hub; to nobody when it is gone."""
        if self.open and not self._writer.is_closing():
            self._writer.write(frames.pack(frame))

    async def flush(self, within_s: float) -> None:
        """Wait until what was said has left."""
        try:
            await asyncio.wait_for(self._writer.drain(), within_s)
        except (TimeoutError, ConnectionError):
            self.open = False

    async def _answer(self, handle: Handler, request: frames.AnyRequest) -> None:
        try:
            reply = await handle(request)
        except Exception as error:  # noqa: BLE001  # whatever failed, the hub is answered
            reply = refusal(request.id, error)
        self.tell(reply)
