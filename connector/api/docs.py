"""`/openapi.json`, and `/docs`: the page that shows it. Everything it loads comes from here, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from aiohttp import web
from swagger_ui.core import ApplicationDocument

from connector.api.openapi import describe
from connector.api.route import Operation

DOCUMENT = "/openapi.json"
PAGE = "/docs"
_FILES = {
    "index.css": "text/css",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "favicon-32x32.png": "image/png",
    "favicon-16x16.png": "image/png",
}
PATHS = frozenset({DOCUMENT, PAGE, *(f"{PAGE}/static/{name}" for name in _FILES)})
"""What a browser opens without a key: the same for everybody who has this version, so no secret."""


class _Page(Protocol):
    """What is used of the library, which has no types."""

    parameters: dict[str, str]
    static_dir: str
    doc_html: str


class Docs:
    """The description of *operations*, written once."""

    def __init__(self, operations: Sequence[Operation], *, version: str) -> None:
        self._document = json.dumps(describe(operations, version=version), ensure_ascii=False).encode()
        page = cast(_Page, ApplicationDocument(None, config_rel_url=DOCUMENT, url_prefix=PAGE, title="Vigia API"))
        page.parameters["url"] = json.dumps(DOCUMENT)  # the library would look for it under the page
        self._page = page.doc_html
        self._folder = Path(page.static_dir)

    def add_to(self, app: web.Application) -> None:
        """Take the addresses."""
        app.router.add_get(DOCUMENT, self.document)
        app.router.add_get(PAGE, self.page)
        app.router.add_get(PAGE + "/static/{name}", self.file)

    async def document(self, _request: web.Request) -> web.Response:
        """Answer the description."""
        return web.Response(body=self._document, content_type="application/json")

    async def page(self, _request: web.Request) -> web.Response:
        """Answer the page."""
        return web.Response(text=self._page, content_type="text/html", headers=_HEADERS)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Answer one of the files that the page loads, and no other."""
        name = request.match_info["name"]
        if name not in _FILES:
            raise web.HTTPNotFound
        return web.FileResponse(self._folder / name, headers={"Content-Type": _FILES[name], **_AGAIN})


_HEADERS: Mapping[str, Any] = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'",
}
_AGAIN = {"Cache-Control": "no-cache"}
"""Large, and kept by browsers, which ask each time whether it is still the same."""
