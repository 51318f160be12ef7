"""What happens to an event that a worker wrote down, in order. Reads no database: it says what happened, the sinks decide what it means."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from connector import facts
from connector.events import bodies, lines
from connector.facts import ConnectionRef, Fact, Stamp
from connector.spool import Ended, OutRow
from sessions.inbox import StoredRow
from sessions.model import RAW, Life, Message, Outcome, Receipt, SessionId, Typing, Words, decode

RECORD, WEBHOOK = "record", "webhook"

Count = Callable[[str, str, float], None]
"""Is told of each event: its connection's id, its kind, and the seconds since a worker wrote it down."""


def nobody_counts(_connection_id: str, _kind: str, _lag_s: float) -> None:
    """Count nothing."""


class Live(Protocol):
    """Who hears of messages as they come."""

    @property
    def listening(self) -> bool:
        """Whether anybody listens."""
        ...

    def pass_on(self, fact: Fact) -> None:
        """Tell of a message."""
        ...


class Inbound:
    """Turns one inbox row into the rows of every sink there is, in the order things happened. The mover calls it."""

    def __init__(
        self,
        connections: Mapping[SessionId, ConnectionRef],
        sinks: frozenset[str],
        count: Count = nobody_counts,
        live: Live | None = None,
    ) -> None:
        self._connections = connections
        self._sinks = sinks
        self._count = count
        self._live = live

    def __call__(self, file: str, row: StoredRow, next_version: Callable[[], int]) -> list[OutRow | Ended]:
        """Answer what *row* comes to; nothing for a session that is no connection, or for an event without words."""
        connection = self._connections.get(SessionId(row.session))
        if connection is None:
            return []
        self._count(connection.id, row.kind, time.time() - row.at_us / 1e6)
        if row.kind == RAW or row.body is None:
            return []
        words = decode(row.kind, row.body)
        stamp = Stamp(f"{file}:{row.seq}", next_version())
        told: dict[str, Fact | None] = {}
        if RECORD in self._sinks:
            told[RECORD] = _record(stamp, connection, words)
        if happened := _happened(connection, words, row.at_us // 1000):
            told[WEBHOOK] = self._told(stamp, connection, *happened)
        rows: list[OutRow | Ended] = [
            OutRow(sink=sink, chain=connection.session, op=stamp.op, body=facts.encode(fact))
            for sink, fact in told.items()
            if fact is not None and sink in self._sinks
        ]
        if isinstance(words, Outcome):
            rows.append(Ended(words.ref, words.status, row.at_us, words.message_id, words.error))
        return rows

    def _told(self, stamp: Stamp, connection: ConnectionRef, name: str, at_ms: int, data: Fact) -> Fact | None:
        """Log the event, stream it, and answer it, where anybody is to be told."""
        lines.of_message(name, connection, data)
        live = self._live if self._live and self._live.listening else None
        if live is None and WEBHOOK not in self._sinks:
            return None
        event = bodies.of_message(stamp, name, connection, at_ms, data)
        if live:
            live.pass_on(event)
        return event


def _record(stamp: Stamp, connection: ConnectionRef, words: Words) -> Fact | None:
    match words:
        case Message() if facts.personal(words.chat):
            return facts.message(stamp, connection, words)
        case Receipt() if facts.personal(words.chat) and facts.changes_somebodys_screen(words):
            return facts.receipt(stamp, connection, words)
        case Outcome():
            return facts.outcome(stamp, connection, words)
        case Message() | Receipt() | Typing() | Life():
            return None  # groups have no atendimento yet; typing and life make no row of their own


def _happened(connection: ConnectionRef, words: Words, at_ms: int) -> tuple[str, int, Fact] | None:
    """Answer the event that this is, its moment, and its data. *at_ms*: when a worker wrote it down."""
    match words:
        case Message():
            return "messageSent" if words.from_me else "messageReceived", words.at_ms, facts.received(connection, words)
        case Receipt() if facts.changes_somebodys_screen(words):
            return "messageStatus", words.at_ms, facts.delivered(words)
        case Outcome():
            return "messageSent" if facts.is_sent(words) else "messageStatus", at_ms, facts.ended(words)
        case Receipt() | Typing() | Life():
            return None  # connected and disconnected are told by the connection itself, which knows what they mean
