"""What every answer carries, whatever it is: what a browser may do with it, and the request's id."""

from __future__ import annotations

from aiohttp import hdrs, web

from connector.api.problems import REQUEST_ID, REQUEST_ID_HEADER
from connector.api.rates import HEADERS

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    hdrs.CACHE_CONTROL: "no-store",
}
"""An answer of ours is data, for the one who asked, now: what is more than that says so itself.

Nothing here makes a browser insist on TLS: a service that is tried on plain http must stay reachable. A proxy adds that.
"""


async def finish(request: web.Request, response: web.StreamResponse) -> None:
    """Add what *response* does not say itself."""
    headers = response.headers
    for name, value in SAFE.items():
        if name not in headers:
            headers[name] = value
    if REQUEST_ID in request:
        headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
    if HEADERS in request:
        headers.update(request[HEADERS])
    headers.popall(hdrs.SERVER, None)  # which versions run here is nobody's business
