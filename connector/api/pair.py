"""The tenant's page: a person with a link, and without the key, links one phone.

`GET /pair/{token}` is the page. `GET /pair/{token}/events` tells it by server-sent events what to show:

    state      {"reason", "name", "message": {"pt", "en"}}           how the connection is
    code       {"svg", "expiresAt", "secondsLeft", "attempt"}       what to scan now
    held       {"error"}                                            it cannot begin just now, and is tried again
    connected  {"phone"}                                            done; the number is partly masked
    ended      {"reason"}                                           over without a phone: a reason of `connector.pairwatch`

After the last two the stream ends; before, it may end at any time, and the page asks again. `POST /pair/{token}/code` answers a
code to type. Whatever is wrong with a link, the answer is the same 404.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime

from aiohttp import web

from connector import phones
from connector.api.assets import Assets
from connector.api.codes import Pictures
from connector.api.connections import NO_STORE, Phone, digits
from connector.api.fields import Shown
from connector.api.pairlinks import PAGE
from connector.api.ports import ConnectionsPort, LinksPort, WatchPort
from connector.api.route import Reply, operations, route
from connector.pairwatch import CodeNews, ConnectedNews, EndedNews, HeldUpNews, News, StateNews
from connector.refusals import UnknownLink
from sessions.errors import Busy
from sessions.state import Reason, State

_ONE = PAGE + "{token}"
STREAMS_OF_ONE, STREAMS = 4, 200
"""How many may look at the same time: by one link, by all."""
LONGEST_S = 600.0
"""How long one stream lasts at most."""
WRITE_S = 10.0
"""A reader that takes nothing for so long is left."""
CODES, CODES_WITHIN_S = 6, 600.0
"""How many codes to type one link may ask for, and within which time: each asks WhatsApp."""
_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no", **NO_STORE}
_STILL_HERE = b": still here\n\n"


class TypedCode(Shown):
    """A code to type on the phone, until when, and how many seconds that is."""

    code: str
    expires_at: datetime
    seconds_left: float


class PairPage:
    """The addresses of the page. *clock* answers unix seconds."""

    def __init__(
        self,
        assets: Assets,
        links: LinksPort,
        watch: WatchPort,
        connections: ConnectionsPort,
        clock: Callable[[], float],
    ) -> None:
        self._assets = assets
        self._links = links
        self._watch = watch
        self._connections = connections
        self._clock = clock
        self._pictures = Pictures()
        self._streams: dict[asyncio.Timeout, str] = {}
        self._asked: dict[str, deque[float]] = {}

    def add_to(self, app: web.Application) -> None:
        """Take the addresses."""
        app.router.add_get(_ONE, self.page)
        app.router.add_get(_ONE + "/events", self.events)
        for typed in operations(self):
            app.router.add_route(typed.route.method, typed.route.path, typed.serve)
        app.on_shutdown.append(self._stop)

    def opens(self, path: str) -> bool:
        """The token is the key."""
        return path.startswith(PAGE)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Answer the page, which says itself when a link is not valid."""
        try:
            await self._links.open(request.match_info["token"])
        except UnknownLink:
            return self._assets.page("pair", request, status=404)
        return self._assets.page("pair", request)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Tell what is new until the pairing is decided, the link expires, or `LONGEST_S`."""
        link = await self._links.open(request.match_info["token"])
        self._require_room(link.connection_id)
        response = web.StreamResponse(headers=_HEADERS)
        try:
            async with asyncio.timeout(min(LONGEST_S, link.expires_at - self._clock())) as end:
                with self._kept(end, link.connection_id):
                    await response.prepare(request)
                    await self._tell(request, response, link.connection_id)
        except (TimeoutError, ConnectionError):
            pass  # it was long enough, or nobody reads any more
        return response

    @route("POST", _ONE + "/code", tag="pair")
    async def code(self, token: str, body: Phone) -> Reply[TypedCode]:
        """Answer a code to type on the phone."""
        link = await self._links.open(token)
        number = digits(body.phone)
        self._count_code(link.connection_id)
        code = await self._connections.pairing_code(link.connection_id, number)
        until = datetime.fromtimestamp(code.expires_at, UTC)
        left = max(0.0, code.expires_at - self._clock())
        return Reply(TypedCode(code=code.text, expires_at=until, seconds_left=left), headers=NO_STORE)

    async def _tell(self, request: web.Request, response: web.StreamResponse, connection_id: str) -> None:
        async with aclosing(self._watch.news(connection_id)) as all_news:
            async for news in all_news:
                told = await self._event(news) if news else _STILL_HERE
                try:
                    async with asyncio.timeout(WRITE_S):
                        await response.write(told)
                except TimeoutError:
                    if request.transport:
                        request.transport.abort()
                    raise

    async def _event(self, news: News) -> bytes:
        match news:
            case StateNews():
                state = State(Reason[news.reason.upper()])
                message = {language: state.sentence(language) for language in ("pt", "en")}
                return event("state", {"reason": news.reason, "name": news.name, "message": message})
            case CodeNews():
                until = datetime.fromtimestamp(news.code.expires_at, UTC)
                told = {
                    "svg": await self._pictures.svg(news.code.text),
                    "expiresAt": until.isoformat(),
                    "secondsLeft": max(0.0, news.code.expires_at - self._clock()),
                    "attempt": news.code.attempt,
                }
                return event("code", told)
            case HeldUpNews():
                return event("held", {"error": news.error})
            case ConnectedNews():
                return event("connected", {"phone": phones.masked(news.phone) if news.phone else None})
            case EndedNews():
                return event("ended", {"reason": news.reason})

    def _require_room(self, connection_id: str) -> None:
        looking = list(self._streams.values())
        if looking.count(connection_id) >= STREAMS_OF_ONE or len(looking) >= STREAMS:
            raise Busy("This page is open too many times already: close one of them.")

    @contextmanager
    def _kept(self, end: asyncio.Timeout, connection_id: str) -> Generator[None]:
        self._streams[end] = connection_id
        try:
            yield
        finally:
            del self._streams[end]

    def _count_code(self, connection_id: str) -> None:
        since = self._clock() - CODES_WITHIN_S
        self._asked = {one: times for one, times in self._asked.items() if times[-1] > since}
        times = self._asked.setdefault(connection_id, deque(maxlen=CODES))
        if len(times) == CODES and times[0] > since:
            raise Busy("Too many codes were asked for: try again in a few minutes.")
        times.append(self._clock())

    async def _stop(self, _app: web.Application) -> None:
        for end in self._streams:
            if not end.expired():  # one that has only just ended by itself takes no other time
                end.reschedule(asyncio.get_running_loop().time())


def event(name: str, told: Mapping[str, object]) -> bytes:
    """Answer one server-sent event."""
    return f"event: {name}\ndata: {json.dumps(told, ensure_ascii=False)}\n\n".encode()
