"""Many sessions at once, and many messages into one."""

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_twenty_devices_pair_and_each_hears_its_contact(lab, engine, number):
    numbers = [number() for _ in range(20)]
    contact = number()
    await lab.phone(contact, "Bia")
    for one in numbers:
        await lab.phone(one, "Ana")
    await asyncio.gather(*(engine.pair(lab, one, one) for one in numbers))
    await asyncio.gather(*(lab.write(contact, one, f"para {one}") for one in numbers))
    for one in numbers:
        assert (await engine.event(one, "Message"))["text"] == f"para {one}"
    told = [one for one in (await lab.ask("GET", "/devices"))["items"] if one["phone"] in numbers]
    assert [(one["active"], one["fights"]) for one in told] == [(True, 0)] * 20


async def test_two_thousand_messages_arrive_in_order(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    ids = await lab.write(contact, phone, "m", count=2000)
    got = await engine.events_of("a", "Message", 2000)
    assert [one["id"] for one in got] == ids
    assert [one["text"] for one in got] == [f"m {n}" for n in range(2000)]
    [told] = (await lab.deliveries(device, wait=10, acked=2000))["items"]
    assert (told["handed"], told["acked"], told["redelivered"]) == (2000, 2000, 0)


async def test_a_flood_does_not_keep_others_waiting(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    flood = asyncio.create_task(lab.write(contact, phone, "m", count=3000))
    answered = 0
    while not flood.done():
        await asyncio.wait_for(lab.stats(), 1)
        answered += 1
    assert answered > 3
    assert len(await flood) == 3000


async def test_two_hundred_sends_at_once(lab, engine, phone, contact):
    await engine.pair(lab, "a", phone)
    ids = await engine.ask("send_many", session="a", to=contact, text="s", count=200)
    got = await lab.read(contact, wait=20, count=200)
    assert sorted(item["id"] for item in got) == sorted(ids)
