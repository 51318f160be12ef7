"""Who may call: the header X-API-KEY, on every address that is not public."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from connector.api.errors import Refusal

HEADER = "X-API-KEY"


def require_key(key: str, *, public: Callable[[str], bool]) -> Middleware:
    """Answer a middleware that lets only callers with *key* pass, except to the paths that are *public*.

    Unknown addresses are refused like known ones, so that nobody without the key learns which exist.
    """
    wanted = _digest(key)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(HEADER, "")
        # Digests have one length, and are compared in a time that does not tell how many characters were right.
        if not public(request.path) and not hmac.compare_digest(_digest(given), wanted):
            detail = (
                f"Send the API key in the header {HEADER}."
                if not given
                else f"The key in the header {HEADER} is not valid."
            )
            raise Refusal(401, "unauthorized", detail, {"WWW-Authenticate": f'ApiKey header="{HEADER}"'})
        return await handler(request)

    return check


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()
