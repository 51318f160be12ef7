"""What sessions need of the engine, and what they tell upwards: Protocols, so that each can be tested without the other."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sessions.backoff import Random
from sessions.model import Identity, SessionId
from sessions.register import Record, Register
from sessions.state import State


class Opener(Protocol):
    """The part of the engine that one session drives."""

    async def open(self, session: SessionId, database: Path) -> None:
        """Connect a session, or connect it anew."""
        ...

    async def close(self, session: SessionId) -> None:
        """Disconnect a session and free its place."""
        ...

    async def rest(self, session: SessionId) -> None:
        """Have the engine let a session be, so that it dials no more by itself; its place stays. Never fails."""
        ...


class Reachable(Protocol):
    """Tells whether WhatsApp can be reached at all."""

    async def __call__(self) -> bool:
        """Answer whether a connection can be made now."""
        ...


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session for status pages and events. `silent_s`: seconds since its last sign of life, when known.

    `retry_in_s`: when it tries again by itself, None if that is not planned; `trying_s`: how long its present try has lasted;
    `hangs`: that try will not end by itself, or the next one is long due and was not begun.
    `phone_seen_at`: unix seconds, when the account's own phone last did something, as far as that shows; `phone_told_days`: for how
    many days it was unseen when somebody was last told, 0 if nobody was since.
    """

    id: SessionId
    state: State
    identity: Identity | None
    silent_s: float | None
    retry_in_s: float | None
    lab: bool
    trying_s: float | None = None
    phone_seen_at: float | None = None
    hangs: bool = False
    phone_told_days: int = 0


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a session, as its worker told within the last seconds. Ages in seconds; None: never, or not known.

    `worker`: its name, None where the session has none. `as_of_s`: the age of everything from `pump` on.
    """

    view: SessionView
    worker: str | None = None
    worker_alive: bool = False
    as_of_s: float | None = None
    pump: bool | None = None
    socket: bool | None = None
    logged_in: bool | None = None
    heard_s: float | None = None
    event_s: float | None = None
    sent_s: float | None = None
    keepalive_errors: int | None = None


Keep = Callable[[Record], None]
"""Keeps a session's record on disk in place of the one before."""

Changed = Callable[[SessionId, State, State], None]
"""Is told of each change of a session's state, once: the state before, the state now."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a session works with. `turn`: seconds until a session may connect; `clock`: unix seconds; `chance`: jitter."""

    engine: Opener
    reachable: Reachable
    turn: Callable[[], float]
    register: Register
    keep: Keep
    changed: Changed
    clock: Callable[[], float] = time.time
    chance: Random = random.random
