"""Sends and texts whose steps come apart: in another order, twice, late, or with a killed hub in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
import pytest_asyncio

from benchmarks.rig import Numbers
from benchmarks.service import Receiver, Refused, Service
from lab.client import LabClient
from sessions.fleet import SEND_S
from sessions.inbox import InboxWriter, Row, inbox_name
from sessions.model import Address, Message, encode, kind_of
from sessions.register import Register

SOON_S = 30.0
LATE_S = 10.0  # later than a busy machine needs to look at the answer
T = TypeVar("T")


@pytest_asyncio.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    """Whoever is told by webhook."""
    async with Receiver() as receiver:
        yield receiver


@pytest_asyncio.fixture
async def service(
    tmp_path: Path, lab: LabClient, receiver: Receiver, record: dict[str, Any]
) -> AsyncGenerator[Service]:
    """The service, in a folder with a space and an accent in its path."""
    async with Service(tmp_path / "dados da loja", lab, webhook=receiver.url, per_worker=5, **record) as service:
        await service.ready()
        yield service


class Shop:
    """One connection and its one customer."""

    def __init__(self, service: Service, jid: str, number: str, customer: str) -> None:
        self.service = service
        self.jid = jid
        self.number = number
        self.customer = customer

    async def send(self, text: str, key: str | None = None) -> Any:
        """Send to the customer."""
        return await self.service.send("loja", self.customer, text, key=key)

    async def ask_until_answered(self, text: str, key: str) -> Any:
        """Send under a key until it is not under way any more."""
        async with asyncio.timeout(SOON_S):
            while True:
                try:
                    return await self.send(text, key)
                except Refused as refused:
                    assert refused.code == "in_progress"  # noqa: PT017  # the loop goes on, nothing is raised
                    await asyncio.sleep(0.1)

    async def texts(self) -> list[str]:
        """What the customer's phone got."""
        return [item["text"] for item in await self.service.lab.read(self.customer)]

    async def rows(self, fact: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The rows of the chat, once *fact* holds of them."""
        return await _until(lambda: self.service.rows("loja"), fact)


@pytest_asyncio.fixture
async def shop(service: Service, lab: LabClient, number: Numbers) -> Shop:
    """A connected shop."""
    shop = Shop(service, "", number(), number())
    shop.jid = (await service.pair("loja", shop.number))["jid"]
    await lab.phone(shop.customer, "Ana")
    return shop


async def test_a_send_whose_hub_dies_before_the_answer_was_sent_once(shop: Shop, lab: LabClient) -> None:
    """Who asks again under the same key is told how it ended, and the phone has one."""
    await lab.fault(shop.jid, "ack", delay_s=0.3, count=1)
    asking = asyncio.create_task(shop.send("chegou?", "pedido-1"))
    await lab.read(shop.customer, count=1, wait=10)
    await shop.service.kill()
    with pytest.raises((aiohttp.ClientError, OSError)):
        await asking
    await shop.service.start()
    await shop.service.ready()
    await shop.service.connected(1)
    answer = await shop.ask_until_answered("chegou?", "pedido-1")
    assert answer["status"] == "sent"
    assert await shop.texts() == ["chegou?"]
    (row,) = await shop.rows(lambda rows: bool(rows) and rows[0]["status"] in ("sent", "delivered"))
    assert (row["id"], row["wa_message_id"]) == (answer["messageId"], answer["waMessageId"])


async def test_a_send_whose_answer_never_comes_is_unknown_and_not_sent_again(shop: Shop, lab: LabClient) -> None:
    """Nobody knows, so nobody repeats it."""
    await lab.fault(shop.jid, "ack", drop=True, count=1)
    asking = asyncio.create_task(shop.send("chegou?", "pedido-1"))
    await lab.read(shop.customer, count=1, wait=10)
    await shop.service.kill()
    with pytest.raises((aiohttp.ClientError, OSError)):
        await asking
    await shop.service.start()
    await shop.service.ready()
    await shop.service.connected(1)
    answer = await shop.ask_until_answered("chegou?", "pedido-1")
    assert answer["status"] == "unknown"
    assert (await shop.service.by_id(answer["messageId"]))["status"] == "unknown"
    assert (await shop.send("e agora?"))["status"] == "sent"
    assert await shop.texts() == ["chegou?", "e agora?"]
    await shop.rows(lambda rows: len(rows) == 2 and rows[0]["status"] == "unknown")


async def test_a_receipt_that_overtakes_the_answer_is_joined(shop: Shop, lab: LabClient) -> None:
    """The phone confirms before WhatsApp answers the send: the row ends delivered, the send sent."""
    await lab.fault(shop.jid, "ack", delay_s=4.0, count=1)
    asking = asyncio.create_task(shop.send("rápido"))
    await _until(lambda: lab.ask("GET", f"/deliveries?to={shop.number}&kind=receipt"), _settled)
    assert not asking.done()
    answer = await asking
    assert answer["status"] == "sent"
    (row,) = await shop.rows(lambda rows: bool(rows) and rows[0]["status"] == "delivered")
    assert row["wa_message_id"] == answer["waMessageId"]


async def test_the_same_key_after_a_restart_answers_the_same(shop: Shop) -> None:
    """Killed or not in between: one message, one answer, and another text under the key is refused."""
    first = await shop.send("uma vez", "pedido-1")
    await shop.service.kill()
    await shop.service.start()
    await shop.service.ready()
    assert await shop.send("uma vez", "pedido-1") == first
    with pytest.raises(Refused) as refused:
        await shop.send("outra coisa", "pedido-1")
    assert refused.value.code == "idempotency_key_reused"
    assert await shop.texts() == ["uma vez"]


async def test_a_damaged_text_that_is_repaired_fills_its_own_row(
    shop: Shop, lab: LabClient, receiver: Receiver
) -> None:
    """First nobody can read it, then it comes again: one row, in its place, with the text."""
    await lab.fault(shop.jid, "corrupt", count=1)
    ids = await lab.write(shop.customer, shop.number, "legível")
    ids += await lab.write(shop.customer, shop.number, "depois")
    rows = await shop.rows(lambda rows: len(rows) == 2 and None not in [row["conteudo"] for row in rows])
    assert [(row["wa_message_id"], row["conteudo"]) for row in rows] == [(ids[0], "legível"), (ids[1], "depois")]
    told = [event["data"]["content"] for event in receiver.events if event["data"].get("waMessageId") == ids[0]]
    assert told == [None, "legível"]


async def test_an_answer_that_comes_late_ends_the_doubt(shop: Shop, lab: LabClient) -> None:
    """Told as unknown when nobody can wait any longer; sent, and so on record, once WhatsApp says so after all."""
    await lab.fault(shop.jid, "ack", delay_s=SEND_S + LATE_S, count=1)
    answer = await shop.send("demora")
    assert (answer["status"], answer["waMessageId"]) == ("unknown", None)
    assert (await shop.service.by_id(answer["messageId"]))["status"] == "unknown"
    told = await _until(lambda: shop.service.by_id(answer["messageId"]), lambda told: told["status"] == "sent")
    (row,) = await shop.rows(lambda rows: bool(rows) and rows[0]["status"] == "delivered")
    assert (row["id"], row["wa_message_id"]) == (answer["messageId"], told["waMessageId"])
    assert await shop.texts() == ["demora"]


async def test_a_text_that_is_handed_over_twice_is_one_row(shop: Shop, lab: LabClient, receiver: Receiver) -> None:
    """The same id from two inboxes, as after a worker was killed before WhatsApp heard its acknowledgement: the first one stays."""
    (first,) = await lab.write(shop.customer, shop.number, "uma vez")
    (row,) = await shop.rows(lambda rows: len(rows) == 1)
    spool = shop.service.data / "spool"
    [session] = Register(shop.service.data / "sessions").load()
    chat = Address(f"{shop.customer}@s.whatsapp.net")
    again = Message(first, chat, chat, from_me=False, group=False, at_ms=1, push_name="Ana", text="outra vez")
    with closing(InboxWriter(spool / inbox_name("w9", "b9"), wake=lambda: None)) as inbox:
        inbox.append(Row(session.id, kind_of(again), 17, 1, encode(again)))
    await lab.write(shop.customer, shop.number, "depois")
    rows = await shop.rows(lambda rows: len(rows) == 2)
    await _until(lambda: _contents(receiver), lambda contents: len(contents) == 3)
    assert sorted(await _contents(receiver)) == ["depois", "outra vez", "uma vez"]
    rows = await shop.service.rows("loja")
    assert rows[0] == row
    assert [one["conteudo"] for one in rows] == ["uma vez", "depois"]


async def _contents(receiver: Receiver) -> list[str]:
    return [event["data"]["content"] for event in receiver.events if event["type"] == "messageReceived"]


def _settled(answer: Any) -> bool:
    return any(one["acked"] for device in answer["items"] for one in device["deliveries"])


async def _until(ask: Callable[[], Awaitable[T]], fact: Callable[[T], bool]) -> T:
    async with asyncio.timeout(SOON_S):
        while True:
            if fact(answer := await ask()):
                return answer
            await asyncio.sleep(0.05)
