"""`/`: the operator's page. A program that asks for JSON is told where everything is."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import hdrs, web

from connector.api import docs, health, metrics
from connector.api.assets import Assets

PATH = "/"
_LINKS = {
    "api": "/api/whatsapp-integration/connections",
    "docs": docs.PAGE,
    "openapi": docs.DOCUMENT,
    "health": health.READY,
    "metrics": metrics.PATH,
}


@dataclass(frozen=True, slots=True)
class Operator:
    """The page, one of *assets*. It asks for the key itself, and holds nothing that is secret."""

    assets: Assets

    def add_to(self, app: web.Application) -> None:
        """Take the address."""
        app.router.add_get(PATH, self.page)

    def opens(self, path: str) -> bool:
        """Opened without a key: what it shows, it asks for with the key."""
        return path == PATH

    async def page(self, request: web.Request) -> web.Response:
        """Answer HTML to a browser, links to everybody else."""
        if "text/html" in request.headers.get(hdrs.ACCEPT, ""):
            return self.assets.page("operator", request)
        return web.json_response({"name": "Vigia", **_LINKS}, headers={hdrs.VARY: hdrs.ACCEPT})
