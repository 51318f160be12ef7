"""Texts in every direction, and what comes back for them."""

import asyncio
import contextlib

import pytest

from benchmarks.lab_engine import EngineError
from lab.client import LabRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")

DELIVERED, RETRY, READ, READ_SELF = 1, 3, 4, 5
AUDIO = 2


async def test_a_contact_writes_to_a_session(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    [sent] = await lab.write(contact, phone, "olá ✓")
    got = await engine.event("a", "Message", text="olá ✓")
    assert (got["id"], got["push_name"], got["sender_alt"], got["from_me"]) == (sent, "Bia", contact, False)
    answer = await lab.deliveries(phone, wait=5, acked=1)
    [device] = answer["items"]
    assert (device["handed"], device["acked"], device["redelivered"]) == (1, 1, 0)
    [delivery] = device["deliveries"]
    assert (delivery["id"], delivery["from"], delivery["acked"]) == (sent, f"{contact}@s.whatsapp.net", "receipt")


async def test_a_session_writes_to_a_contact(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    sent = await engine.ask("send", session="a", to=contact, text="oi")
    [got] = await lab.read(contact, wait=5, count=1)
    assert (got["id"], got["from"], got["text"]) == (sent, phone, "oi")
    assert (await engine.event("a", "Receipt"))["ids"] == [sent]


async def test_what_a_session_sends_shows_on_its_own_phone(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    await engine.ask("send", session="a", to=contact, text="oi")
    answer = await lab.ask("GET", f"/phones/{phone}/messages", kind="sent", wait=5, count=1)
    [item] = answer["items"]
    assert (item["text"], item["chat"], item["from_me"]) == ("oi", contact, True)
    assert await lab.read(phone) == []


async def test_what_is_typed_on_the_own_phone_reaches_the_session_and_the_contact(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    [sent] = await lab.write(phone, contact, "do celular", from_own_phone=True)
    got = await engine.event("a", "Message", text="do celular")
    assert (got["id"], got["from_me"], got["recipient_alt"]) == (sent, True, contact)
    [item] = await lab.read(contact, wait=5, count=1)
    assert (item["id"], item["from"]) == (sent, phone)


async def test_the_own_phone_needs_a_linked_device_to_show_what_it_types(lab, phone, contact):
    with pytest.raises(LabRefused) as refused:
        await lab.write(phone, contact, "oi", from_own_phone=True)
    assert refused.value.status == 409


async def test_a_conversation_both_ways_in_order(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    for turn in range(5):
        await lab.write(contact, phone, f"pergunta {turn}")
        await engine.event("a", "Message", text=f"pergunta {turn}")
        await engine.ask("send", session="a", to=contact, text=f"resposta {turn}")
    got = await lab.read(contact, wait=5, count=5)
    assert [item["text"] for item in got] == [f"resposta {turn}" for turn in range(5)]


async def test_two_sessions_write_to_each_other(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    await engine.pair(lab, "b", contact)
    await engine.ask("send", session="a", to=contact, text="da A")
    got = await engine.event("b", "Message", text="da A")
    assert (got["sender_alt"], got["push_name"]) == (phone, "Ana")
    await engine.ask("send", session="b", to=phone, text="da B")
    await engine.event("a", "Message", text="da B")
    assert [item["text"] for item in await lab.read(contact, wait=5, count=1)] == ["da A"]


async def test_a_device_linked_later_gets_what_is_sent_from_then_on(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    await engine.ask("send", session="a", to=contact, text="antes")
    await engine.pair(lab, "b", contact)
    await _told_of_new_devices(lab, phone)
    await engine.ask("send", session="a", to=contact, text="depois")
    got = await engine.event("b", "Message")
    assert got["text"] == "depois"


async def _told_of_new_devices(lab, number):
    """Waits until the engine has taken the news that a contact's devices changed."""
    news = (await lab.deliveries(number, kind="notification"))["items"][0]["deliveries"]
    while not news or any(one["acked"] is None for one in news):
        news = (await lab.deliveries(number, kind="notification"))["items"][0]["deliveries"]


async def test_a_read_by_the_contact_comes_back(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    sent = await engine.ask("send", session="a", to=contact, text="oi")
    await lab.read(contact, wait=5, count=1)
    await lab.ask("POST", f"/phones/{contact}/receipts", {"ids": [sent], "type": "read"})
    assert (await engine.event("a", "Receipt", type=READ))["ids"] == [sent]


async def test_a_read_on_the_own_phone_reaches_the_session(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    [sent] = await lab.write(contact, phone, "oi")
    await engine.event("a", "Message", text="oi")
    await lab.ask("POST", f"/phones/{phone}/receipts", {"ids": [sent], "type": "read"})
    got = await engine.event("a", "Receipt", type=READ_SELF)
    assert got["ids"] == [sent]


async def test_a_session_reads(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    ids = await lab.write(contact, phone, "oi", count=3)
    await engine.events_of("a", "Message", 3)
    sender = engine.of("a", "Message")[0]["sender"]
    await engine.ask("mark_read", session="a", ids=ids, chat=sender)
    assert ids in await _receipts(lab, contact, "read")


async def _receipts(lab, number, kind):
    since, found = 0, []
    while not found:
        answer = await lab.ask("GET", f"/phones/{number}/events", since=since, wait=5)
        assert answer["items"], "no receipt came"
        since = answer["next"]
        found = [one["ids"] for one in answer["items"] if one["kind"] == "receipt" and one["type"] == kind]
    return found


async def test_receipts_for_messages_nobody_got(lab, contact):
    with pytest.raises(LabRefused) as refused:
        await lab.ask("POST", f"/phones/{contact}/receipts", {"ids": ["NONE"], "type": "read"})
    assert refused.value.status == 404


async def test_typing_both_ways(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    await lab.ask("POST", f"/phones/{contact}/typing", {"to": phone, "state": "recording"})
    got = await engine.event("a", "ChatPresence")
    assert got["media"] == AUDIO
    await _name_known(engine, "a")
    await engine.ask("typing", session="a", to=got["sender"])
    answer = await lab.ask("GET", f"/phones/{contact}/events", wait=5)
    assert {"kind": "typing", "state": "composing", "from": phone}.items() <= answer["items"][-1].items()


async def test_the_name_set_on_the_phone_lets_a_session_show_itself(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    await _name_known(engine, "a")
    await engine.ask("subscribe", session="a", to=contact)
    assert (await engine.event("a", "Presence"))["unavailable"] is True
    mark = engine.now
    await lab.ask("POST", f"/phones/{contact}/presence", {"state": "available"})
    assert (await engine.event("a", "Presence", since=mark))["unavailable"] is False


async def _name_known(engine, session):
    """The name comes through the application state, which the engine fetches after the login."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(EngineError):
                return await engine.ask("presence", session=session)


async def test_what_arrives_while_a_session_is_away_waits_for_it(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    await engine.ask("stop", session="a")
    await lab.ask("GET", "/devices", wait=5)
    ids = await lab.write(contact, phone, "fila", count=20)
    [before] = (await lab.deliveries(device))["items"]
    assert (before["queued"], before["handed"]) == (20, 0)
    mark = engine.now
    await engine.ask("connect", session="a")
    preview = await engine.event("a", "OfflineSyncPreview", since=mark)
    assert preview["messages"] == 20
    await engine.event("a", "OfflineSyncCompleted", since=mark)
    got = await engine.events_of("a", "Message", 20)
    assert [one["id"] for one in got] == ids
    [after] = (await lab.deliveries(device, wait=5, acked=20))["items"]
    assert (after["acked"], after["redelivered"]) == (20, 0)


async def test_who_is_on_whatsapp(lab, engine, phone, contact, number):
    await engine.pair(lab, "a", phone)
    [there] = await engine.ask("on_whatsapp", session="a", number=f"+{contact}")
    assert there["in"] is True
    absent = number()
    await lab.phone(absent, "Nobody", registered=False)
    for nobody in (absent, number()):
        [answer] = await engine.ask("on_whatsapp", session="a", number=f"+{nobody}")
        assert answer["in"] is False
        with pytest.raises(EngineError, match="no LID found"):
            await engine.ask("send", session="a", to=nobody, text="oi")


async def test_a_message_the_session_cannot_read_is_sent_again(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    await lab.write(contact, phone, "antes")
    await engine.event("a", "Message", text="antes")
    await lab.fault(device, "corrupt")
    [sent] = await lab.write(contact, phone, "estragada")
    got = await engine.event("a", "Message", text="estragada")
    assert got["id"] == sent
    [items] = (await lab.deliveries(device, wait=5, acked=3))["items"]
    assert [one["id"] for one in items["deliveries"]].count(sent) == 2
    events = (await lab.ask("GET", f"/phones/{contact}/events"))["items"]
    assert {"kind": "retry", "id": sent, "from": phone}.items() <= next(
        e for e in events if e["kind"] == "retry"
    ).items()


async def test_a_message_the_contact_cannot_read_is_asked_for_again(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    await lab.write(contact, phone, "olá")
    await engine.event("a", "Message", text="olá")
    await engine.ask("send", session="a", to=contact, text="antes")
    await lab.fault(device, "forget")
    sent = await engine.ask("send", session="a", to=contact, text="depois")
    got = await lab.read(contact, wait=5, count=2)
    assert [(item["id"], item["text"]) for item in got][1] == (sent, "depois")
    assert (await engine.event("a", "Receipt", type=RETRY))["ids"] == [sent]
    await engine.event("a", "Receipt", type=DELIVERED, ids=[sent])
