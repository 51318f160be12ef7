"""Who may call: the header X-API-KEY, on every address that is not public."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from connector.api.errors import Refusal
from connector.api.rates import Caller, Rates

HEADER = "X-API-KEY"


def require_key(
    key: str, *, public: Callable[[str], bool], rates: Rates, uncounted: frozenset[str] = frozenset()
) -> Middleware:
    """Answer a middleware that lets only callers with *key* pass, except to the paths that are *public*, and none too often.

    Unknown addresses are refused like known ones, so that nobody without the key learns which exist. To *uncounted* paths
    callers may come as often as they like: probes do.
    """
    wanted = _digest(key)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(HEADER, "")
        digest = _digest(given)
        # Digests have one length, and are compared in a time that does not tell how many characters were right.
        right = hmac.compare_digest(digest, wanted)
        closed = not public(request.path)
        if request.path not in uncounted:
            # Counts are told in the answer's headers, and so must not tell whether a guess was right.
            known = right and closed and rates.believes(request)
            rates.admit(request, Caller.KEY if known else Caller.STRANGER)
        if closed:
            if right:
                rates.proven(request)
            elif given:
                rates.guessed(request, digest)
            if not right:
                raise _refusal(given)
        return await handler(request)

    return check


def _refusal(given: str) -> Refusal:
    missing, wrong = f"Send the API key in the header {HEADER}.", f"The key in the header {HEADER} is not valid."
    return Refusal(401, "unauthorized", wrong if given else missing, {"WWW-Authenticate": f'ApiKey header="{HEADER}"'})


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()
