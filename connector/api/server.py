"""The HTTP server: its address, its middlewares, its resources. One file a resource; this one only puts them together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from uuid import uuid4

from aiohttp import hdrs, web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import Middleware
from loguru import logger

from connector.api import assets, bootstrap, docs, headers, health, metrics
from connector.api.assets import Pages
from connector.api.callers import Callers
from connector.api.cors import Cors
from connector.api.docs import Docs
from connector.api.errors import Refusal
from connector.api.gate import gate
from connector.api.health import Health
from connector.api.keys import require_key
from connector.api.metrics import Observe, Render
from connector.api.problems import REQUEST_ID, problem, problems
from connector.api.rates import Policy, Rates
from connector.api.route import Operation, operations

MAX_BODY_BYTES = 1024 * 1024
FINISH_S = 3.0
"""How long requests under way may take to finish once the service stops."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where requests are counted, and where all figures come from. `public`: no key is asked for them."""

    observe: Observe
    render: Render
    public: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """Who may come from where, how often, and whether yet. As it stands: no other web page, no more often than `rates.DEFAULT`."""

    cors: Cors = field(default_factory=Cors)
    rates: Policy = field(default_factory=Policy.of)
    callers: Callers = field(default_factory=Callers)
    initialized: Callable[[], bool] = lambda: True


def make_app(
    *,
    key: str,
    health_of: Health,
    resources: Sequence[object] = (),
    pages: Sequence[Pages] = (),
    telemetry: Telemetry | None = None,
    edge: Edge | None = None,
) -> web.Application:
    """Answer the application that asks callers for *key*; each of *resources* has methods marked by `route`."""
    edge = edge or Edge()
    app = web.Application(middlewares=_middlewares(key, pages, telemetry, edge), client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.extend([edge.cors.finish, headers.finish])
    health_of.add_to(app)
    served = [operation for resource in resources for operation in operations(resource)]
    _add(app, served)
    Docs(served, version=version("vigia")).add_to(app)
    for page in pages:
        page.add_to(app)
    if telemetry:
        metrics.add_to(app, telemetry.render)
    return app


def _add(app: web.Application, served: Sequence[Operation]) -> None:
    """Take the addresses. One without variables keeps every method to itself: `/sessions/start` is never the tenant "start"."""
    for path in dict.fromkeys(operation.route.path for operation in served):
        resource = app.router.add_resource(path)
        methods: set[str] = set()
        for operation in served:
            if operation.route.path == path:
                resource.add_route(operation.route.method, operation.serve)
                methods.add(operation.route.method)
        if "{" not in path:
            resource.add_route(hdrs.METH_ANY, partial(_refuse_method, methods))


async def _refuse_method(allowed: set[str], request: web.Request) -> web.StreamResponse:
    raise web.HTTPMethodNotAllowed(request.method, sorted(allowed))


def _middlewares(key: str, pages: Sequence[Pages], telemetry: Telemetry | None, edge: Edge) -> list[Middleware]:
    plain = health.PATHS | docs.PATHS
    if telemetry and telemetry.public:
        plain |= {metrics.PATH}

    def public(path: str) -> bool:
        return path in plain or any(page.opens(path) for page in pages)

    counting = [metrics.counting(telemetry.observe)] if telemetry else []
    keyed = require_key(key, public=public, rates=Rates(edge.rates, edge.callers), uncounted=_PROBED)
    return [*counting, problems, edge.cors.preflight(), keyed, gate(edge.initialized)]


class Server:
    """Serves one application on sockets that are bound already."""

    def __init__(self, app: web.Application, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        # The library waits twice as long: for the request to end, then once more for it to notice that it should.
        self._runner = web.AppRunner(app, shutdown_timeout=FINISH_S / 2)
        self._listening: list[asyncio.Server] = []

    async def start(self) -> None:
        """Begin to take requests."""
        await self._runner.setup()
        manager = self._runner.server
        assert manager is not None  # noqa: S101 - that is what setup does
        loop = asyncio.get_running_loop()
        for listener in self._sockets:
            made = await loop.create_server(lambda: Caller(manager, loop=loop), sock=listener)
            self._listening.append(made)

    async def stop(self) -> None:
        """Take no more requests, let those under way finish for `FINISH_S`, and close."""
        for listening in self._listening:
            listening.close()
        await self._runner.cleanup()


class Caller(web.RequestHandler):
    """One caller's connection. What cannot even be read as a request is a problem too, and no more than that."""

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(manager, loop=loop, access_log_class=AccessLog)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer bytes that are no request without repeating them: neither to the caller nor in the log."""
        if status != HTTPStatus.BAD_REQUEST or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        logger.debug("No request that can be read came from {}", request.remote)
        answer = problem(Refusal(400, "bad_request", UNREADABLE), str(uuid4()))
        answer.headers.update(headers.SAFE)
        answer.force_close()
        return answer


class AccessLog(AbstractAccessLogger):
    """One line a request, without its query. What comes every few seconds, or in dozens with a page, is a debug line."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        quiet = request.path in _PROBED or request.path.startswith(_QUIET)
        level = "DEBUG" if quiet and response.status < 400 else "INFO"
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


UNREADABLE = "This is no request that can be read: its first line or a header is malformed, or longer than 8190 bytes."
_PROBED = health.PATHS | {metrics.PATH}
"""Asked every few seconds, by machines: neither counted nor worth a line."""
_QUIET = (assets.PREFIX, bootstrap.BASE + "/status", bootstrap.BASE + "/stats")
