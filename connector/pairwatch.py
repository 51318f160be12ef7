"""What somebody who looks at a connection's pairing is shown, news after news, until it is linked or over.

To look is to ask: the first look begins a pairing, and while anybody looks it goes on until WhatsApp has no more codes. A pairing
that is over is not begun again by itself: the person is told, and asks anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Protocol

from connector.facts import ConnectionRef
from connector.portrait import WITHOUT_SESSION
from connector.refusals import UnknownConnection
from connector.views import ConnectionView
from sessions.errors import AlreadyConnected, PairingEnded, SessionsError, UnknownSession, Wait
from sessions.model import SessionId
from sessions.pairing import UNREACHABLE, Code
from sessions.state import Reason

TICK_S = 5.0
"""How long without news until a watcher hears at least that there is none; also how often it asks for the code shown now."""
AGAIN_S = 3.0
"""The pause before a pairing that could not begin is tried again."""

UNREACHED = "whatsapp_unreachable"
GONE = "gone"
FAULT = "fault"
_OVER = {one.code for one in (Reason.PAIRING_ENDED, Reason.PASSKEY_REQUIRED, Reason.OUTDATED)}


class Connections(Protocol):
    """What is needed of the connections."""

    def ref(self, connection_id: str) -> ConnectionRef: ...
    async def get(self, connection_id: str) -> ConnectionView: ...
    async def qr(self, connection_id: str, wait_s: float) -> Code: ...


class Stirs:
    """Tells those who wait that a session changed."""

    def __init__(self) -> None:
        self._next: dict[SessionId, asyncio.Event] = {}

    def next(self, session: SessionId) -> asyncio.Event:
        """Answer what is set at the session's next change. Ask before looking at it, and no change is missed."""
        return self._next.setdefault(session, asyncio.Event())

    def ring(self, session: SessionId) -> None:
        """Say that a session changed."""
        if waiting := self._next.pop(session, None):
            waiting.set()


@dataclass(frozen=True, slots=True)
class StateNews:
    """How the connection is: its exact reason, and its name."""

    reason: str
    name: str


@dataclass(frozen=True, slots=True)
class CodeNews:
    """Another code to scan. A secret."""

    code: Code


@dataclass(frozen=True, slots=True)
class ConnectedNews:
    """A phone is linked, with this number (digits, if known). The last news."""

    phone: str | None


@dataclass(frozen=True, slots=True)
class EndedNews:
    """The pairing is over without a phone: a session's reason, `UNREACHED`, `GONE` or `FAULT`. The last news."""

    reason: str


@dataclass(frozen=True, slots=True)
class HeldUpNews:
    """A pairing cannot begin just now, and is tried again: the code of a `SessionsError`."""

    error: str


News = StateNews | CodeNews | ConnectedNews | EndedNews | HeldUpNews


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look found, and how long until the next look if nothing changes meanwhile."""

    news: News | None
    pause_s: float = 0.0


class PairWatch:
    """Watches pairings for those who look. *clock* answers unix seconds; *tick_s* and *again_s*: see `TICK_S`, `AGAIN_S`."""

    def __init__(
        self,
        connections: Connections,
        stirs: Stirs,
        clock: Callable[[], float],
        *,
        tick_s: float = TICK_S,
        again_s: float = AGAIN_S,
    ) -> None:
        self._connections = connections
        self._stirs = stirs
        self._clock = clock
        self._tick_s = tick_s
        self._again_s = again_s

    async def news(self, connection_id: str) -> AsyncGenerator[News | None]:
        """Give what is new, and None at least every `TICK_S` when nothing is, until the pairing is decided."""
        state: StateNews | None = None
        told: News | None = None
        begun = False
        while True:
            try:
                stirred = self._stirs.next(SessionId(self._connections.ref(connection_id).session))
                view = await self._connections.get(connection_id)
            except (UnknownConnection, UnknownSession):
                yield EndedNews(GONE)
                return
            if view.reason == WITHOUT_SESSION:
                yield EndedNews(GONE)
                return
            if (now := StateNews(view.reason, view.name)) != state:
                state, told = now, None
                yield now
            found = _decided(view, begun=begun) or await self._ask(connection_id)
            begun = begun or isinstance(found.news, CodeNews)
            yield found.news if found.news != told else None
            told = found.news
            if isinstance(told, ConnectedNews | EndedNews):
                return
            await _either(stirred, found.pause_s)

    async def _ask(self, connection_id: str) -> _Found:
        """Ask for the code to show now."""
        try:
            code = await self._connections.qr(connection_id, self._tick_s)
        except TimeoutError:
            return _Found(None)
        except AlreadyConnected:
            return _Found(None, self._tick_s)
        except PairingEnded as ended:
            return _Found(EndedNews(await self._why(connection_id, str(ended))))
        except Wait as error:
            return _Found(HeldUpNews(error.code), self._again_s)
        except UnknownConnection:
            return _Found(EndedNews(GONE))
        except SessionsError:
            return _Found(EndedNews(FAULT))
        return _Found(CodeNews(code), max(0.0, min(self._tick_s, code.expires_at - self._clock())))

    async def _why(self, connection_id: str, sentence: str) -> str:
        reason = (await self._connections.get(connection_id)).reason
        return UNREACHED if sentence == UNREACHABLE else reason if reason in _OVER else Reason.PAIRING_ENDED.code


def _decided(view: ConnectionView, *, begun: bool) -> _Found | None:
    if view.reason == Reason.CONNECTED.code:
        return _Found(ConnectedNews(view.phone))
    return _Found(EndedNews(view.reason)) if begun and view.reason in _OVER else None


async def _either(stirred: asyncio.Event, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await stirred.wait()
    except TimeoutError:
        pass
