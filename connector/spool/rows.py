"""What lies in the spool, in plain frozen data: no SQL, no files, no threads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sessions.model import SendStatus

INBOUND = "inbound"
"""The name under which inbox rows that could not be processed lie among the dead letters. No sink may have it."""


@dataclass(frozen=True, slots=True)
class OutRow:
    """Something to deliver. `sink`: where to; `chain`: within it order counts; `op`: its stable id; `body`: the sink's own bytes."""

    sink: str
    chain: str
    op: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOut(OutRow):
    """A row in its place. `seq` rises and is never used twice; `at_us`: unix microseconds when it was put."""

    seq: int
    at_us: int


@dataclass(frozen=True, slots=True)
class Grave:
    """A row on its way to the dead letters, with a sentence that says why. It may quote no message and no number."""

    row: OutRow
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter(OutRow):
    """A row that could not be delivered (or, for `INBOUND`, not processed: the body is an encoded inbox row).

    `seq`: the place it had in its queue; None for what never had one. `at_us`: unix microseconds when it was set aside.
    """

    id: int
    reason: str
    at_us: int
    seq: int | None = None


class SendState(StrEnum):
    """How far a send is. `UNKNOWN` may still become `SENT` or `FAILED`; nothing else changes once it ended."""

    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NewSend:
    """A send about to begin. `scope` and `key` are the caller's idempotency key and whose it is, `request_hash` what it stands for."""

    message_id: str
    connection_id: str
    session: str
    scope: str
    key: str | None
    request_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(NewSend):
    """A send as it is kept. `answer` is what its caller was told, once told. Times in unix microseconds."""

    status: SendState
    wa_message_id: str | None
    error: str | None
    atendimento_id: str | None
    at_us: int
    ended_us: int | None
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a send ended. `error` is a code, without user content; `at_us` is when, unix microseconds."""

    message_id: str
    status: SendStatus
    at_us: int
    wa_message_id: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """What is known of a connection while the database is away. `body` is its owner's own encoding of the rest."""

    id: str
    session: str
    name: str
    owner_id: str
    company_id: str | None
    created_us: int
    body: bytes = b""
