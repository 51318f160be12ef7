"""Keeps callers out until an operator has the service start (AUTO_INITIALIZE=false): only how it is may be asked then, and the start."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from connector.refusals import NotInitialized

_SHUT = ("/api/whatsapp-integration/", "/sessions/", "/message/", "/pair/")


def gate(initialized: Callable[[], bool]) -> Middleware:
    """Answer a middleware that lets requests to the sessions pass once the service is *initialized*."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(_SHUT) and not initialized():
            raise NotInitialized
        return await handler(request)

    return check
