"""`/metrics` in Prometheus' text form, and the counting of requests."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

PATH = "/metrics"

Observe = Callable[[str, str, int, float], None]
"""Is told of each answer: method, route (its pattern, never the path: that may hold a name), status, seconds."""
Render = Callable[[], tuple[bytes, str]]
"""Answers the text and its content type."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def add_to(app: web.Application, render: Render) -> None:
    """Take the address."""

    async def metrics(_request: web.Request) -> web.Response:
        text, media = render()
        return web.Response(body=text, headers={"Content-Type": media})

    app.router.add_get(PATH, metrics)


def counting(observe: Observe) -> Middleware:
    """Answer a middleware that tells *observe* of every request, refused ones too: it belongs outside all others."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.monotonic()
        status = 499  # the caller went away
        try:
            answer = await handler(request)
            status = answer.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            # Whatever a caller makes up must not become a new line of figures.
            method = request.method if request.method in _METHODS else "other"
            observe(method, _pattern(request), status, time.monotonic() - begun)
        return answer

    return count


def _pattern(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unknown"
