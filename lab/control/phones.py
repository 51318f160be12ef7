"""Phones: made, looked at, and moved."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web

from lab.accounts import Account, Device
from lab.control.context import Context, body, digits, wait_s, whole
from lab.control.problems import conflict, not_found
from lab.phone import Phone
from lab.phonelog import Item

MAX_COUNT = 100_000
_PAGE = 10_000


class NewPhone(msgspec.Struct, forbid_unknown_fields=True):
    number: str
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    registered: bool = True
    auto_receipts: bool = True


class Scan(msgspec.Struct, forbid_unknown_fields=True):
    qr: str


class Code(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class Outgoing(msgspec.Struct, forbid_unknown_fields=True):
    to: str
    text: Annotated[str, msgspec.Meta(max_length=65_536)]
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None
    from_own_phone: bool = False


class ReceiptOrder(msgspec.Struct, forbid_unknown_fields=True):
    ids: Annotated[list[str], msgspec.Meta(min_length=1)]
    type: str = "read"


class Typing(msgspec.Struct, forbid_unknown_fields=True):
    to: str
    state: Literal["composing", "recording", "paused"] = "composing"


class PresenceOrder(msgspec.Struct, forbid_unknown_fields=True):
    state: Literal["available", "unavailable"]


class PhoneEndpoints:
    """`/phones` and what is below it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/phones", self.create),
            web.get("/phones", self.list),
            web.post("/phones/{number}/scan", self.scan),
            web.post("/phones/{number}/link", self.link),
            web.post("/phones/{number}/messages", self.send),
            web.get("/phones/{number}/messages", self.messages),
            web.get("/phones/{number}/events", self.events),
            web.post("/phones/{number}/receipts", self.receipts),
            web.post("/phones/{number}/typing", self.typing),
            web.post("/phones/{number}/presence", self.presence),
        ]

    async def create(self, request: web.Request) -> web.Response:
        new = await body(request, NewPhone)
        phones = self._context.world.phones
        account = phones.add(digits(new.number), new.name, registered=new.registered)
        if (phone := phones.numbered(account.number)) is not None:
            phone.state.auto_receipts = new.auto_receipts
        return web.json_response(_told(account), status=201)

    async def list(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [_told(account) for account in self._context.world.accounts]})

    async def scan(self, request: web.Request) -> web.Response:
        phone, order = self._context.phone(request), await body(request, Scan)
        device = await self._context.world.linking.scan(phone.account, order.qr)
        return web.json_response(_linked(device), status=201)

    async def link(self, request: web.Request) -> web.Response:
        phone, order = self._context.phone(request), await body(request, Code)
        device = await self._context.world.linking.type_code(phone.account, order.code)
        return web.json_response(_linked(device), status=201)

    async def send(self, request: web.Request) -> web.Response:
        phone, order = self._context.phone(request), await body(request, Outgoing)
        to = self._context.account(order.to)
        if order.from_own_phone and not phone.account.devices:
            raise conflict("No device is linked to this phone: nobody would see what is typed on it.")
        texts = [order.text] if order.count is None else (f"{order.text} {n}" for n in range(order.count))
        return web.json_response({"ids": await phone.send(to, texts)}, status=201)

    async def messages(self, request: web.Request) -> web.Response:
        phone = self._context.phone(request)
        since, limit, count = whole(request, "since", 0), whole(request, "limit", _PAGE), whole(request, "count", 1)
        wanted = _wanted(request)
        if (seconds := wait_s(request)) > 0:
            found = Found(phone, since, wanted)
            await self._context.world.bell.until(lambda: found.count() >= count, seconds)
        items = phone.log.since(since, limit, wanted)
        answer = {"items": [_item(item) for item in items], "next": items[-1].index + 1 if items else since}
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def events(self, request: web.Request) -> web.Response:
        phone, since = self._context.phone(request), whole(request, "since", 0)
        if (seconds := wait_s(request)) > 0:
            await self._context.world.bell.until(lambda: phone.log.next_event > since, seconds)
        items = phone.log.events_since(since)
        return web.json_response({"items": items, "next": phone.log.next_event})

    async def receipts(self, request: web.Request) -> web.Response:
        phone, order = self._context.phone(request), await body(request, ReceiptOrder)
        sent = phone.read(order.ids, order.type)
        if not sent:
            raise not_found("None of these messages arrived at this phone.")
        return web.json_response({"sent": sent}, status=202)

    async def typing(self, request: web.Request) -> web.Response:
        phone, order = self._context.phone(request), await body(request, Typing)
        phone.type(self._context.account(order.to), order.state)
        return web.json_response({}, status=202)

    async def presence(self, request: web.Request) -> web.Response:
        phone, order = self._context.phone(request), await body(request, PresenceOrder)
        self._context.presence.phone_is(phone.account, available=order.state == "available")
        return web.json_response({}, status=202)


class Found:
    """Counts what arrived since an index, looking at each message once however often it is asked."""

    def __init__(self, phone: Phone, since: int, wanted: Callable[[Item], bool]) -> None:
        self._log, self._next, self._wanted, self._count = phone.log, since, wanted, 0

    def count(self) -> int:
        if self._log.next > self._next:
            self._count += len(self._log.since(self._next, MAX_COUNT, self._wanted))
            self._next = self._log.next
        return self._count


def _wanted(request: web.Request) -> Callable[[Item], bool]:
    kind = request.query.get("kind", "received")
    if kind == "all":
        return lambda _: True
    return lambda item: item.from_me == (kind == "sent")


def _item(item: Item) -> dict[str, Any]:
    return {
        "index": item.index,
        "id": item.id,
        "from": item.sender,
        "text": item.text,
        "at": item.at,
        "chat": item.chat,
        "device": item.device,
        "kind": item.kind,
        "from_me": item.from_me,
    }


def _told(account: Account) -> dict[str, Any]:
    return {
        "number": account.number,
        "name": account.name,
        "registered": account.registered,
        "jid": str(account.pn),
        "lid": str(account.lid),
        "devices": [str(device.jid) for device in account.devices.values()],
    }


def _linked(device: Device) -> dict[str, str]:
    return {"jid": str(device.jid), "lid": str(device.lid)}
