"""Atendimentos: the open ones, and their status."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from connector.api.fields import Body, Id, Listed, Name, Paging, Uuid
from connector.api.messages import RECORD_AWAY
from connector.api.ports import RecordPort
from connector.api.route import route
from connector.views import AtendimentoStatus

BASE = "/api/whatsapp-integration/atendimentos"
_TAG = "atendimentos"


class Atendimento(BaseModel):
    """A row of whatsapp_atendimentos, with the connection it belongs to."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

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


class OfWhom(Paging):
    """Whose atendimentos are wanted."""

    owner_id: Name | None = None
    company_id: Name | None = None
    connection_id: Id | None = None


class Change(Body):
    """The status an atendimento is to have."""

    status: AtendimentoStatus


class Atendimentos:
    """The resource."""

    def __init__(self, record: RecordPort) -> None:
        self._record = record

    @route("GET", BASE + "/active", tag=_TAG, refuses={404: "There is no connection with this id.", 503: RECORD_AWAY})
    async def active(self, query: OfWhom) -> Listed[Atendimento]:
        """List the open atendimentos, newest message first."""
        page = await self._record.active(
            query.owner_id, query.company_id, query.connection_id, query.limit, query.offset
        )
        return Listed[Atendimento](items=[Atendimento.model_validate(row) for row in page.items], total=page.total)

    @route(
        "PATCH",
        BASE + "/{atendimentoId}",
        tag=_TAG,
        refuses={
            404: "There is no atendimento with this id.",
            409: "This customer has another open atendimento.",
            503: RECORD_AWAY,
        },
    )
    async def change(self, atendimento_id: Uuid, body: Change) -> Atendimento:
        """Change the status of an atendimento.

        After FINALIZADO or CANCELADO the customer's next message opens a new one.
        """
        return Atendimento.model_validate(await self._record.set_status(atendimento_id, body.status))
