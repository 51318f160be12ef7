"""What callers ask of connections, sends and records, and what they are told: plain frozen data. Times are aware datetimes.

Names of fields that the database keeps (`MensagemRow`, `AtendimentoRow`) are the columns' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

Status = Literal["disconnected", "connecting", "connected", "error"]
Remetente = Literal["CLIENTE", "ATENDENTE", "SISTEMA"]
Sender = Literal["ATENDENTE", "SISTEMA"]
AtendimentoStatus = Literal["AGUARDANDO", "EM_ATENDIMENTO", "FINALIZADO", "CANCELADO"]
MessageStatus = Literal["sending", "unknown", "failed", "sent", "delivered", "read", "played"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, and how many there are in all."""

    items: Sequence[T]
    total: int


@dataclass(frozen=True, slots=True)
class ConnectionIn:
    """A connection somebody asks for. `id` is the caller's own name of it."""

    id: str
    name: str
    owner_id: str
    company_id: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection as it is now. `reason` is the exact word for its status, `message` the sentence for a person."""

    connection_id: str
    name: str
    owner_id: str
    company_id: str | None
    status: Status
    reason: str
    message: str
    phone: str | None
    jid: str | None
    lid: str | None
    connected_at: datetime | None
    disconnected_at: datetime | None
    last_event_at: datetime | None
    created_at: datetime
    lab: bool


@dataclass(frozen=True, slots=True)
class TruthView:
    """What is known of a connection's session from facts alone, and the state that follows from them.

    `session`: its name in the lines of the log that know no connection.
    Ages are in seconds; None: never, or not known. `as_of_seconds`: the age of everything from `pump` on, which its worker told.
    """

    connection_id: str
    session: str
    status: Status
    reason: str
    message: str
    since: datetime
    retry_in_seconds: float | None
    trying_seconds: float | None
    phone_seen_at: datetime | None
    worker: str | None
    worker_alive: bool
    as_of_seconds: float | None
    pump: bool | None
    socket: bool | None
    logged_in: bool | None
    heard_seconds: float | None
    event_seconds: float | None
    sent_seconds: float | None
    keepalive_errors: int | None


@dataclass(frozen=True, slots=True)
class SendIn:
    """A text to send. `to` is a number in any common writing, or a JID."""

    connection_id: str
    to: str
    content: str = field(repr=False)  # what a repr says may reach a log
    type: Literal["text"] = "text"
    remetente: Sender = "ATENDENTE"
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class SentView:
    """What became of a send. `recorded`: its row is in the database. `error` is a code of `sessions.errors.SendError`."""

    message_id: str
    wa_message_id: str | None
    status: MessageStatus
    atendimento_id: str | None
    recorded: bool
    timestamp: datetime
    error: str | None = None


@dataclass(frozen=True, slots=True)
class MensagemRow:
    """A row of whatsapp_mensagens."""

    id: str
    owner_id: str
    atendimento_id: str
    conteudo: str | None
    tipo: str
    remetente: Remetente
    timestamp: datetime
    lida: bool
    midia_url: str | None
    midia_tipo: str | None
    midia_nome: str | None
    midia_tamanho: int | None
    wa_message_id: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class AtendimentoRow:
    """A row of whatsapp_atendimentos, with the connection it belongs to."""

    id: str
    owner_id: str
    company_id: str | None
    connection_id: str
    numero_cliente: str
    nome_cliente: str | None
    status: AtendimentoStatus
    data_inicio: datetime
    data_fim: datetime | None
    ultima_mensagem: datetime
    atendente_id: str | None
    prioridade: int
    tags: Any
    observacoes: str | None
    canal: str


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A row that a sink refused for good, or an event that could not be processed (`sink` is then "inbound").

    `connection_id`: None for a connection that is gone. `size`: bytes of the body. `body`: what it says, where it was asked for:
    JSON as it is, anything else as base64 text.
    """

    id: int
    sink: str
    connection_id: str | None
    op: str
    reason: str
    at: datetime
    size: int
    body: Any = None


@dataclass(frozen=True, slots=True)
class LettersWanted:
    """Some dead letters: of a sink, of a connection, with exactly this reason. None: whichever."""

    sink: str | None = None
    connection_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """So many letters are back in their queues; `left`: so many of those that were asked for are dead letters still."""

    replayed: int
    left: int


@dataclass(frozen=True, slots=True)
class SinkRow:
    """A sink: `running`, `waiting` or `parked` and why; rows that wait, seconds the oldest has waited, dead letters."""

    name: str
    state: Literal["running", "waiting", "parked"]
    reason: str
    waiting: int
    oldest_s: float | None
    dead: int
