"""Every fault, and what the real engine makes of it."""

import asyncio

import pytest

from benchmarks.lab_engine import EngineError, running_engine
from lab.client import LabRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _back(lab, engine, session, since):
    """Waits until an engine that lost its connection is back by itself."""
    await engine.event(session, "Disconnected", since=since)
    await engine.event(session, "Connected", since=since)


@pytest.mark.parametrize(
    ("kind", "more"), [("drop", {}), ("close", {}), ("stream_error", {"code": 503})], ids=lambda value: str(value)
)
async def test_a_lost_connection_comes_back(lab, engine, phone, contact, kind, more):
    device = await engine.pair(lab, "a", phone)
    mark = engine.now
    await lab.fault(device, kind, **more)
    await _back(lab, engine, "a", mark)
    await lab.write(contact, phone, "ainda")
    await engine.event("a", "Message", text="ainda")
    [told] = (await lab.ask("GET", "/devices", to=device))["items"]
    assert (told["logins"], told["fights"]) == (2, 0)


async def test_replaced_is_final(lab, engine, phone):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "replaced")
    mark = engine.now
    await engine.event("a", "StreamReplaced")
    while await engine.ask("connected", session="a"):
        continue
    assert engine.of("a", "Connected", mark) == []


async def test_a_second_login_replaces_the_first_and_counts_as_a_fight(lab, engine, phone, place):
    device = await engine.pair(lab, "a", phone)
    before = (await lab.stats())["fights"]
    async with running_engine(place, engine.folder) as other:  # the same files: the same device
        other.prefix = engine.prefix
        await other.ask("connect", session="a")
        await other.event("a", "Connected")
        await engine.event("a", "StreamReplaced")
    assert (await lab.stats())["fights"] == before + 1
    [told] = (await lab.ask("GET", "/devices", to=device))["items"]
    assert (told["logins"], told["fights"]) == (2, 1)


async def test_removed_logs_out_and_unlinks(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    [sent] = await lab.write(contact, phone, "antes")
    await engine.event("a", "Message", text="antes")
    await lab.fault(device, "removed")
    assert (await engine.event("a", "LoggedOut"))["on_connect"] is False
    assert (await lab.ask("GET", "/devices", to=phone))["items"] == []
    with pytest.raises(LabRefused) as refused:
        await lab.fault(device, "drop")
    assert refused.value.status == 404
    again = await engine.pair(lab, "b", phone)
    present, former = (await lab.deliveries(phone))["items"]
    assert ([one["id"] for one in former["deliveries"]], former["linked"]) == ([sent], False)
    assert (present["device"], present["deliveries"], present["linked"]) == (again, [], True)


async def test_removed_while_away_is_found_out_at_login(lab, engine, phone):
    device = await engine.pair(lab, "a", phone)
    await engine.ask("stop", session="a")
    await lab.fault(device, "removed")
    await engine.ask("connect", session="a")
    assert (await engine.event("a", "LoggedOut"))["on_connect"] is True


async def test_an_engine_logs_itself_out(lab, engine, phone):
    await engine.pair(lab, "a", phone)
    await engine.ask("logout", session="a")
    assert (await lab.ask("GET", "/devices", to=phone))["items"] == []


async def test_stall_reads_and_never_answers(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "stall")
    await lab.write(contact, phone, "parado")
    with pytest.raises(TimeoutError):
        await engine.ask("on_whatsapp", session="a", number=f"+{contact}", timeout=0.5)
    [told] = (await lab.deliveries(device))["items"]
    assert (told["queued"], told["handed"]) == (1, 0)
    await lab.fault(device, "clear")
    await engine.event("a", "Message", text="parado")
    assert await engine.ask("on_whatsapp", session="a", number=f"+{contact}", timeout=5)


async def test_blackhole_holds_everything_back_until_it_is_over(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "blackhole")
    await lab.write(contact, phone, "preso")
    pending = asyncio.create_task(engine.ask("on_whatsapp", session="a", number=f"+{contact}"))
    assert (await lab.deliveries(device, wait=0.3, handed=1))["items"][0]["handed"] == 0
    assert not pending.done()
    await lab.fault(device, "clear")
    await engine.event("a", "Message", text="preso")
    assert await pending


async def test_a_fault_may_end_by_itself(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "blackhole", for_s=0.2)
    assert await engine.ask("on_whatsapp", session="a", number=f"+{contact}", timeout=5)


async def test_mute_never_answers_the_login(lab, engine, phone):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "mute", count=1)
    mark = engine.now
    await lab.fault(device, "drop")
    await engine.event("a", "Disconnected", since=mark)
    told = await _devices(lab, device, lambda one: one["logins"] == 2)
    assert (told["connected"], told["active"]) == (True, False)
    await lab.fault(device, "drop")
    await engine.event("a", "Connected", since=mark)
    assert len(engine.of("a", "Connected", mark)) == 1


async def _devices(lab, device, fact):
    async with asyncio.timeout(10):
        while True:
            [told] = (await lab.ask("GET", "/devices", to=device))["items"]
            if fact(told):
                return told


async def test_a_receipt_of_an_unknown_type_ends_the_event_pump(lab, engine, phone):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "receipt", type="lab-unknown")
    assert "required field" in (await engine.event("a", "ended"))["why"]


async def test_an_unknown_stream_error_is_told(lab, engine, phone):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "stream_error", code=599)
    assert (await engine.event("a", "StreamError"))["code"] == "599"


async def test_an_ack_with_an_error(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "ack", error=479)
    with pytest.raises(EngineError, match="479"):
        await engine.ask("send", session="a", to=contact, text="recusada")
    await engine.ask("send", session="a", to=contact, text="aceita")
    assert [item["text"] for item in await lab.read(contact, wait=5, count=1)] == ["aceita"]


async def test_an_ack_that_comes_late(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "ack", delay_s=3.0)
    sending = asyncio.create_task(engine.ask("send", session="a", to=contact, text="devagar"))
    [got] = await lab.read(contact, wait=5, count=1)
    assert not sending.done()
    assert await sending == got["id"]


async def test_an_ack_that_never_comes(lab, engine, phone, contact):
    device = await engine.pair(lab, "a", phone)
    await lab.fault(device, "ack", drop=True)
    sending = asyncio.create_task(engine.ask("send", session="a", to=contact, text="sem resposta"))
    assert [item["text"] for item in await lab.read(contact, wait=5, count=1)] == ["sem resposta"]
    done, _ = await asyncio.wait([sending], timeout=0.3)
    assert not done
    sending.cancel()


async def test_the_proxy_refuses(lab, engine, phone):
    await engine.pair(lab, "a", phone)
    await engine.ask("stop", session="a")
    await lab.faults("refuse", count=1)
    mark = engine.now
    await engine.ask("connect", session="a")
    assert "Service Unavailable" in (await engine.event("a", "ended", since=mark))["why"]
    await engine.ask("connect", session="a")
    await engine.event("a", "Connected", since=mark)


@pytest.mark.parametrize(
    ("order", "event", "facts"),
    [
        ({"reason": 401}, "LoggedOut", {"on_connect": True}),
        ({"reason": 403}, "LoggedOut", {"on_connect": True}),
        ({"reason": 402, "code": 101, "expire": 3600}, "TemporaryBan", {"expire": 3600}),
        ({"reason": 405}, "ClientOutdated", {}),
        ({"reason": 409}, "ConnectFailure", {}),
        ({"reason": 503}, "Disconnected", {}),
    ],
    ids=lambda value: str(value.get("reason", "")) if isinstance(value, dict) else value,
)
async def test_a_login_that_fails(lab, engine, phone, order, event, facts):
    await engine.pair(lab, "a", phone)
    await engine.ask("stop", session="a")
    await lab.faults("login", **order)
    mark = engine.now
    await engine.ask("connect", session="a")
    await engine.event("a", event, since=mark, **facts)


async def test_a_failure_the_engine_cannot_tell_ends_its_event_pump(lab, engine, phone):
    await engine.pair(lab, "a", phone)
    await engine.ask("stop", session="a")
    await lab.faults("login", reason=418)
    mark = engine.now
    await engine.ask("connect", session="a")
    assert "required field" in (await engine.event("a", "ended", since=mark))["why"]


@pytest.mark.parametrize(
    "body",
    [{}, {"kind": "nonsense"}, {"kind": "stall", "for_s": -1}, {"kind": "mute", "count": 0}, {"kind": "drop", "x": 1}],
)
async def test_an_order_that_does_not_fit(lab, engine, phone, body):
    device = await engine.pair(lab, "a", phone)
    with pytest.raises(LabRefused, match="does not fit") as refused:
        await lab.ask("POST", f"/devices/{device}/faults", body)
    assert refused.value.status == 422
