"""Whether rows, webhooks and phones agree with what the local WhatsApp says happened."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.service import Event, Receiver, Refused, Service
from benchmarks.traffic import Asked, Shop, Traffic

SETTLE_S = 120.0
LOOK_S = 0.1
LAST_WORD = "por último"
ENDED = frozenset({"sent", "failed", "unknown"})
ARRIVED = frozenset({"sent", "delivered", "read", "played", "unknown"})
NOT_ARRIVED = frozenset({"failed", "unknown"})


@dataclass(slots=True)
class Verdict:
    """What was found. `missing`: by connection, ids that the engine acknowledged and that are no row; `broken`: promises, in sentences."""

    rows: int = 0
    sends: Counter[str] = field(default_factory=Counter[str])
    missing: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    placeholders: int = 0
    redelivered: int = 0
    broken: list[str] = field(default_factory=list[str])


class Judge:
    """Waits until everything has arrived, then compares."""

    def __init__(self, service: Service, receiver: Receiver, traffic: Traffic) -> None:
        self._service = service
        self._receiver = receiver
        self._traffic = traffic
        self._words = 0

    async def judge(self) -> Verdict:
        """Compare everything there is, from the beginning. Raises `TimeoutError` when something does not settle."""
        await self._settle()
        found = Verdict()
        events = _by_connection(self._receiver.events)
        for shop in self._traffic.shops:
            rows = await self._service.rows(shop.connection)
            found.rows += len(rows)
            await self._incoming(shop, rows, events.get(shop.connection, []), found)
            await self._outgoing(shop, rows, events.get(shop.connection, []), found)
        found.broken += [f"the same key, another answer: {one}" for one in self._traffic.other_answers]
        if fights := (await self._service.lab.stats())["fights"]:
            found.broken.append(f"{fights} logins fought another")
        return found

    # -- until everything has arrived --------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Every text acknowledged; then a last word in each chat, whose row and event can only be there after all before them."""
        async with asyncio.timeout(SETTLE_S):
            await self._service.connected(len(self._traffic.shops))
            for shop in self._traffic.shops:
                await self._acknowledged(shop)
            self._words += 1
            last = {await self._traffic.write(shop, f"{LAST_WORD} {self._words}") for shop in self._traffic.shops}
            await self._until(lambda: self._heard(last))
            for shop in self._traffic.shops:
                await self._until(lambda shop=shop: self._recorded(shop, last))
                await self._acknowledged(shop)
            for asked in self._traffic.asked:
                await self._until(lambda asked=asked: self._over(asked))

    async def _until(self, fact: Callable[[], Awaitable[bool]]) -> None:
        while not await fact():  # noqa: ASYNC110  # what another program knows has no event here
            await asyncio.sleep(LOOK_S)

    async def _heard(self, last: set[str]) -> bool:
        return last <= {event["data"].get("waMessageId") for event in self._receiver.events}

    async def _recorded(self, shop: Shop, last: set[str]) -> bool:
        return bool(last & {row["wa_message_id"] for row in await self._tail(shop)})

    async def _over(self, asked: Asked) -> bool:
        return asked.message_id is None or await self._status(asked) != "sending"

    async def _acknowledged(self, shop: Shop) -> None:
        lab = self._service.lab
        while True:
            (device,) = (await lab.deliveries(shop.number, since=1 << 60))["items"]
            if device["acked"] >= device["queued"]:
                return
            await lab.deliveries(shop.number, since=1 << 60, wait=1, acked=device["queued"])

    async def _tail(self, shop: Shop) -> list[dict[str, Any]]:
        """The newest rows of the chat."""
        active = (await self._service.recorded("/atendimentos/active", connectionId=shop.connection))["items"]
        if not active:
            return []
        path = f"/messages/{active[0]['id']}"
        total = (await self._service.recorded(path, limit=1))["total"]
        return (await self._service.recorded(path, limit=50, offset=max(0, total - 50)))["items"]

    # -- what came in ------------------------------------------------------------------------------------------------

    async def _incoming(self, shop: Shop, rows: list[dict[str, Any]], events: list[Event], found: Verdict) -> None:
        (device,) = (await self._service.lab.deliveries(shop.number))["items"]
        found.redelivered += device["redelivered"]
        acked = list(dict.fromkeys(one["id"] for one in device["deliveries"] if one["acked"]))
        written = [row for row in rows if row["remetente"] == "CLIENTE"]
        ids = [row["wa_message_id"] for row in written]
        empty = {row["wa_message_id"] for row in written if row["conteudo"] is None}
        found.placeholders += len(empty)
        found.missing[shop.connection] = set(acked) - set(ids)
        found.broken += differences(f"rows of {shop.connection}", ids, acked)
        told = [event["data"]["waMessageId"] for event in events if event["type"] == "messageReceived"]
        first = list(dict.fromkeys(told))
        found.broken += differences(f"events of {shop.connection}", first, acked)
        if untold := set(ids) - set(told):
            found.broken.append(f"{len(untold)} rows of {shop.connection} without an event")
        if rowless := set(told) - set(ids):
            found.broken.append(f"{len(rowless)} events of {shop.connection} without a row")

    # -- what went out -----------------------------------------------------------------------------------------------

    async def _outgoing(self, shop: Shop, rows: list[dict[str, Any]], events: list[Event], found: Verdict) -> None:
        got = Counter(item["text"] for item in await self._service.lab.read(shop.customer))
        found.broken += [f"a phone got {text!r} {count} times" for text, count in got.items() if count > 1]
        sent = {row["id"]: row for row in rows if row["remetente"] == "ATENDENTE"}
        texts = Counter(row["conteudo"] for row in sent.values())
        found.broken += [f"{count} rows say {text!r}" for text, count in texts.items() if count > 1]
        found.broken += [
            f"{row['conteudo']!r} is on its way for ever" for row in sent.values() if row["status"] == "sending"
        ]
        found.broken += [f"a phone got {text!r}, of which there is no row" for text in got if text not in texts]
        for row in sent.values():
            arrived, status = bool(got[row["conteudo"]]), row["status"]
            if status not in (ARRIVED if arrived else NOT_ARRIVED):
                where = "has it" if arrived else "never got it"
                found.broken.append(f"{row['conteudo']!r} is {status}, and the phone {where}")
        told = {event["data"].get("messageId") for event in events}
        for asked in self._traffic.asked:
            if asked.shop is shop:
                await self._one(asked, sent, told, found)

    async def _one(self, asked: Asked, sent: dict[str, dict[str, Any]], told: set[str], found: Verdict) -> None:
        if asked.message_id is None:
            found.sends[asked.refused or "no answer"] += 1
            if asked.key and not asked.refused:
                found.broken.append(f"{asked.text!r} was never answered")
            return
        status = await self._status(asked)
        found.sends[status] += 1
        if status not in ENDED:
            found.broken.append(f"{asked.text!r} ended {status}")
        if asked.message_id not in sent:
            found.broken.append(f"{asked.text!r} is no row")
        elif (sent[asked.message_id]["status"] == "failed") is not (status == "failed"):
            found.broken.append(f"{asked.text!r} is {status}, its row {sent[asked.message_id]['status']}")
        if asked.message_id not in told:
            found.broken.append(f"{asked.text!r} without an event")

    async def _status(self, asked: Asked) -> str:
        try:
            return (await self._service.by_id(str(asked.message_id)))["status"]
        except Refused as refused:
            return refused.code


def _by_connection(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        if whose := event["data"].get("connectionId"):  # else it is about the service as a whole
            found.setdefault(whose, []).append(event)
    return found


def differences(what: str, ids: list[str], acked: list[str]) -> list[str]:
    """Answer how *ids* differ from *acked*, except in what they lack."""
    there = set(ids)
    expected = [one for one in acked if one in there]
    if ids == expected:
        return []
    if doubled := len(ids) - len(there):
        return [f"{doubled} {what} twice"]
    if strange := len(there - set(acked)):
        return [f"{strange} {what} that the local WhatsApp knows nothing of"]
    at = next(index for index, pair in enumerate(zip(ids, expected, strict=True)) if pair[0] != pair[1])
    return [f"{what} out of order from the {at + 1}th of {len(ids)} on"]
