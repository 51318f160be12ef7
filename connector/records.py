"""What the database holds, as the API asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from connector.connections import Connections
from connector.refusals import AtendimentoConflict, RecordAway, UnknownAtendimento
from connector.store.errors import Misconfigured, Offline, Rejected
from connector.store.rows import Atendimento, Mensagem
from connector.store.store import Conflict, Store
from connector.views import AtendimentoRow, AtendimentoStatus, MensagemRow, Page

READ_S = 5.0
"""How long a caller waits for a database that neither answers nor refuses, as one whose host is gone."""

T = TypeVar("T")


class Records:
    """Reads and changes rows. Every method raises `RecordAway` while the database does not answer."""

    def __init__(self, store: Store, connections: Connections) -> None:
        self._store = store
        self._connections = connections

    async def messages(self, atendimento_id: str, limit: int, offset: int) -> Page[MensagemRow]:
        """Answer one page of an atendimento, oldest first. Raises `UnknownAtendimento`."""
        page = await _asked(self._store.messages(atendimento_id, limit=limit, offset=offset))
        if page is None:
            raise UnknownAtendimento
        return Page([_mensagem(row) for row in page.items], page.total)

    async def active(
        self, owner_id: str | None, company_id: str | None, connection_id: str | None, limit: int, offset: int
    ) -> Page[AtendimentoRow]:
        """Answer one page of the open ones, newest message first. Raises `UnknownConnection`."""
        session = self._connections.ref(connection_id).session if connection_id else None
        page = await _asked(
            self._store.active_atendimentos(
                owner=owner_id, company=company_id, session=session, limit=limit, offset=offset
            )
        )
        return Page([_atendimento(row) for row in page.items], page.total)

    async def set_status(self, atendimento_id: str, status: AtendimentoStatus) -> AtendimentoRow:
        """Change the status and answer the row. Raises `UnknownAtendimento`, `AtendimentoConflict`."""
        try:
            row = await _asked(self._store.set_atendimento_status(atendimento_id, status))
        except Conflict:
            raise AtendimentoConflict from None
        if row is None:
            raise UnknownAtendimento
        return _atendimento(row)


async def _asked(question: Coroutine[Any, Any, T]) -> T:
    """Answer what the store answers, its errors in the API's words. What it rejects is an id that cannot exist."""
    try:
        return await _soon(question)
    except (Offline, Misconfigured) as error:
        raise RecordAway from error
    except Rejected as error:
        raise UnknownAtendimento from error


async def _soon(question: Coroutine[Any, Any, T]) -> T:
    """Answer within `READ_S`. Raises `RecordAway`, and what *question* raises."""
    # The driver, called off, asks a server that does not answer to stop, and waits for that too: nobody waits for it here.
    asking = asyncio.create_task(question, name="ask-record")
    asking.add_done_callback(_read)
    try:
        done, _ = await asyncio.wait({asking}, timeout=READ_S)
        if not done:
            raise RecordAway
        return asking.result()
    finally:
        asking.cancel()


def _read(asked: asyncio.Task[Any]) -> None:
    """Take note of how a question ended that nobody waits for any more."""
    if not asked.cancelled():
        asked.exception()


def _mensagem(row: Mensagem) -> MensagemRow:
    return MensagemRow(
        id=row.id,
        owner_id=row.owner_id,
        atendimento_id=row.atendimento_id,
        conteudo=None if row.placeholder else row.conteudo,
        tipo=row.tipo,
        remetente=cast(Any, row.remetente),
        timestamp=row.timestamp,
        lida=row.lida,
        midia_url=row.midia_url,
        midia_tipo=row.midia_tipo,
        midia_nome=row.midia_nome,
        midia_tamanho=row.midia_tamanho,
        wa_message_id=row.wa_message_id,
        status=row.status,
    )


def _atendimento(row: Atendimento) -> AtendimentoRow:
    return AtendimentoRow(
        id=row.id,
        owner_id=row.owner_id,
        company_id=row.company_id,
        connection_id=row.connection_id,
        numero_cliente=row.numero_cliente,
        nome_cliente=row.nome_cliente,
        status=cast(Any, row.status),
        data_inicio=row.data_inicio,
        data_fim=row.data_fim,
        ultima_mensagem=row.ultima_mensagem,
        atendente_id=row.atendente_id,
        prioridade=row.prioridade,
        tags=row.tags,
        observacoes=row.observacoes,
        canal=row.canal,
    )
