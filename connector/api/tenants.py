"""The addresses of a backend that knows tenants only: one connection a tenant, under the tenant's id. The same services underneath."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from connector.api.codes import Pictures
from connector.api.connections import NO_STORE
from connector.api.fields import Body, Content, Id, Recipient, Shown
from connector.api.messages import SEND_ALSO, SEND_REFUSES, Mailing, OnceOnly, Sent
from connector.api.ports import ConnectionsPort
from connector.api.route import Reply, route
from connector.refusals import UnknownConnection
from connector.views import ConnectionIn, ConnectionView, SendIn, Status
from sessions.errors import AlreadyConnected, SessionsError
from sessions.pairing import Code
from sessions.state import Reason

_TAG = "tenants"
_NONE = "This tenant has no session."
START_S = 20.0
"""How long a start waits for a code."""
GLANCE_S = 0.5
"""How long a status waits for the code that is being shown: it is there already, or between two."""
_WAITS_FOR_SOMEBODY = frozenset(one.code for one in (Reason.STOPPED, Reason.REPLACED, Reason.CRASH_LOOP))
"""A phone is linked, and a start is what the session waits for."""


class Start(Body):
    """The tenant whose session is to start."""

    tenant_id: Id


class TenantMessage(Body):
    """A text to send."""

    tenant_id: Id
    to: Recipient
    content: Content
    type: Literal["text"] = "text"


class TenantSession(Shown):
    """How a tenant's session is. `qrCode`: a data URL to show while a phone has to be linked, until `expiresAt`."""

    tenant_id: str
    status: Status
    qr_code: str | None
    expires_at: datetime | None


class TenantGone(TenantSession):
    """The session ended. `linkedOnPhone`: WhatsApp could not be told, and the phone lists the device still."""

    linked_on_phone: bool


class Tenants:
    """The resource."""

    def __init__(self, connections: ConnectionsPort, mailing: Mailing) -> None:
        self._connections = connections
        self._mailing = mailing
        self._pictures = Pictures()

    @route(
        "POST",
        "/sessions/start",
        tag=_TAG,
        refuses={
            410: "The pairing ended: start again.",
            429: "As many pairings as are allowed at once are under way.",
            502: "WhatsApp or the engine refused it.",
            503: "The engine is not ready: start again.",
            507: "The disk is nearly full.",
        },
    )
    async def start(self, body: Start) -> Reply[TenantSession]:
        """Start a tenant's session, or show how it is.

        Waits up to 20 seconds for a QR code when a phone has to be linked.
        """
        view = await self._get_or_create(body.tenant_id)
        code = None
        if view.status != "connected":
            code = await self._begin(view)
            view = await self._connections.get(body.tenant_id)
        return Reply(await self._shown(view, code), headers=NO_STORE)

    @route("GET", "/sessions/{tenantId}/status", tag=_TAG, refuses={404: _NONE})
    async def status(self, tenant_id: Id) -> Reply[TenantSession]:
        """Answer how a tenant's session is, with the code that is being shown, if one is."""
        view = await self._connections.get(tenant_id)
        code = None
        if view.reason == Reason.WAITING_SCAN.code:
            code = await self._glance(tenant_id)
            view = await self._connections.get(tenant_id) if code is None else view
        return Reply(await self._shown(view, code), headers=NO_STORE)

    @route("DELETE", "/sessions/{tenantId}", tag=_TAG, refuses={404: _NONE})
    async def end(self, tenant_id: Id) -> TenantGone:
        """Log out at WhatsApp and remove the tenant's session. What was written to the database stays."""
        linked = await self._connections.delete(tenant_id)
        return TenantGone(
            tenant_id=tenant_id, status="disconnected", qr_code=None, expires_at=None, linked_on_phone=linked
        )

    @route("POST", "/message/send", tag=_TAG, status=201, also=SEND_ALSO, refuses=SEND_REFUSES)
    async def send(self, body: TenantMessage, headers: OnceOnly) -> Reply[Sent]:
        """Send a text from a tenant's session."""
        wanted = SendIn(body.tenant_id, body.to, body.content, body.type, idempotency_key=headers.idempotency_key)
        return await self._mailing.send(wanted)

    async def _get_or_create(self, tenant_id: str) -> ConnectionView:
        try:
            return await self._connections.get(tenant_id)
        except UnknownConnection:
            view, _ = await self._connections.create(ConnectionIn(tenant_id, tenant_id, tenant_id))
            return view

    async def _begin(self, view: ConnectionView) -> Code | None:
        """Answer a code, or None when a phone is linked already or no code came in time: the status says which."""
        if view.reason in _WAITS_FOR_SOMEBODY:
            await self._connections.restart(view.connection_id)
            return None
        try:
            return await self._connections.qr(view.connection_id, START_S)
        except (AlreadyConnected, TimeoutError):
            return None

    async def _glance(self, tenant_id: str) -> Code | None:
        """Answer the code that is being shown. A pairing that ends this moment shows none: the status is told all the same."""
        try:
            return await self._connections.qr(tenant_id, GLANCE_S)
        except (SessionsError, TimeoutError):
            return None

    async def _shown(self, view: ConnectionView, code: Code | None) -> TenantSession:
        return TenantSession(
            tenant_id=view.connection_id,
            status=view.status,
            qr_code=await self._pictures.data_url(code.text) if code else None,
            expires_at=datetime.fromtimestamp(code.expires_at, UTC) if code else None,
        )
