"""What the database answers, as frozen words. Columns keep their names; times carry their zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the database made of one fact; ids are None for facts that are no message's."""

    op: str
    message_id: str | None
    atendimento_id: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and how long the whole is."""

    items: list[T]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mensagem:
    """A row of `whatsapp_mensagens`. `status` is None for what a customer wrote."""

    id: str
    session_id: str
    atendimento_id: str
    owner_id: str
    company_id: str | None
    conteudo: str
    placeholder: bool
    tipo: str
    remetente: str
    timestamp: datetime
    lida: bool
    midia_url: str | None
    midia_tipo: str | None
    midia_nome: str | None
    midia_tamanho: int | None
    wa_message_id: str | None
    status: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Atendimento:
    """A row of `whatsapp_atendimentos`, with the connection it runs over."""

    id: str
    session_id: str
    connection_id: str
    owner_id: str
    company_id: str | None
    numero_cliente: str
    nome_cliente: str | None
    status: str
    data_inicio: datetime
    data_fim: datetime | None
    ultima_mensagem: datetime
    atendente_id: str | None
    prioridade: int
    tags: Any
    observacoes: str | None
    canal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A row of `whatsapp_sessions`: what the database was last told of a connection."""

    id: str
    connection_id: str
    session_name: str
    owner_id: str
    company_id: str | None
    status: str
    reason: str | None
    phone: str | None
    jid: str | None
    lid: str | None
    qr_code: str | None
    qr_expires_at: datetime | None
    last_seen_at: datetime | None
    connected_at: datetime | None
    disconnected_at: datetime | None
    version: int
