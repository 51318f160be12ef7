"""One encrypted connection of an engine: stanzas in, stanzas out, and every rude way a connection can end."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Final, Literal

from aiohttp import ClientConnectionResetError, WSMsgType, web

from lab.codec import Codec
from lab.node import Node
from lab.noise import ClientFinish, FrameBuffer, ServerHandshake, Transport, frame

HANDSHAKE_TIMEOUT_S: Final = 20.0
GOODBYE_S: Final = 0.3  # the real server waits too: an engine that is cut off at once may miss why
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds
_FAIRNESS: Final = 32  # stanzas of one connection before the others have a turn
_BATCH_BYTES: Final = 64 * 1024  # of frames in one websocket message
_FULL: Final = 1024 * 1024  # bytes in line; whoever sends more waits

Mode = Literal["normal", "stall", "blackhole"]


class Gone(Exception):
    """The connection is over."""


class Connection:
    """An engine after the handshake. One task reads (`stanzas`), one writes (`write`), anyone may `send`."""

    def __init__(
        self,
        *,
        socket_: web.WebSocketResponse,
        wire: asyncio.Transport,
        codec: Codec,
        noise: Transport,
        frames: "Frames",
    ) -> None:
        self._socket, self._wire, self._codec, self._noise, self._frames = socket_, wire, codec, noise, frames
        self._mode: Mode = "normal"
        self._thaw, self._flow, self._news, self._room = (asyncio.Event() for _ in range(4))
        self._thaw.set()
        self._flow.set()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._over = False

    async def send(self, node: Node) -> None:
        """Writes one stanza. Raises Gone. A stalled server answers nothing: the stanza is thrown away."""
        if not self._thaw.is_set():
            await self._thaw.wait()
        if self._over:
            raise Gone("the engine has hung up")
        if self._mode == "stall":
            return
        # Nothing may be awaited between taking the cipher's next counter and putting the frame in line.
        sealed = frame(self._noise.encrypt(self._codec.encode(node)))
        self._outgoing.append(sealed)
        self._outgoing_bytes += len(sealed)
        self._news.set()
        if self._outgoing_bytes > _FULL:
            self._room.clear()
            await self._room.wait()

    async def write(self) -> None:
        """Writes what is in line until the connection is over: many frames in one message cost one system call."""
        try:
            while not self._over:
                await self._news.wait()
                await self._thaw.wait()
                self._news.clear()
                await self._write_all()
        except (ClientConnectionResetError, ConnectionError):
            return
        finally:
            self._end()

    async def stanzas(self) -> AsyncIterator[Node]:
        """Every stanza until the connection ends. Raises NoiseError or CodecError when the engine sends rubbish."""
        turns = 0
        async for payload in self._frames:
            if not self._thaw.is_set():
                await self._thaw.wait()
            node = self._codec.decode(self._noise.decrypt(payload))
            if self._mode == "stall":
                continue
            yield node
            turns += 1
            if turns % _FAIRNESS == 0:
                await asyncio.sleep(0)

    async def flowing(self) -> None:
        """Waits until the server writes again. Raises Gone. What must not be lost is sent after this."""
        await self._flow.wait()
        if self._over:
            raise Gone("the engine has hung up")

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        if mode == "blackhole":
            self._thaw.clear()
        else:
            self._thaw.set()
        if mode == "normal":
            self._flow.set()
        else:
            self._flow.clear()

    async def recover(self, after_s: float) -> None:
        """Ends a stall or a blackhole after a while."""
        await asyncio.sleep(after_s)
        self.mode = "normal"

    async def close(self, last: Node | None = None) -> None:
        """Says goodbye: the last stanza, a moment for it to be read, a clean close."""
        self.mode = "normal"
        if last is not None:
            with contextlib.suppress(Gone):
                await self.send(last)
                await asyncio.sleep(GOODBYE_S)
        self._end()
        await self._socket.close()

    def reset(self) -> None:
        """Cuts the connection with a TCP reset."""
        raw = self._wire.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._wire.abort()
        self._end()

    async def _write_all(self) -> None:
        while self._outgoing and not self._over:
            batch, size = 0, 0
            while batch < len(self._outgoing) and size < _BATCH_BYTES:
                size += len(self._outgoing[batch])
                batch += 1
            together = b"".join(self._outgoing[:batch])
            del self._outgoing[:batch]
            self._outgoing_bytes -= size
            await self._socket.send_bytes(together)
            if self._outgoing_bytes <= _FULL:
                self._room.set()

    def _end(self) -> None:
        self._over = True
        for event in (self._thaw, self._flow, self._news, self._room):
            event.set()


class Frames:
    """The frames inside a websocket's binary messages."""

    def __init__(self, socket_: web.WebSocketResponse) -> None:
        self._socket, self._buffer = socket_, FrameBuffer()
        self._ready: list[bytes] = []

    def __aiter__(self) -> "Frames":
        return self

    async def __anext__(self) -> bytes:
        while not self._ready:
            message = await self._socket.receive()
            if message.type is not WSMsgType.BINARY:
                raise StopAsyncIteration
            self._ready = self._buffer.feed(message.data)[::-1]
        return self._ready.pop()


async def accept(
    *, socket_: web.WebSocketResponse, wire: asyncio.Transport, codec: Codec, handshake: ServerHandshake
) -> tuple[Connection, ClientFinish]:
    """Shakes hands. Raises Gone, NoiseError or TimeoutError."""
    frames = Frames(socket_)
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            hello = handshake.read_client_hello(await anext(frames))
            await socket_.send_bytes(frame(hello))
            finish = handshake.read_client_finish(await anext(frames))
    except (StopAsyncIteration, ConnectionError) as error:
        raise Gone("the engine hung up during the handshake") from error
    connection = Connection(socket_=socket_, wire=wire, codec=codec, noise=handshake.transport(), frames=frames)
    return connection, finish
