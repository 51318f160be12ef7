"""What stands between the service and its database, and misbehaves when told to: over PostgreSQL's own protocol, or over HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol, cast

import aiohttp
from aiohttp import web

SLOW_S = 0.3  # for each piece that passes
PIECE_BYTES = 65_536
RETRY_AFTER_S = 2
PASS_S = 20.0  # for a request that the other side never answers
CUT_S = 0.1  # what requests under way get when nobody is to listen any more; none at all would mean for ever
_HOP = frozenset({"connection", "content-encoding", "content-length", "host", "transfer-encoding", "keep-alive"})


class Mood(StrEnum):
    """How it treats who comes."""

    PASSES = "passes"
    KILLED = "killed"  # nobody listens, and who was connected is cut off
    HUNG = "hung"  # everybody may connect, and nothing passes
    SLOW = "slow"
    HTML = "html"  # 200, and a page: a proxy of a hotel
    UNAUTHORIZED = "unauthorized"  # 401
    LIMITED = "limited"  # 429 with Retry-After
    UNAVAILABLE = "unavailable"  # 503
    FULL = "full"  # its disk: 53100
    PAUSED = "paused"  # 540: what Supabase answers for a project that is paused


_ANSWERS: dict[Mood, Callable[[], web.Response]] = {
    Mood.HTML: lambda: web.Response(text="<html><body>Sign in</body></html>", content_type="text/html"),
    Mood.UNAUTHORIZED: lambda: web.json_response({"message": "Invalid API key"}, status=401),
    Mood.LIMITED: lambda: web.json_response({}, status=429, headers={"Retry-After": str(RETRY_AFTER_S)}),
    Mood.UNAVAILABLE: lambda: web.Response(status=503, text="<html>503</html>", content_type="text/html"),
    Mood.FULL: lambda: web.json_response({"code": "53100", "message": "could not extend file"}, status=503),
    Mood.PAUSED: lambda: web.json_response({"message": "Project paused"}, status=540),
}


class Faulty(Protocol):
    """Either of them."""

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1, whenever it does."""
        ...

    async def be(self, mood: Mood) -> None:
        """Change how it behaves, for those who are connected too."""
        ...


class Gate:
    """Lets through what may pass, when it may."""

    def __init__(self) -> None:
        self.mood = Mood.PASSES
        self._changed = asyncio.Event()

    def set(self, mood: Mood) -> None:
        """Change it for everybody who waits."""
        self.mood = mood
        self._changed.set()
        self._changed = asyncio.Event()

    async def passed(self) -> None:
        """Wait as long as things are."""
        while self.mood is Mood.HUNG:
            await self._changed.wait()
        if self.mood is Mood.SLOW:
            await asyncio.sleep(SLOW_S)


class Wire:
    """Passes bytes on to a Unix socket. Use `wire`."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._gate = Gate()
        self._port = 0
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    async def be(self, mood: Mood) -> None:
        """Change how it behaves."""
        self._gate.set(mood)
        if mood is Mood.KILLED:
            await self.close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and cut everybody off."""
        server, self._server = self._server, None
        if server:
            server.close()
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = cast(asyncio.Task[None], asyncio.current_task())
        self._serving.add(serving)
        ends = [writer]
        try:
            await self._gate.passed()
            inside, outside = await asyncio.open_unix_connection(str(self._target))
            ends.append(outside)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pump(reader, outside), name="faulty-in")
                ways.create_task(self._pump(inside, writer), name="faulty-out")
        except OSError:
            pass  # nobody at home: the caller is cut off
        except asyncio.CancelledError:
            pass  # by `close`, and it is over: the streams of Python 3.11 print a traceback for a task that ends cancelled
        finally:
            self._serving.discard(serving)
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on until one side ends; then the other does."""
        with suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                await self._gate.passed()
                writer.write(piece)
                await writer.drain()
        writer.close()


class Web:
    """Passes HTTP requests on to an address. Use `web_proxy`."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._gate = Gate()
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    async def be(self, mood: Mood) -> None:
        """Change how it behaves."""
        self._gate.set(mood)
        if mood is Mood.KILLED:
            await self._unlisten()
        elif self._runner is None:
            await self._listen()

    async def close(self) -> None:
        """Listen no more, and cut everybody off."""
        self._gate.set(Mood.KILLED)
        await self._unlisten()
        if self._http:
            await self._http.close()

    async def _listen(self) -> None:
        self._http = self._http or aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PASS_S))
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CUT_S)
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()

    async def _unlisten(self) -> None:
        runner, self._runner = self._runner, None
        if runner:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        await self._gate.passed()
        if answer := _ANSWERS.get(self._gate.mood):
            return answer()
        assert self._http is not None  # noqa: S101 - it was made before anybody could come
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        try:
            async with self._http.request(
                request.method, self._target + request.path_qs, data=body, headers=headers
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except (aiohttp.ClientError, TimeoutError):
            return web.Response(status=502)


@asynccontextmanager
async def wire(target: Path) -> AsyncGenerator[Wire]:
    """Stand before a Unix socket."""
    made = Wire(target)
    await made.be(Mood.PASSES)
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def web_proxy(target: str) -> AsyncGenerator[Web]:
    """Stand before an HTTP address, given without a slash at its end."""
    made = Web(target)
    await made.be(Mood.PASSES)
    try:
        yield made
    finally:
        await made.close()
