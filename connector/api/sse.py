"""Events as a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Protocol

from aiohttp import web

from connector.api.errors import Refusal
from connector.events import Event

BEAT_S = 15.0
"""A comment so often keeps proxies from ending a stream that has nothing to tell."""
MOST = 50
"""Streams at once."""
SLOW_S = 30.0
"""A caller who takes no bytes for so long is let go."""
GAP = b"event: gap\ndata: {}\n\n"


class Source(Protocol):
    """Where events come from."""

    @property
    def ended(self) -> asyncio.Event:
        """Set when the service ends."""
        ...

    @property
    def listeners(self) -> int:
        """How many listen."""
        ...

    def listen(self, after: int | None) -> AsyncGenerator[Event | None]:
        """Answer events; None where some may be missing."""
        ...


async def answer(request: web.Request, source: Source, after: int | None) -> web.StreamResponse:
    """Stream what *source* has after the number *after* until the caller goes, or the service ends."""
    if source.listeners >= MOST:
        raise Refusal(429, "busy", f"{MOST} callers listen already: try again later.", {"Retry-After": "30"})
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    with suppress(ConnectionError, TimeoutError):
        await _write(response, b": hello\n\n")
        async with aclosing(source.listen(after)) as events:
            await _stream(response, events, source.ended)
    return response


async def _stream(response: web.StreamResponse, events: AsyncGenerator[Event | None], ended: asyncio.Event) -> None:
    end = asyncio.ensure_future(ended.wait())
    coming = asyncio.ensure_future(anext(events, _NO_MORE))
    try:
        while True:
            await asyncio.wait({coming, end}, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                event = coming.result()
                if event is _NO_MORE:
                    return
                await _write(response, _text(event))
                coming = asyncio.ensure_future(anext(events, _NO_MORE))
            elif end.done():
                return
            else:
                await _write(response, b": beat\n\n")
    finally:
        end.cancel()
        coming.cancel()
        await asyncio.gather(end, coming, return_exceptions=True)


async def _write(response: web.StreamResponse, text: bytes) -> None:
    async with asyncio.timeout(SLOW_S):
        await response.write(text)


def _text(event: Event | None) -> bytes:
    if event is None:
        return GAP
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.number, event.name.encode(), event.body)


_NO_MORE = Event(-1, "", b"")
