"""Texts in and out through the real engine: in order, once, and how each send ended on record."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TypeVar

from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions.model import Outcome, Receipt, SendStatus, SessionId, Typing

T = TypeVar("T")


async def test_a_thousand_in_and_a_thousand_out(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """In order, none missing, none twice; every send's outcome is a row of the inbox."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    ids = await lab.write(customer, shop, "entra", count=1000)
    assert await rig.texts(session, 1000) == [f"entra {index}" for index in range(1000)]
    assert [message.id for message in rig.messages(session)] == ids
    to = f"{customer}@s.whatsapp.net"
    outcomes = await asyncio.gather(
        *(rig.fleet.send(session, f"ref-{index}", to, f"sai {index}", deadline_s=60) for index in range(1000))
    )
    assert Counter(outcome.status for outcome in outcomes) == {SendStatus.SENT: 1000}
    arrived = await lab.read(customer, count=1000, wait=30)
    assert [item["text"] for item in arrived] == [f"sai {index}" for index in range(1000)]
    await rig.until(lambda: len(_outcomes(rig, session)) == 1000)
    assert [one.ref for one in _outcomes(rig, session)] == [f"ref-{index}" for index in range(1000)]
    assert [one.message_id for one in _outcomes(rig, session)] == [item["id"] for item in arrived]


async def test_what_the_own_phone_writes_is_seen(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Typed on the shop's phone: the session sees it as its own, with the customer as the chat."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    await lab.write(shop, customer, "escrevi no celular", from_own_phone=True)
    await rig.until(lambda: len(rig.messages(session, own=True)) == 1)
    message = rig.messages(session, own=True)[0]
    assert message.text == "escrevi no celular"
    assert message.from_me
    assert customer in {(message.chat.alt or "").split("@")[0], message.chat.jid.split("@")[0]}


async def test_receipts_and_typing_are_heard(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Delivered, read, and somebody writing."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    outcome = await rig.fleet.send(session, "ref", f"{customer}@s.whatsapp.net", "chegou?")
    await lab.read(customer, count=1, wait=10)
    await lab.ask("POST", f"/phones/{customer}/receipts", {"ids": [outcome.message_id], "type": "read"})
    await rig.until(lambda: {"delivered", "read"} <= _states_of(rig, session, outcome.message_id))
    await lab.ask("POST", f"/phones/{customer}/typing", {"to": shop, "state": "composing"})
    await rig.until(lambda: any(one.composing for one in _of(rig, session, Typing)))


async def test_a_number_without_whatsapp_is_a_failed_send(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Failed, with the reason; never unknown."""
    session = await rig.pair(number())
    outcome = await rig.fleet.send(session, "ref", f"{number()}@s.whatsapp.net", "ninguém")
    assert (outcome.status, outcome.error) == (SendStatus.FAILED, "not_on_whatsapp")
    assert await rig.fleet.on_whatsapp(session, number()) is None


async def test_texts_written_while_away_arrive_afterwards(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """A stopped session gets what was written meanwhile, in order, when it is connected again."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    await rig.fleet.disconnect(session)
    await lab.write(customer, shop, "offline", count=100)
    rig.fleet.connect(session)
    assert await rig.texts(session, 100) == [f"offline {index}" for index in range(100)]


async def test_two_sessions_write_to_each_other(rig: Rig, number: Numbers) -> None:
    """Both ends are ours."""
    left_number, right_number = number(), number()
    left, right = await rig.pair(left_number), await rig.pair(right_number)
    await rig.fleet.send(left, "a", f"{right_number}@s.whatsapp.net", "de lá")
    assert await rig.texts(right, 1) == ["de lá"]
    await rig.fleet.send(right, "b", rig.messages(right)[0].chat.jid, "de cá")
    assert await rig.texts(left, 1) == ["de cá"]


def _of(rig: Rig, session: SessionId, kind: type[T]) -> list[T]:
    return [one.words for one in rig.heard[session] if isinstance(one.words, kind)]


def _outcomes(rig: Rig, session: SessionId) -> list[Outcome]:
    return _of(rig, session, Outcome)


def _states_of(rig: Rig, session: SessionId, message: str | None) -> set[str]:
    return {one.kind for one in _of(rig, session, Receipt) if message in one.ids}
