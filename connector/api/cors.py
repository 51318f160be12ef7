"""Which other web pages may call this API from a browser. Without an origin none may, and nothing here does anything."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from connector.api.keys import HEADER
from connector.api.problems import REQUEST_ID_HEADER

ANY = "*"
_METHODS = "GET, POST, PUT, PATCH, DELETE"
_TAKEN = ", ".join([HEADER, "Idempotency-Key", "Content-Type", REQUEST_ID_HEADER])
_SHOWN = ", ".join([REQUEST_ID_HEADER, "Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate"])
_REMEMBERED_S = "600"


@dataclass(frozen=True, slots=True)
class Cors:
    """Lets pages of *origins* (`https://crm.example.com`) in, or with `*` those of everybody. The key is asked for all the same."""

    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, origins: str) -> Cors:
        """Read origins between commas."""
        return cls(frozenset(each.strip().rstrip("/") for each in origins.split(",") if each.strip()))

    def lets(self, origin: str) -> bool:
        """Answer whether a page of *origin* may call."""
        return origin in self.origins or ANY in self.origins

    async def finish(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say in *response* that the page may read it: refusals and unknown addresses too, or nobody learns what went wrong."""
        if not self.origins:
            return
        headers = response.headers
        headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin and self.lets(origin):
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = ANY if ANY in self.origins else origin
            headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _SHOWN
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    def preflight(self) -> Middleware:
        """Answer a middleware for the question that browsers ask before a request: they ask it without the key."""

        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            asks = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
            if not asks or not self.lets(request.headers.get(hdrs.ORIGIN, "")):
                return await handler(request)
            return web.Response(
                status=204,
                headers={
                    hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
                    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _TAKEN,
                    hdrs.ACCESS_CONTROL_MAX_AGE: _REMEMBERED_S,
                },
            )

        return answer
