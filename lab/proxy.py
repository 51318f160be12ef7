"""The way in: a CONNECT proxy that answers for every host itself, with the lab's own certificate.

The tunnel ends in this very process: the socket is handed over to the web server under TLS. Nothing is dialled,
so no byte can leave the machine, and a reset of the connection is a reset of the engine's own socket.
"""

import asyncio
import ssl
from collections.abc import Callable

_HEAD_LIMIT = 8192
_HEAD_TIMEOUT_S = 10.0
_TLS_TIMEOUT_S = 20.0


class Proxy:
    """`serve()` makes the protocol of the web server for one tunnel; `refusing()` says whether to answer 503."""

    def __init__(
        self,
        *,
        context: ssl.SSLContext,
        serve: Callable[[], asyncio.Protocol],
        refusing: Callable[[], bool],
    ) -> None:
        self._context, self._serve, self._refusing = context, serve, refusing
        self._server: asyncio.Server | None = None
        self._upgrades: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listens and returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Tunnel(self), host, port, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """No new tunnels; those still shaking hands are dropped."""
        if self._server is not None:
            self._server.close()
        for task in self._upgrades:
            task.cancel()
        await asyncio.gather(*self._upgrades, return_exceptions=True)

    def answer(self, head: bytes, transport: asyncio.Transport) -> None:
        """Takes one complete request head: a tunnel, or a word why not."""
        if not head.startswith(b"CONNECT "):
            _refuse(transport, b"405 Method Not Allowed", b"This is the lab's proxy: it only answers CONNECT.\n")
        elif self._refusing():
            _refuse(transport, b"503 Service Unavailable", b"The lab was told to refuse.\n")
        else:
            transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            task = asyncio.get_running_loop().create_task(self._upgrade(transport), name="lab-proxy-upgrade")
            self._upgrades.add(task)
            task.add_done_callback(self._upgrades.discard)

    async def _upgrade(self, transport: asyncio.Transport) -> None:
        protocol = self._serve()
        try:
            secure = await asyncio.get_running_loop().start_tls(
                transport, protocol, self._context, server_side=True, ssl_handshake_timeout=_TLS_TIMEOUT_S
            )
        except (OSError, ssl.SSLError):  # the engine hung up, or does not trust our authority: its own log says so
            transport.abort()
            return
        if secure is not None:
            protocol.connection_made(secure)


class _Tunnel(asyncio.Protocol):
    def __init__(self, proxy: Proxy) -> None:
        self._proxy, self._head = proxy, bytearray()
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type: a TCP server makes no other
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(_HEAD_TIMEOUT_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._transport is None:
            return
        if b"\r\n\r\n" in self._head:
            self._done()
            self._proxy.answer(bytes(self._head), self._transport)
        elif len(self._head) > _HEAD_LIMIT:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done()

    def _done(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


def _refuse(transport: asyncio.Transport, status: bytes, sentence: bytes) -> None:
    length = str(len(sentence)).encode()
    transport.write(b"HTTP/1.1 %s\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s" % (status, length, sentence))
    transport.close()
