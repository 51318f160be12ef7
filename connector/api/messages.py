"""Messages: sending one, what became of it, those of an atendimento."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from connector.api.errors import Refusal, known, of_send
from connector.api.fields import Body, Content, Headers, Id, Listed, Paging, Recipient, Shown, Uuid
from connector.api.ports import ConnectionsPort, OutboundPort, RecordPort
from connector.api.route import Reply, route
from connector.views import MessageStatus, Remetente, Sender, SendIn, SentView
from sessions.errors import NotConnected, SendError, SessionsError

BASE = "/api/whatsapp-integration/messages"
_TAG = "messages"
SEND_ALSO = {202: "It is not known whether WhatsApp has it. It is not sent again; a later answer changes its status."}
SEND_REFUSES = {
    404: "There is no connection with this id.",
    409: "The connection is not connected (`reason` says why), or this Idempotency-Key is under way still.",
    422: "A field is not as it must be, the number is not on WhatsApp, or the Idempotency-Key came with another body.",
    429: "Too much is under way on this connection.",
    502: "WhatsApp or the engine refused it: it was not sent.",
    503: "The engine is not ready: it was not sent.",
    504: "It was not sent in time.",
    507: "The disk is nearly full.",
}
RECORD_AWAY = "The database does not answer."


class NewMessage(Body):
    """A text to send."""

    connection_id: Id
    to: Recipient
    content: Content
    type: Literal["text"] = "text"
    remetente: Sender = "ATENDENTE"


class OnceOnly(Headers):
    """With a key, the same request sent twice is one message."""

    idempotency_key: Annotated[str, Field(pattern=r"^[!-~]{1,255}$")] | None = Field(None, alias="Idempotency-Key")


class Sent(Shown):
    """What became of a send. `recorded`: its row is in the database, and `atendimentoId` is known."""

    message_id: str
    wa_message_id: str | None
    status: MessageStatus
    atendimento_id: str | None
    recorded: bool
    timestamp: datetime


class SentLater(Sent):
    """What has become of a send by now. `error`: why it failed, or is not known to have been sent."""

    error: str | None


class Mensagem(BaseModel):
    """A row of whatsapp_mensagens."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

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


class Mailing:
    """Sends through the only door out, and says of a refusal what a caller has to know. Every address that sends shares it."""

    def __init__(self, outbound: OutboundPort, connections: ConnectionsPort) -> None:
        self._outbound = outbound
        self._connections = connections

    async def send(self, wanted: SendIn) -> Reply[Sent]:
        """Send, and answer 201 or, when nobody knows, 202."""
        try:
            sent = await self._outbound.send(wanted)
        except NotConnected as error:
            refusal = known(error)
            raise (await self._with_reason(refusal, wanted.connection_id) if refusal else error) from error
        if sent.status == "failed":
            raise await self._failed(sent, wanted.connection_id)
        return Reply(Sent.model_validate(sent), status=202 if sent.status in ("unknown", "sending") else 201)

    async def _failed(self, sent: SentView, connection_id: str) -> Refusal:
        refusal = of_send(sent.error)
        refusal.members["messageId"] = sent.message_id
        return await self._with_reason(refusal, connection_id) if sent.error == SendError.NOT_CONNECTED else refusal

    async def _with_reason(self, refusal: Refusal, connection_id: str) -> Refusal:
        try:
            refusal.members["reason"] = (await self._connections.get(connection_id)).reason
        except SessionsError:  # it was removed this moment: the refusal stands without its reason
            return refusal
        return refusal


class Messages:
    """The resource."""

    def __init__(self, mailing: Mailing, outbound: OutboundPort, record: RecordPort) -> None:
        self._mailing = mailing
        self._outbound = outbound
        self._record = record

    @route("POST", BASE + "/send", tag=_TAG, status=201, also=SEND_ALSO, refuses=SEND_REFUSES)
    async def send(self, body: NewMessage, headers: OnceOnly) -> Reply[Sent]:
        """Send a text.

        With an Idempotency-Key the same request again answers what the first one did, and sends nothing.
        """
        wanted = SendIn(body.connection_id, body.to, body.content, body.type, body.remetente, headers.idempotency_key)
        return await self._mailing.send(wanted)

    @route("GET", BASE + "/by-id/{messageId}", tag=_TAG, refuses={404: "There is no message with this messageId."})
    async def by_id(self, message_id: Uuid) -> SentLater:
        """Answer what has become of a message by now."""
        return SentLater.model_validate(await self._outbound.by_id(message_id))

    @route(
        "GET",
        BASE + "/{atendimentoId}",
        tag=_TAG,
        refuses={404: "There is no atendimento with this id.", 503: RECORD_AWAY},
    )
    async def of_atendimento(self, atendimento_id: Uuid, query: Paging) -> Listed[Mensagem]:
        """List the messages of an atendimento, oldest first."""
        page = await self._record.messages(atendimento_id, query.limit, query.offset)
        return Listed[Mensagem](items=[Mensagem.model_validate(row) for row in page.items], total=page.total)
