"""Linked devices: who is connected, what was handed to whom, and the numbers of the whole lab."""

from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web

from lab.accounts import Device
from lab.control.context import Context, address, digits, wait_s, whole
from lab.jid import PN, Jid
from lab.mailbox import Counts, Delivery


class DeviceEndpoints:
    """`/devices`, `/deliveries` and `/stats`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/devices", self.list),
            web.get("/deliveries", self.deliveries),
            web.get("/stats", self.stats),
        ]

    async def list(self, request: web.Request) -> web.Response:
        wanted = whole(request, "connected", 0)
        if (seconds := wait_s(request)) > 0:
            await self._context.world.bell.until(lambda: self._active() >= wanted, seconds)
        items = [self._told(device) for device in self._devices(request)]
        return web.json_response({"items": items, "connected": self._active()})

    async def deliveries(self, request: web.Request) -> web.Response:
        since, kind = whole(request, "since", 0), request.query.get("kind", "message")
        if (seconds := wait_s(request)) > 0:
            handed, acked = whole(request, "handed", 0), whole(request, "acked", 0)
            await self._context.world.bell.until(lambda: self._reached(request, handed, acked), seconds)
        devices = [*self._devices(request), *self._former(request)]
        items = [_deliveries(device, since, kind) for device in devices]
        return web.Response(body=msgspec.json.encode({"items": items}), content_type="application/json")

    async def stats(self, _: web.Request) -> web.Response:
        world = self._context.world
        devices = list(world.accounts.devices())
        counts = _sum([device.mailbox.counts for device in devices])
        answer = {
            "phones": sum(1 for _ in world.phones),
            "devices": len(devices),
            "connected": len(world.lines),
            "active": self._active(),
            "pairing": len(world.linking),
            "messages": _counts(counts),
            "queued": {str(device.jid): len(device.mailbox) for device in devices if len(device.mailbox)},
            "logins": {str(device.jid): device.logins for device in devices},
            "fights": sum(device.fights for device in devices),
        }
        return web.json_response(answer)

    def _active(self) -> int:
        return sum(line.active for line in self._context.world.lines)

    def _devices(self, request: web.Request) -> Iterator[Device]:
        """All devices, or those of the number or of the address in `to`. Raises Problem when `to` is neither."""
        accounts, to = self._context.world.accounts, request.query.get("to", "")
        if not to:
            yield from accounts.devices()
        elif "@" not in to:
            account = accounts.numbered(digits(to))
            yield from account.devices.values() if account is not None else ()
        else:
            jid = address(to)
            account = accounts.of(jid)
            numbers = [] if account is None else [jid.device] if jid.device else list(account.devices)
            yield from (account.devices[number] for number in numbers if account and number in account.devices)

    def _former(self, request: web.Request) -> Iterator[Device]:
        """Unlinked devices of the number or of the address in `to`: what they were handed is still a fact."""
        to = request.query.get("to", "")
        if not to:
            return
        jid = address(to) if "@" in to else Jid(digits(to), PN)
        account = self._context.world.accounts.of(jid)
        for device in account.former if account is not None else ():
            if jid.device in (0, device.number):
                yield device

    def _reached(self, request: web.Request, handed: int, acked: int) -> bool:
        devices = [*self._devices(request), *self._former(request)]
        counts = _sum([device.mailbox.counts for device in devices])
        return counts.handed >= handed and counts.settled >= acked

    def _told(self, device: Device) -> dict[str, Any]:
        line = self._context.world.lines.of(device)
        return {
            "jid": str(device.jid),
            "lid": str(device.lid),
            "phone": device.account.number,
            "connected": line is not None,
            "active": line is not None and line.active,
            "since": line.since if line is not None else None,
            "linked_at": device.linked_at,
            "logins": device.logins,
            "fights": device.fights,
            "prekeys": len(device.prekeys),
            "queued": len(device.mailbox),
            "presence": device.presence,
        }


def _deliveries(device: Device, since: int, kind: str) -> dict[str, Any]:
    wanted = (one for one in device.mailbox if one.position >= since and kind in (one.kind, "all"))
    return {
        "device": str(device.jid),
        "linked": device.account.devices.get(device.number) is device,
        **_counts(device.mailbox.counts),
        "deliveries": [_delivery(one) for one in wanted],
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "position": delivery.position,
        "id": delivery.id,
        "kind": delivery.kind,
        "from": delivery.sender,
        "handed": delivery.handed,
        "acked": delivery.settled,
        "at": delivery.at,
        "acked_at": delivery.settled_at,
    }


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "queued": counts.queued,
        "handed": counts.handed,
        "acked": counts.settled,
        "redelivered": counts.redelivered,
    }


def _sum(all_counts: list[Counts]) -> Counts:
    return Counts(
        queued=sum(counts.queued for counts in all_counts),
        handed=sum(counts.handed for counts in all_counts),
        settled=sum(counts.settled for counts in all_counts),
        redelivered=sum(counts.redelivered for counts in all_counts),
    )
