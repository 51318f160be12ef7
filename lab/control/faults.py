"""Faults: ordered for one device, or for everybody who dials."""

import secrets
from typing import Annotated

import msgspec
from aiohttp import web

from lab.accounts import Device
from lab.control.context import Context, body, raw
from lab.faults import AckFault, LoginFault, Order
from lab.jid import Jid
from lab.node import Node
from lab.stanzas.words import stream_error

_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
_Times = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class _Lasting(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind"):
    for_s: _Seconds | None = None
    count: _Times | None = None


class _Once(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind"):
    """Happens now."""


class Drop(_Once, tag="drop"):
    pass


class Close(_Once, tag="close"):
    pass


class Replaced(_Once, tag="replaced"):
    pass


class Removed(_Once, tag="removed"):
    pass


class Clear(_Once, tag="clear"):
    pass


class Forget(_Once, tag="forget"):
    pass


class StreamError(_Once, tag="stream_error"):
    code: str | int = "503"


class Receipt(_Once, tag="receipt"):
    type: str = "lab-unknown"
    id: str = ""


class Stall(_Once, tag="stall"):
    for_s: _Seconds | None = None


class Blackhole(_Once, tag="blackhole"):
    for_s: _Seconds | None = None


class Mute(_Lasting, tag="mute"):
    pass


class Corrupt(_Lasting, tag="corrupt"):
    pass


class Keys(_Lasting, tag="keys"):
    pass


class Ack(_Lasting, tag="ack"):
    error: str | int = ""
    delay_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    drop: bool = False
    deliver: bool = True


class Refuse(_Lasting, tag="refuse"):
    pass


class Login(_Lasting, tag="login"):
    reason: str | int = "503"
    code: str | int = ""
    expire: str | int = ""


class Pairing(msgspec.Struct, forbid_unknown_fields=True):
    refs: Annotated[int, msgspec.Meta(ge=1, le=20)]


DeviceFault = (
    Drop
    | Close
    | Replaced
    | Removed
    | Forget
    | Clear
    | StreamError
    | Receipt
    | Stall
    | Blackhole
    | Mute
    | Corrupt
    | Keys
    | Ack
)
LabFault = Refuse | Login | Clear
_DEVICE_FAULT: msgspec.json.Decoder[DeviceFault] = msgspec.json.Decoder(DeviceFault)
_LAB_FAULT: msgspec.json.Decoder[LabFault] = msgspec.json.Decoder(LabFault)


class FaultEndpoints:
    """`/devices/{jid}/faults`, `/faults` and `/pairing`."""

    def __init__(self, context: Context) -> None:
        self._context, self._faults = context, context.world.faults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/devices/{jid}/faults", self.for_device),
            web.post("/faults", self.for_all),
            web.post("/pairing", self.pairing),
        ]

    async def for_all(self, request: web.Request) -> web.Response:
        fault = _LAB_FAULT.decode(await raw(request))
        match fault:
            case Refuse():
                self._faults.refuse(self._order(fault))
            case Login():
                order = self._order(fault)
                words = (str(fault.reason), str(fault.code), str(fault.expire))
                self._faults.fail_logins(LoginFault(order.left, order.until, *words))
            case Clear():
                self._faults.clear()
        return web.json_response({}, status=202)

    async def pairing(self, request: web.Request) -> web.Response:
        self._faults.qr_refs = (await body(request, Pairing)).refs
        return web.json_response({"refs": self._faults.qr_refs}, status=202)

    async def for_device(self, request: web.Request) -> web.Response:
        device, fault = self._context.device(request), _DEVICE_FAULT.decode(await raw(request))
        match fault:
            case Mute():
                self._faults.of(device.jid).mute = self._order(fault, once=True)
            case Corrupt():
                self._faults.of(device.jid).corrupt = self._order(fault, once=True)
            case Keys():
                self._faults.of(device.jid).keys = self._order(fault, once=True)
            case Ack():
                self._faults.of(device.jid).ack = self._ack(fault)
            case Removed():
                self._context.world.changes.remove(device)
            case Forget():
                self._context.world.phones.forget(device)
            case Clear():
                self._clear(device)
            case _:
                await self._to_line(device, fault)
        return web.json_response({}, status=202)

    async def _to_line(
        self, device: Device, fault: Drop | Close | Replaced | StreamError | Receipt | Stall | Blackhole
    ) -> None:
        """Faults of a connection: there must be one."""
        line, lines = self._context.line(device), self._context.world.lines
        match fault:
            case Drop():
                lines.leave(line)
                line.connection.reset()
            case Close():
                lines.end(line, None)
            case Replaced():
                lines.end(line, stream_error(conflict="replaced"))
            case StreamError():
                lines.end(line, stream_error(str(fault.code)))
            case Receipt():
                await line.send(_receipt(device, fault))
            case Stall() | Blackhole():
                line.connection.mode = "stall" if isinstance(fault, Stall) else "blackhole"
                if fault.for_s is not None:
                    connection = line.connection
                    self._context.world.background.start(connection.recover(fault.for_s), "lab-recover")

    def _clear(self, device: Device) -> None:
        self._faults.clear_device(device.jid)
        line = self._context.world.lines.of(device)
        if line is not None:
            line.connection.mode = "normal"

    def _order(self, fault: _Lasting, *, once: bool = False) -> Order:
        count = 1 if once and fault.count is None and fault.for_s is None else fault.count
        return self._faults.order(count, fault.for_s)

    def _ack(self, fault: Ack) -> AckFault:
        order = self._order(fault, once=True)
        return AckFault(
            order.left,
            order.until,
            error=str(fault.error),
            delay_s=fault.delay_s,
            drop=fault.drop,
            deliver=fault.deliver,
        )


def _receipt(device: Device, fault: Receipt) -> Node:
    """A receipt of a type that an engine may not know, as if from the account's own phone."""
    attrs: dict[str, str | Jid] = {"from": device.account.lid, "id": fault.id or secrets.token_hex(10).upper()}
    return Node("receipt", attrs | {"type": fault.type, "t": "1"})
