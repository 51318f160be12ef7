"""What happened, as the sinks are told it: facts for the record, events for webhooks. Pure: words in, JSON out."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from sessions.model import Address, Delivery, Message, Outcome, Receipt, SendStatus

Fact = dict[str, Any]

_MESSAGES = uuid.UUID("6d1f9c52-7b0a-5e0e-9f3a-2f6f0f6d6c11")
"""Name space of the ids of messages that WhatsApp named first."""


@dataclass(frozen=True, slots=True)
class ConnectionRef:
    """A connection as every fact names it: its tenant's own id, the session behind it, whose it is."""

    id: str
    session: str
    name: str
    owner_id: str
    company_id: str | None = None

    @property
    def fact(self) -> Fact:
        """The `connection` of a fact."""
        return {
            "session": self.session,
            "connection_id": self.id,
            "name": self.name,
            "owner_id": self.owner_id,
            "company_id": self.company_id,
        }


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which thing that happened this is: the operation's id, stable over replays, and its version."""

    op: str
    version: int


def encode(fact: Fact) -> bytes:
    """Answer the bytes that an outbox row keeps."""
    return msgspec.json.encode(fact)


def message_id(session: str, wa_message_id: str) -> str:
    """Answer our id of a message that WhatsApp named: the same whenever the same message is seen."""
    return str(uuid.uuid5(_MESSAGES, f"{session}:{wa_message_id}"))


def message(stamp: Stamp, connection: ConnectionRef, words: Message) -> Fact:
    """A text that came in, or that was typed on the account's own phone."""
    told = {
        "message_id": message_id(connection.session, words.id),
        "wa_message_id": words.id,
        "chat": words.chat.jid,
        "chat_alt": words.chat.alt,
        "sender": words.sender.jid,
        "sender_alt": words.sender.alt,
        "from_me": words.from_me,
        "at_ms": words.at_ms,
        "push_name": words.push_name,
        "text": words.text,
        "tipo": "TEXTO",
        "remetente": "ATENDENTE" if words.from_me else "CLIENTE",
    }
    return _fact("message", stamp, connection, message=told)


def sending(
    stamp: Stamp, connection: ConnectionRef, *, message_id: str, to: str, text: str, remetente: str, at_ms: int
) -> Fact:
    """A send that is about to be asked of the engine."""
    told = {"message_id": message_id, "to": to, "at_ms": at_ms, "text": text, "tipo": "TEXTO", "remetente": remetente}
    return _fact("sending", stamp, connection, message=told)


def outcome(stamp: Stamp, connection: ConnectionRef, words: Outcome) -> Fact:
    """How a send ended."""
    return _fact(
        "outcome",
        stamp,
        connection,
        message_id=words.ref,
        status=words.status.value,
        wa_message_id=words.message_id,
        at_ms=words.at_ms,
        error=words.error,
    )


def receipt(stamp: Stamp, connection: ConnectionRef, words: Receipt) -> Fact:
    """What became of messages."""
    return _fact(
        "receipt",
        stamp,
        connection,
        ids=list(words.ids),
        chat=words.chat.jid,
        chat_alt=words.chat.alt,
        state=words.kind.value,
        at_ms=words.at_ms,
    )


def state(stamp: Stamp, connection: ConnectionRef, told: Fact) -> Fact:
    """Where a connection is: `status`, `reason`, `phone`, `jid`, `lid`, `at_ms`."""
    return _fact("connection", stamp, connection, **told)


def event(stamp: Stamp, kind: str, severity: str, connection: ConnectionRef, at_ms: int, data: Fact) -> Fact:
    """One event of a connection; its id is the operation's, so that a receiver can tell a second delivery."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {**whose(connection), **data}
    return {"id": f"evt_{stamp.op}", "type": kind, "timestamp": moment, "severity": severity, "data": told}


def whose(connection: ConnectionRef) -> Fact:
    """Answer what the data of each event of a connection says first."""
    return {"connectionId": connection.id, "ownerId": connection.owner_id, "companyId": connection.company_id}


def received(connection: ConnectionRef, words: Message) -> Fact:
    """The data of `messageReceived`, and of `messageSent` for what the own phone wrote."""
    return {
        "messageId": message_id(connection.session, words.id),
        "waMessageId": words.id,
        "chat": words.chat.jid,
        "from": words.sender.jid,
        "phone": phone_of(words.chat),
        "fromMe": words.from_me,
        "isGroup": words.group,
        "pushName": words.push_name,
        "type": "text",
        "content": words.text,
    }


def ended(words: Outcome) -> Fact:
    """The data of `messageSent`, and of `messageStatus` for a send that failed or is unknown."""
    return {
        "messageId": words.ref,
        "waMessageId": words.message_id,
        "to": words.to,
        "status": words.status.value,
        "error": words.error,
    }


def delivered(words: Receipt) -> Fact:
    """The data of `messageStatus` for a receipt."""
    return {"waMessageIds": list(words.ids), "chat": words.chat.jid, "status": words.kind.value}


def phone_of(address: Address) -> str | None:
    """Answer the phone number of a person, digits only, where the event told it."""
    forms = (address.jid, address.alt or "")
    return next((form.partition("@")[0] for form in forms if form.endswith("@s.whatsapp.net")), None)


def personal(address: Address) -> bool:
    """Whether this is one person's chat: neither a group, a broadcast, nor a channel."""
    return address.jid.endswith(("@s.whatsapp.net", "@lid"))


def changes_somebodys_screen(words: Receipt) -> bool:
    """Whether a receipt says something to people: between devices there are others."""
    return words.kind is not Delivery.OTHER


def is_sent(words: Outcome) -> bool:
    """Whether a send reached WhatsApp."""
    return words.status is SendStatus.SENT


def _fact(kind: str, stamp: Stamp, connection: ConnectionRef, **more: Any) -> Fact:
    return {"op": stamp.op, "kind": kind, "version": stamp.version, "connection": connection.fact, **more}
