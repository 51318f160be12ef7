"""Connections: a tenant's WhatsApp account, its codes to link a phone, its end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from connector import phones
from connector.api.codes import Pictures
from connector.api.errors import Refusal, field_error
from connector.api.fields import Body, Id, Listed, Name, Paging, Query, Shown
from connector.api.ports import ConnectionsPort
from connector.api.route import Reply, route
from connector.views import ConnectionIn, ConnectionView, Status
from sessions.errors import NotAnAddress

BASE = "/api/whatsapp-integration/connections"
_ONE = BASE + "/{connectionId}"
_TAG = "connections"
_NONE = "There is no connection with this connectionId."
_PAIRING = {
    404: _NONE,
    409: "A phone is linked already.",
    410: "The pairing ended before a phone confirmed it: ask again for a new code.",
    429: "As many pairings as are allowed at once are under way.",
    502: "WhatsApp or the engine refused it.",
    503: "The engine is not ready: ask again.",
    504: "No code came in time: ask again.",
    507: "The disk is nearly full.",
}
_LISTED_STILL = "WhatsApp could not be told: remove the device on the phone, under Linked devices."
_NOT_LISTED = "The phone does not list this device any more."


class NewConnection(Body):
    """A connection to make. The same again answers the same one."""

    connection_id: Id
    name: Name
    owner_id: Name
    company_id: Name | None = None


class Connection(Shown):
    """A connection as it is now. `reason` is the exact word for its status, `message` its sentence."""

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


class TruthOf(Shown):
    """What is known of a connection's session, as its engine worker told it within the last seconds, and what follows from it.

    `pump`: the session's event pump runs; `socket`: its connection to WhatsApp is up; `loggedIn`: WhatsApp accepted it. Ages are in
    seconds: `heardSeconds` since any sign of life, `eventSeconds` since the last event, `sentSeconds` since the last send;
    null: never, or not known. `asOfSeconds`: how old what the worker told is. `worker` is null while no process has the session.
    `session`: its name in those lines of the log that know no connection.
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


class Unlinked(Shown):
    """What became of the phone's link. `linkedOnPhone`: the phone lists the device still, and `message` says what to do."""

    connection_id: str
    linked_on_phone: bool
    message: str


class QrCode(Shown):
    """A code to scan: its text, its image as a data URL, until when, the how-manieth of this pairing."""

    code: str
    image: str
    expires_at: datetime
    attempt: int


class TypedCode(Shown):
    """A code to type on the phone, and until when."""

    code: str
    expires_at: datetime


class Phone(Body):
    """The number of the phone that is to be linked."""

    phone: Annotated[str, Field(min_length=1, max_length=64)]


class Filter(Paging):
    """Whose connections are wanted, and in which status."""

    owner_id: Name | None = None
    company_id: Name | None = None
    status: Status | None = None


class HowShown(Query):
    """How long to wait for a code, in seconds, and how it is wanted: `terminal` is text in black and white for a shell."""

    wait: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 20.0
    format: Literal["json", "png", "svg", "terminal"] = "json"


class Connections:
    """The resource."""

    def __init__(self, connections: ConnectionsPort) -> None:
        self._connections = connections
        self._pictures = Pictures()

    @route(
        "POST",
        BASE,
        tag=_TAG,
        status=201,
        also={200: "It was there already."},
        refuses={409: "It is there already, with another name, ownerId or companyId.", 507: _PAIRING[507]},
    )
    async def create(self, body: NewConnection) -> Reply[Connection]:
        """Make a connection.

        The same body again answers the same connection with 200; another body for the same connectionId is refused.
        """
        wanted = ConnectionIn(body.connection_id, body.name, body.owner_id, body.company_id)
        view, created = await self._connections.create(wanted)
        return Reply(_shown(view), status=201 if created else 200)

    @route("GET", BASE, tag=_TAG)
    async def list(self, query: Filter) -> Listed[Connection]:
        """List connections, oldest first."""
        page = await self._connections.list(query.owner_id, query.company_id, query.status, query.limit, query.offset)
        return Listed[Connection](items=[_shown(view) for view in page.items], total=page.total)

    @route("GET", _ONE, tag=_TAG, refuses={404: _NONE})
    async def get(self, connection_id: Id) -> Connection:
        """Answer one connection."""
        return _shown(await self._connections.get(connection_id))

    @route("GET", _ONE + "/truth", tag=_TAG, refuses={404: _NONE})
    async def truth(self, connection_id: Id) -> TruthOf:
        """Answer what is known of the connection from facts alone: why its status is what it is."""
        return TruthOf.model_validate(await self._connections.truth(connection_id))

    @route("DELETE", _ONE, tag=_TAG, refuses={404: _NONE})
    async def delete(self, connection_id: Id) -> Unlinked:
        """Log out at WhatsApp and remove the connection's session.

        Atendimentos and mensagens are kept. When WhatsApp could not be told, linkedOnPhone is true.
        """
        return _unlinked(connection_id, linked=await self._connections.delete(connection_id))

    @route("POST", _ONE + "/restart", tag=_TAG, refuses={404: _NONE, 409: "No phone is linked.", 507: _PAIRING[507]})
    async def restart(self, connection_id: Id) -> Connection:
        """Connect again, also after a stop or while it waits for its next try."""
        return _shown(await self._connections.restart(connection_id))

    @route("POST", _ONE + "/logout", tag=_TAG, refuses={404: _NONE, 409: "No phone is linked."})
    async def logout(self, connection_id: Id) -> Unlinked:
        """Unlink the phone and keep the connection."""
        return _unlinked(connection_id, linked=await self._connections.logout(connection_id))

    @route("GET", _ONE + "/qr", tag=_TAG, refuses=_PAIRING, media=("image/png", "image/svg+xml", "text/plain"))
    async def qr(self, connection_id: Id, query: HowShown) -> Reply[QrCode] | web.Response:
        """Answer a QR code to scan with the phone.

        Begins a pairing if none is under way, and waits for a code: the answer is never empty.
        """
        code = await self._connections.qr(connection_id, query.wait)
        until = datetime.fromtimestamp(code.expires_at, UTC)
        match query.format:
            case "png":
                return web.Response(
                    body=await self._pictures.png(code.text), content_type="image/png", headers=NO_STORE
                )
            case "svg":
                picture = await self._pictures.svg(code.text)
                return web.Response(text=picture, content_type="image/svg+xml", headers=NO_STORE)
            case "terminal":
                return web.Response(text=await self._pictures.terminal(code.text), headers=NO_STORE)
            case "json":
                pass
        image = await self._pictures.data_url(code.text)
        shown = QrCode(code=code.text, image=image, expires_at=until, attempt=code.attempt)
        return Reply(shown, headers=NO_STORE)

    @route("POST", _ONE + "/pairing-code", tag=_TAG, refuses=_PAIRING)
    async def pairing_code(self, connection_id: Id, body: Phone) -> Reply[TypedCode]:
        """Answer a code to type on the phone, instead of a QR code."""
        code = await self._connections.pairing_code(connection_id, digits(body.phone))
        until = datetime.fromtimestamp(code.expires_at, UTC)
        return Reply(TypedCode(code=code.text, expires_at=until), headers=NO_STORE)


NO_STORE = {"Cache-Control": "no-store"}
"""A code is as good as a password: no cache may keep it."""


def digits(phone: str) -> str:
    """Answer a number as people write it in digits. Raises `Refusal` that names the field."""
    try:
        return phones.digits(phone)
    except NotAnAddress as error:
        raise Refusal(422, error.code, str(error), members=field_error("body.phone", str(error))) from error


def _shown(view: ConnectionView) -> Connection:
    return Connection.model_validate(view)


def _unlinked(connection_id: str, *, linked: bool) -> Unlinked:
    return Unlinked(
        connection_id=connection_id, linked_on_phone=linked, message=_LISTED_STILL if linked else _NOT_LISTED
    )
