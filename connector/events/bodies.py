"""What an event's body says, the same to whoever listens and to every webhook: its severity, its data, its sentences. Pure."""

from __future__ import annotations

import msgspec

from connector import facts
from connector.events.registry import BY_NAME, Data, EventType, sentence
from connector.facts import ConnectionRef, Fact, Stamp


def worded(kind: EventType, data: Data) -> Fact:
    """Answer *data* as JSON has it, with what it says in Portuguese (`message`) and in English (`messageEn`)."""
    told: Fact = msgspec.to_builtins(data)
    return {**told, "message": sentence(kind, data, "pt"), "messageEn": sentence(kind, data, "en")}


def of_connection(stamp: Stamp, name: str, connection: ConnectionRef, at_ms: int, data: Data) -> Fact:
    """Answer the event *name* of a connection. *at_ms*: unix milliseconds."""
    kind = BY_NAME[name]
    return facts.event(stamp, kind.name, kind.severity, connection, at_ms, worded(kind, data))


def of_message(stamp: Stamp, name: str, connection: ConnectionRef, at_ms: int, data: Fact) -> Fact:
    """Answer the event *name* of a message, which has the message's own words and none of ours. *at_ms*: unix milliseconds."""
    kind = BY_NAME[name]
    return facts.event(stamp, kind.name, kind.severity, connection, at_ms, data)
