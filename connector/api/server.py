"""The HTTP server: its address, its middlewares, its resources. One file a resource; this one only puts them together."""

from __future__ import annotations

import socket

from aiohttp import hdrs, web
from aiohttp.abc import AbstractAccessLogger
from loguru import logger

from connector.api import health
from connector.api.health import Health
from connector.api.keys import require_key
from connector.api.problems import REQUEST_ID, REQUEST_ID_HEADER, problems

MAX_BODY_BYTES = 1024 * 1024
FINISH_S = 3.0
"""How long requests under way may take to finish once the service stops."""


def make_app(*, key: str, health_of: Health) -> web.Application:
    """Answer the application that asks callers for *key*."""
    app = web.Application(middlewares=[problems, require_key(key, public=health.PATHS)], client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(_finish_headers)
    health_of.add_to(app)
    return app


async def _finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    if REQUEST_ID in request:
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
    response.headers.popall(hdrs.SERVER, None)  # which versions run here is nobody's business


class Server:
    """Serves one application on sockets that are bound already."""

    def __init__(self, app: web.Application, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self._runner = web.AppRunner(app, access_log_class=_AccessLog, shutdown_timeout=FINISH_S)

    async def start(self) -> None:
        """Begin to take requests."""
        await self._runner.setup()
        for listener in self._sockets:
            await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Take no more requests, let those under way finish for `FINISH_S`, and close."""
        await self._runner.cleanup()


class _AccessLog(AbstractAccessLogger):
    """One line a request, without its query. Probes come every few seconds: they are debug lines."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        level = "DEBUG" if request.path in health.PATHS and response.status < 400 else "INFO"
        logger.bind(request=request.get(REQUEST_ID, "-")).log(
            level,
            "{} {}: {}, {} bytes, {:.0f} ms, from {}",
            request.method,
            request.path,
            response.status,
            response.body_length,
            time * 1000,
            request.remote,
        )
