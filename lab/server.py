"""The websocket that engines dial: shakes hands, and passes each connection to pairing or to login."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from lab.codec import Codec, CodecError
from lab.connection import Connection, Gone, accept
from lab.keys import KeyPair
from lab.linking import Linking
from lab.login import Logins
from lab.noise import CertAuthority, ClientFinish, NoiseError, ServerHandshake
from lab.protos import CLIENT_PAYLOAD, Protos, ProtosError

log = logging.getLogger(__name__)

_MAX_MESSAGE: Final = 32 * 1024 * 1024
_CLOSE_TIMEOUT_S: Final = 2.0


class ChatServer:
    """`GET /ws/chat`. `root` signs the server's key: engines must trust its public half."""

    def __init__(
        self,
        *,
        root: KeyPair,
        codec: Codec,
        protos: Protos,
        linking: Linking,
        logins: Logins,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._codec, self._protos, self._linking, self._logins = codec, protos, linking, logins
        self._static = KeyPair.generate()
        self._chain = CertAuthority(root).issue(self._static.public, int(clock()))
        self._connections: set[Connection] = set()

    def application(self) -> web.Application:
        """What the TLS port and the proxy serve."""
        application = web.Application()
        application.router.add_get("/ws/chat", self.handle)
        return application

    async def stop(self) -> None:
        """Ends every connection, politely."""
        await asyncio.gather(*(connection.close() for connection in self._connections), return_exceptions=True)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=_MAX_MESSAGE, timeout=_CLOSE_TIMEOUT_S)
        await socket.prepare(request)
        wire = request.transport
        if not isinstance(wire, asyncio.Transport):
            return socket
        try:
            handshake = ServerHandshake(self._static, self._chain)
            connection, finish = await accept(socket_=socket, wire=wire, codec=self._codec, handshake=handshake)
            await self._serve(connection, finish)
        except (Gone, TimeoutError):
            log.debug("an engine went away")
        except (NoiseError, CodecError, ProtosError) as error:
            log.warning("an engine was cut off: %s", error)
        finally:
            await socket.close()
        return socket

    async def _serve(self, connection: Connection, finish: ClientFinish) -> None:
        payload = self._protos.read(CLIENT_PAYLOAD, finish.payload)
        self._connections.add(connection)
        writer = asyncio.create_task(connection.write(), name="lab-writer")
        try:
            if payload.HasField("devicePairingData"):
                await self._linking.serve(connection, finish.static_public, payload.devicePairingData)
            else:
                await self._logins.serve(connection, finish.static_public, payload)
        finally:
            self._connections.discard(connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
