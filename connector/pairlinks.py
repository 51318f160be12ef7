"""Links that let a person without the key pair one connection with a phone, and do nothing else.

A token is 256 random bits; only its digest is kept. A link that expired, was replaced, or whose connection is gone is unknown:
whoever holds it learns not even that there was one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol

from connector.facts import ConnectionRef
from connector.refusals import UnknownConnection, UnknownLink
from connector.spool import PairLink

TOKEN_BYTES = 32


class Kept(Protocol):
    """Where links are kept."""

    async def put(self, link: PairLink) -> None: ...
    async def find(self, digest: bytes) -> PairLink | None: ...
    async def forget(self, *, before_us: int) -> None: ...


class Refs(Protocol):
    """What is needed of the connections."""

    def ref(self, connection_id: str) -> ConnectionRef: ...


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link as its maker is told of it, once."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """What a valid token leads to, and until when (unix seconds)."""

    connection_id: str
    session: str
    expires_at: float


class PairLinks:
    """All of them. *clock* answers unix seconds."""

    def __init__(self, kept: Kept, connections: Refs, clock: Callable[[], float]) -> None:
        self._kept = kept
        self._connections = connections
        self._clock = clock

    async def make(self, connection_id: str, expires_in_s: int) -> NewLink:
        """Make a link; the connection's one before ends. Raises `UnknownConnection`."""
        ref = self._connections.ref(connection_id)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        expires_at = self._clock() + expires_in_s
        await self._kept.put(PairLink(connection_id, ref.session, _digest(token), int(expires_at * 1e6)))
        return NewLink(token, datetime.fromtimestamp(expires_at, UTC))

    async def open(self, token: str) -> Opened:
        """Answer what *token* leads to. Raises `UnknownLink`."""
        found = await self._kept.find(_digest(token))
        if found is None or found.expires_us <= self._clock() * 1e6 or not self._leads(found):
            raise UnknownLink
        return Opened(found.connection_id, found.session, found.expires_us / 1e6)

    async def forget(self) -> None:
        """Remove from the disk what expired."""
        await self._kept.forget(before_us=int(self._clock() * 1e6))

    def _leads(self, link: PairLink) -> bool:
        try:
            return self._connections.ref(link.connection_id).session == link.session
        except UnknownConnection:
            return False


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
