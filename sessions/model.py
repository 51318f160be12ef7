"""The words for what happens in a WhatsApp account. Plain frozen data: msgspec encodes it as it is, for inbox rows and frames."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

import msgspec

SessionId = NewType("SessionId", str)
"""Our own immutable name of a session: a uuid, also its file name and the engine's client id."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a linked account is, as WhatsApp says it. `jid` and `lid` carry the device number; `phone` is digits only."""

    jid: str
    lid: str | None
    phone: str
    push_name: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """A person or chat under every name seen: `jid` as the event named it, `alt` the other form (phone number or LID), if told."""

    jid: str
    alt: str | None = None
    device: int = 0


class Delivery(StrEnum):
    """What a receipt says became of a message."""

    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    OTHER = "other"  # between devices: sender, retry, history; nobody's screen changes


class SendStatus(StrEnum):
    """How a send ended. `UNKNOWN` is never sent again behind the caller's back."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Message:
    """A text that came in, or that the account's own phone wrote (`from_me`). Times in unix milliseconds.

    `text` is None for one that came without content or could not be decrypted: a later event of the same id may bring it.
    """

    id: str
    chat: Address
    sender: Address
    from_me: bool
    group: bool
    at_ms: int
    push_name: str
    text: str | None
    quoted_id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one or more messages."""

    ids: tuple[str, ...]
    chat: Address
    sender: Address
    kind: Delivery
    at_ms: int


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody began or stopped writing (or recording, `audio`)."""

    chat: Address
    sender: Address
    composing: bool
    audio: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the send that the caller named `ref` ended. `error` is a code of `errors.SendError`, without user content."""

    ref: str
    status: SendStatus
    to: str
    message_id: str | None = None
    at_ms: int | None = None
    error: str | None = None


class Sign(StrEnum):
    """What the engine says about a session's life."""

    IDENTITY = "identity"
    PAIRED = "paired"
    PAIR_FAILED = "pair_failed"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    KEEPALIVE_TIMEOUT = "keepalive_timeout"
    KEEPALIVE_RESTORED = "keepalive_restored"
    LOGGED_OUT = "logged_out"
    REPLACED = "replaced"
    BANNED = "banned"
    OUTDATED = "outdated"
    CONNECT_FAILURE = "connect_failure"
    STREAM_ERROR = "stream_error"
    OFFLINE_DONE = "offline_done"


@dataclass(frozen=True, slots=True)
class Life:
    """One sign of a session's life. `code` is WhatsApp's own where it gave one; `until_s` the seconds a ban lasts."""

    sign: Sign
    code: str | None = None
    until_s: int | None = None
    identity: Identity | None = None


class Loss(StrEnum):
    """What becomes of a session whose worker ended."""

    RESTARTING = "restarting"  # another worker takes it
    GIVEN_UP = "given_up"  # its worker crashed too often, with or without it
    ISOLATED = "isolated"  # it is the one that ends its worker


Words = Message | Receipt | Typing | Outcome | Life

KINDS: dict[str, type[Words]] = {
    "message": Message,
    "receipt": Receipt,
    "typing": Typing,
    "outcome": Outcome,
    "life": Life,
}
RAW = "raw"
"""The kind of a row that has no words yet: its event is kept as the engine gave it."""

_names = {kind: name for name, kind in KINDS.items()}


def kind_of(words: Words) -> str:
    """Answer the inbox kind of *words*."""
    return _names[type(words)]


def encode(words: Words) -> bytes:
    """Answer *words* as the body of an inbox row."""
    return msgspec.msgpack.encode(words)


def decode(kind: str, body: bytes) -> Words:
    """Read the body of an inbox row of *kind*; raises `msgspec.DecodeError`, or `KeyError` for a kind without words."""
    return msgspec.msgpack.decode(body, type=KINDS[kind])
