"""Is the service alive, and is it ready? Both are asked by machines, without a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

LIVE = "/health/live"
READY = "/health/ready"
PATHS = frozenset({LIVE, READY})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be. `blocks`: no request should come here until it is mended, as a full disk."""

    code: str
    sentence: str
    blocks: bool = False


def no_trouble() -> Sequence[Trouble]:
    """Find nothing wrong."""
    return ()


@dataclass(frozen=True, slots=True)
class Health:
    """Answers for a service in *lab* mode or not, with so many *sessions*, and the *troubles* it has now."""

    lab: bool
    sessions: Callable[[], int]
    troubles: Callable[[], Sequence[Trouble]] = no_trouble

    def add_to(self, app: web.Application) -> None:
        """Take the two addresses."""
        app.router.add_get(LIVE, self.live)
        app.router.add_get(READY, self.ready)

    async def live(self, _request: web.Request) -> web.Response:
        """The loop turns: `{"status": "ok", "lab": false}`. Asks nobody else, so that nothing else can make it fail."""
        return web.json_response({"status": "ok", "lab": self.lab})

    async def ready(self, _request: web.Request) -> web.Response:
        """Requests are taken, and the sessions are known: the same, with how many there are.

        A trouble that heals, as a database that is away, is 200 and `degraded` with its reasons; one that blocks is 503.
        """
        found = self.troubles()
        blocked = any(one.blocks for one in found)
        told: dict[str, object] = {
            "status": "unready" if blocked else "degraded" if found else "ok",
            "lab": self.lab,
            "sessions": self.sessions(),
        }
        if found:
            told["reasons"] = [{"code": one.code, "detail": one.sentence} for one in found]
        return web.json_response(told, status=503 if blocked else 200)
