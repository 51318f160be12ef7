"""What sessions need of the engine, and what they tell upwards: Protocols, so that each can be tested without the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sessions.model import Identity, SessionId
from sessions.register import Record
from sessions.state import State


class Opener(Protocol):
    """The part of the engine that one session drives."""

    async def open(self, session: SessionId, database: Path) -> None:
        """Connect a session, or connect it anew."""
        ...

    async def close(self, session: SessionId) -> None:
        """Disconnect a session and free its place."""
        ...


class Reachable(Protocol):
    """Tells whether WhatsApp can be reached at all."""

    async def __call__(self) -> bool:
        """Answer whether a connection can be made now."""
        ...


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session for status pages and events. `silent_s`: seconds since its last sign of life, when known."""

    id: SessionId
    state: State
    identity: Identity | None
    silent_s: float | None
    retry_in_s: float | None
    lab: bool


Keep = Callable[[Record], None]
"""Keeps a session's record on disk in place of the one before."""

Changed = Callable[[SessionId, State, State], None]
"""Is told of each change of a session's state, once: the state before, the state now."""
