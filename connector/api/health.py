"""Is the service alive, and is it ready? Both are asked by machines, without a key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

LIVE = "/health/live"
READY = "/health/ready"
PATHS = frozenset({LIVE, READY})


@dataclass(frozen=True, slots=True)
class Health:
    """Answers for a service in *lab* mode or not, with so many *sessions*."""

    lab: bool
    sessions: Callable[[], int]

    def add_to(self, app: web.Application) -> None:
        """Take the two addresses."""
        app.router.add_get(LIVE, self.live)
        app.router.add_get(READY, self.ready)

    async def live(self, _request: web.Request) -> web.Response:
        """The loop turns: `{"status": "ok", "lab": false}`. Asks nobody else, so that nothing else can make it fail."""
        return web.json_response({"status": "ok", "lab": self.lab})

    async def ready(self, _request: web.Request) -> web.Response:
        """Requests are taken, and the sessions are known: the same, with how many there are."""
        return web.json_response({"status": "ok", "lab": self.lab, "sessions": self.sessions()})
