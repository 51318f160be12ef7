"""The HTTP server: its address, its middlewares, its resources. One file a resource; this one only puts them together."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from aiohttp import hdrs, web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import Middleware
from loguru import logger

from connector.api import docs, health, metrics
from connector.api.docs import Docs
from connector.api.health import Health
from connector.api.keys import require_key
from connector.api.metrics import Observe, Render
from connector.api.problems import REQUEST_ID, REQUEST_ID_HEADER, problems
from connector.api.route import operations

MAX_BODY_BYTES = 1024 * 1024
FINISH_S = 3.0
"""How long requests under way may take to finish once the service stops."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where requests are counted, and where all figures come from. `public`: no key is asked for them."""

    observe: Observe
    render: Render
    public: bool


def make_app(
    *, key: str, health_of: Health, resources: Sequence[object] = (), telemetry: Telemetry | None = None
) -> web.Application:
    """Answer the application that asks callers for *key*; each of *resources* has methods marked by `route`."""
    app = web.Application(middlewares=_middlewares(key, telemetry), client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(_finish_headers)
    health_of.add_to(app)
    served = [operation for resource in resources for operation in operations(resource)]
    for operation in served:
        app.router.add_route(operation.route.method, operation.route.path, operation.serve)
    Docs(served, version=version("vigia")).add_to(app)
    if telemetry:
        metrics.add_to(app, telemetry.render)
    return app


def _middlewares(key: str, telemetry: Telemetry | None) -> list[Middleware]:
    public = health.PATHS | docs.PATHS
    if not telemetry:
        return [problems, require_key(key, public=public)]
    public |= {metrics.PATH} if telemetry.public else frozenset[str]()
    return [metrics.counting(telemetry.observe), problems, require_key(key, public=public)]


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
        level = "DEBUG" if request.path in _QUIET and response.status < 400 else "INFO"
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


_QUIET = health.PATHS | {metrics.PATH}
