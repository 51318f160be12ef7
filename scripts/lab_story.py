"""The story that the page of `./scripts/run --lab` tells: a shop, its customer, and what each does, on both sides of the service.

The shop's side is the service's own API, as any caller has it; the phones are the local WhatsApp's. Neither knows the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

import aiohttp

BASE = "/api/whatsapp-integration"
CONNECTION = "loja"
WAIT = aiohttp.ClientTimeout(total=40)
SHOWN = 50
"""Messages of each side that are shown, the newest."""


class Phone(NamedTuple):
    """A simulated phone."""

    number: str
    name: str


SHOP, CUSTOMER = Phone("5511900000001", "Ana"), Phone("5511900000002", "Bruno")


@dataclass(frozen=True, slots=True, repr=False)
class Places:
    """The addresses of the service and of the local WhatsApp, and the service's key."""

    service: str
    key: str
    control: str


class Refused(Exception):
    """One side refused: its HTTP status, and its own sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Side:
    """One of the two sides, asked in JSON."""

    def __init__(self, http: aiohttp.ClientSession, address: str, name: str) -> None:
        self._http = http
        self._address = address
        self._name = name

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Answer what *path* answers. Raises `Refused`."""
        try:
            async with self._http.request(method, self._address + path, json=body, headers=headers) as answer:
                said = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Refused(502, f"{self._name} does not answer.") from error
        if answer.status >= 400:
            raise Refused(answer.status, str(said.get("detail")))
        return said


class Story:
    """What can be seen and done. Everything that a caller of the API sees is shown as the API shows it."""

    def __init__(self, places: Places, service: Side, lab: Side) -> None:
        self.places = places
        self._service = service
        self._lab = lab

    @classmethod
    @asynccontextmanager
    async def of(cls, places: Places) -> AsyncGenerator[Story]:
        """Use as an async context manager: it holds the connections to both sides."""
        async with (
            aiohttp.ClientSession(headers={"X-API-KEY": places.key}, timeout=WAIT) as caller,
            aiohttp.ClientSession(timeout=WAIT) as control,
        ):
            service = Side(caller, places.service + BASE, "The service")
            yield cls(places, service, Side(control, places.control, "The local WhatsApp"))

    async def begin(self) -> None:
        """Make the connection that everything is about, unless it is there from the last time."""
        wanted = {"connectionId": CONNECTION, "name": "Loja", "ownerId": "eu"}
        await self._service.ask("POST", "/connections", wanted)

    async def state(self) -> dict[str, Any]:
        """Answer how everything is now: the connection, its atendimentos, the newest one's messages, the customer's screen."""
        connection, atendimentos, screen = await asyncio.gather(
            self._service.ask("GET", f"/connections/{CONNECTION}"), self._atendimentos(), self._screen()
        )
        return {"connection": connection, **atendimentos, "screen": screen}

    async def qr(self) -> Any:
        """Answer the code to scan as the API answers it, without its text: the phone here reads it from the API."""
        code = await self._service.ask("GET", f"/connections/{CONNECTION}/qr")
        return {"image": code["image"], "expiresAt": code["expiresAt"], "attempt": code["attempt"]}

    async def scan(self) -> Any:
        """The shop's phone scans the code."""
        code = await self._service.ask("GET", f"/connections/{CONNECTION}/qr")
        return await self._lab.ask("POST", f"/phones/{SHOP.number}/scan", {"qr": code["code"]})

    async def write(self, text: str) -> Any:
        """The customer writes to the shop."""
        return await self._lab.ask("POST", f"/phones/{CUSTOMER.number}/messages", {"to": SHOP.number, "text": text})

    async def answer(self, text: str) -> Any:
        """The shop answers, through the API."""
        body = {"connectionId": CONNECTION, "to": CUSTOMER.number, "content": text, "type": "text"}
        return await self._service.ask("POST", "/messages/send", body, **{"Idempotency-Key": str(uuid4())})

    async def read(self) -> Any:
        """The customer opens the chat: what arrived is read."""
        got = await self._lab.ask("GET", f"/phones/{CUSTOMER.number}/messages")
        ids = [item["id"] for item in got["items"] if item["from"] == SHOP.number][-SHOWN:]
        return await self._lab.ask("POST", f"/phones/{CUSTOMER.number}/receipts", {"ids": ids}) if ids else {}

    async def finish(self) -> Any:
        """The shop finishes the newest atendimento: the customer's next message opens a new one."""
        found = await self._atendimentos()
        for one in found["atendimentos"][:1]:
            await self._service.ask("PATCH", f"/atendimentos/{one['id']}", {"status": "FINALIZADO"})
        return {}

    async def unlink(self) -> Any:
        """The shop unlinks its phone: the story begins anew."""
        return await self._service.ask("POST", f"/connections/{CONNECTION}/logout")

    async def tenant(self) -> Any:
        """Answer the link that a tenant would be sent, to scan the code with a phone."""
        return await self._service.ask("POST", f"/connections/{CONNECTION}/pair-link", {})

    async def _atendimentos(self) -> dict[str, Any]:
        """Answer the open ones and the newest one's messages; while the database is away, none, with the sentence that says so."""
        try:
            open_ones = await self._service.ask("GET", f"/atendimentos/active?connectionId={CONNECTION}")
            newest = open_ones["items"][:1]
            listed = [await self._service.ask("GET", f"/messages/{one['id']}?limit=500") for one in newest]
        except Refused as refused:
            return {"atendimentos": [], "messages": [], "trouble": str(refused)}
        return {"atendimentos": open_ones["items"], "messages": [m for page in listed for m in page["items"][-SHOWN:]]}

    async def _screen(self) -> list[dict[str, Any]]:
        """Answer the chat on the customer's phone, each message of its own with whether it reached the shop."""
        chat, handed = await asyncio.gather(
            self._lab.ask("GET", f"/phones/{CUSTOMER.number}/messages?kind=all"),
            self._lab.ask("GET", f"/deliveries?to={SHOP.number}"),
        )
        reached = {one["id"] for device in handed["items"] for one in device["deliveries"] if one["acked"]}
        items = [item for item in chat["items"] if item["chat"] == SHOP.number][-SHOWN:]
        return [_bubble(item, reached) for item in items]


def _bubble(item: Mapping[str, Any], reached: set[str]) -> dict[str, Any]:
    delivered = item["from_me"] and item["id"] in reached
    return {"text": item["text"], "at": item["at"], "own": item["from_me"], "delivered": delivered}
