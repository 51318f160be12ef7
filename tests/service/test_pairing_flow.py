"""Linking a phone, with the real engine."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions import pairing
from sessions.errors import AlreadyConnected, PairingEnded
from sessions.state import Reason


async def test_a_phone_pairs_by_qr_and_writes(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """The main job: scan, connected, a text in, a text out."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    await lab.write(customer, shop, "olá, tudo bem?")
    assert await rig.texts(session, 1) == ["olá, tudo bem?"]
    message = rig.messages(session)[0]
    outcome = await rig.fleet.send(session, "ref-1", message.chat.jid, "tudo!")
    assert outcome.status == "sent"
    assert [item["text"] for item in await lab.read(customer, count=1, wait=10)] == ["tudo!"]
    view = rig.fleet.view(session)
    assert view.identity
    assert view.identity.phone == shop
    assert view.lab


async def test_a_phone_pairs_by_code(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Eight characters typed on the phone do the same."""
    shop = number()
    await lab.phone(shop, "Loja")
    session = rig.fleet.create()
    code = await rig.fleet.pair_code(session, shop)
    assert len(code.text.replace("-", "")) == 8
    await lab.link(shop, code.text)
    await rig.connected(session)


async def test_a_connected_session_asks_for_no_code(rig: Rig, number: Numbers) -> None:
    """There is nothing to scan when a phone is linked."""
    session = await rig.pair(number())
    with pytest.raises(AlreadyConnected):
        await rig.fleet.qr(session)


async def test_a_code_that_nobody_scans_expires_and_a_new_one_can_be_asked_for(
    rig: Rig, lab: LabClient, number: Numbers
) -> None:
    """The pairing ends with a sentence; the next one works."""
    await lab.ask("POST", "/pairing", {"refs": 1})
    try:
        session = rig.fleet.create()
        await rig.fleet.qr(session)
        await rig.in_state(Reason.PAIRING_ENDED, session, within_s=40)
    finally:
        await lab.ask("POST", "/pairing", {"refs": 6})
    assert "novo" in rig.fleet.view(session).state.sentence("pt")
    shop = number()
    await lab.phone(shop, "Loja")
    await lab.scan(shop, (await rig.fleet.qr(session)).text)
    await rig.connected(session)


async def test_no_message_is_lost_while_a_session_moves_house(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Two hundred texts written between the scan and the resident worker's connection all arrive, once, in order."""
    shop, customer = number(), number()
    await lab.phone(shop, "Loja")
    await lab.phone(customer, "Ana")
    session = rig.fleet.create()
    await lab.scan(shop, (await rig.fleet.qr(session)).text)
    written = 0
    while rig.fleet.view(session).state.reason is not Reason.CONNECTED or written < 200:
        await lab.write(customer, shop, f"texto {written}")
        written += 1
        await asyncio.sleep(0.01)
        assert written < 2000
    texts = await rig.texts(session, written)
    assert texts == [f"texto {index}" for index in range(written)]


async def test_a_pairing_that_could_not_begin_says_why(rig: Rig, lab: LabClient) -> None:
    """WhatsApp cannot be reached: the caller is not left waiting."""
    await lab.faults("refuse", for_s=20)
    try:
        session = rig.fleet.create()
        with pytest.raises(PairingEnded):
            await rig.fleet.qr(session, 15)
        assert rig.fleet.view(session).state.reason in (Reason.UNREACHABLE, Reason.NEVER_PAIRED, Reason.PAIRING_ENDED)
    finally:
        await lab.faults("clear")


async def test_whatsapp_away_right_after_the_scan_needs_no_second_one(
    rig: Rig, lab: LabClient, number: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone lists the device by then: it is connected as soon as WhatsApp lets it in."""
    monkeypatch.setattr(pairing, "LINK_S", 3.0)
    session = rig.fleet.create()
    shop = number()
    await lab.phone(shop, "Loja")
    code = await rig.fleet.qr(session)
    linking = asyncio.create_task(rig.in_state(Reason.LINKING, session, within_s=40))
    await lab.faults("refuse", for_s=12)
    await lab.scan(shop, code.text)
    await linking
    await rig.in_state(Reason.CONNECTED, session, within_s=60)
    assert len((await lab.ask("GET", "/devices", to=shop))["items"]) == 1
