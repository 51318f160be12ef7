"""What can be done about a problem: as data, so that judging and doing stay apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sessions.model import SessionId


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Connect a session anew."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class EndPairing:
    """Break off a pairing that leads nowhere."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class RestartWorker:
    """Start an engine worker again that was given up."""

    name: str


@dataclass(frozen=True, slots=True)
class RestartPostgres:
    """Restart the embedded database."""


@dataclass(frozen=True, slots=True)
class KickSink:
    """Have a sink try again at once."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveConnection:
    """Remove a connection that no phone was ever linked to."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveSession:
    """Remove a session without credentials that belongs to no connection."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing the service could do itself: somebody has to know."""


Remedy = (
    Reconnect | EndPairing | RestartWorker | RestartPostgres | KickSink | RemoveConnection | RemoveSession | Nothing
)

_CODES: dict[type[Remedy], str] = {
    Reconnect: "reconnect",
    EndPairing: "end_pairing",
    RestartWorker: "restart_worker",
    RestartPostgres: "restart_postgres",
    KickSink: "kick_sink",
    RemoveConnection: "remove_connection",
    RemoveSession: "remove_session",
    Nothing: "nothing",
}


def code(remedy: Remedy) -> str:
    """Answer the stable word for logs and metrics: `reconnect`, `kick_sink`..."""
    return _CODES[type(remedy)]


def about(remedy: Remedy) -> str:
    """Answer what *remedy* is done to: a session's id, a name, or the part itself."""
    match remedy:
        case Reconnect(whom) | EndPairing(whom) | RemoveSession(whom):
            return whom
        case RestartWorker(name) | KickSink(name) | RemoveConnection(name):
            return name
        case RestartPostgres():
            return "database"
        case Nothing():
            return ""


class Hands(Protocol):
    """Who carries remedies out. Each may raise; each is broken off when it takes too long."""

    async def reconnect(self, session: SessionId) -> None:
        """Connect a session anew."""
        ...

    async def end_pairing(self, session: SessionId) -> None:
        """Break off a pairing that leads nowhere."""
        ...

    async def restart_worker(self, name: str) -> None:
        """Start a worker again that was given up."""
        ...

    async def restart_postgres(self) -> None:
        """Restart the embedded database."""
        ...

    async def kick_sink(self, name: str) -> None:
        """Have a sink try again at once."""
        ...

    async def remove_connection(self, name: str) -> None:
        """Remove a connection, unless a phone is linked to it or about to be."""
        ...

    async def remove_session(self, session: SessionId) -> None:
        """Remove a session, unless it has credentials or is about to."""
        ...


async def carry_out(remedy: Remedy, hands: Hands) -> None:
    """Do what *remedy* says."""
    match remedy:
        case Reconnect(session):
            await hands.reconnect(session)
        case EndPairing(session):
            await hands.end_pairing(session)
        case RestartWorker(name):
            await hands.restart_worker(name)
        case RestartPostgres():
            await hands.restart_postgres()
        case KickSink(name):
            await hands.kick_sink(name)
        case RemoveConnection(name):
            await hands.remove_connection(name)
        case RemoveSession(session):
            await hands.remove_session(session)
        case Nothing():
            pass
