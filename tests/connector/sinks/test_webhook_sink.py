"""The webhook sink against a real receiver: order, signature, and what each answer does to the rows."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from connector.guard import outgoing
from connector.sinks.webhook import ALONE_S, REFUSALS_IN_A_ROW, Target, WebhookSink
from connector.spool import Drainer, Spool
from connector.spool.rows import StoredOut
from connector.spool.sink import Delivered, Going, Park, Poison, Wait

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def row(seq: int, chain: str = "a") -> StoredOut:
    body = json.dumps(
        {"id": f"evt_{seq}", "type": "messageReceived", "data": {"chain": chain, "n": seq, "text": "olá"}}
    )
    return StoredOut(sink="webhook", chain=chain, op=f"op:{seq}", body=body.encode(), seq=seq, at_us=0)


class Receiver:
    """Somebody else's server: checks each signature, keeps what it took, answers as told."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.asked: list[int] = []
        self.answers: dict[int, Callable[[], Awaitable[web.Response]]] = {}
        self.always: web.Response | None = None

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        event = Webhook(SECRET).verify(body, dict(request.headers))
        assert request.headers["webhook-id"] == event["id"]
        n = event["data"]["n"]
        self.asked.append(n)
        if self.always is not None:
            return web.Response(status=self.always.status, headers=self.always.headers)
        response = await self.answers[n]() if n in self.answers else web.Response(status=204)
        if response.status < 300:
            self.taken.append(n)
        return response

    def says(self, n: int, status: int, **headers: str) -> None:
        async def answer() -> web.Response:
            return web.Response(status=status, headers=headers, text="x" * 100_000)

        self.answers[n] = answer


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def server(receiver: Receiver):
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    async with TestServer(app) as server:
        yield server


@pytest.fixture
async def make(server):
    """Make a sink that talks to the receiver."""
    sinks: list[WebhookSink] = []
    async with outgoing(allow_internal=True, connections=8, timeout=aiohttp.ClientTimeout(total=5)) as http:

        def made(url: str = str(server.make_url("/hook")), **more: Any) -> WebhookSink:
            sinks.append(WebhookSink(Target(url, SECRET), http, **more))
            return sinks[-1]

        yield made
        for sink in sinks:
            await sink.close()


async def test_a_batch_arrives_in_the_order_of_each_chain(receiver: Receiver, make) -> None:
    """Signed, once each; chains go side by side, a chain one after another."""
    rows = [row(seq, "abc"[seq % 3]) for seq in range(60)]
    assert await make().deliver(rows) == Delivered()
    assert sorted(receiver.taken) == list(range(60))
    for first in range(3):
        own = [n for n in receiver.taken if n % 3 == first]
        assert own == sorted(own)


async def test_an_altered_body_or_another_secret_is_noticed(receiver: Receiver, server) -> None:
    """The receiver checks with the library of its own language: a wrong secret is a failure it answers with."""
    other = Target(str(server.make_url("/hook")), "whsec_" + "QUJD" * 8)
    async with outgoing(allow_internal=True, connections=1, timeout=aiohttp.ClientTimeout(total=5)) as http:
        assert isinstance(await WebhookSink(other, http).deliver([row(1)]), Wait)
    assert receiver.taken == []


@pytest.mark.parametrize(("status", "verdict"), [(500, Wait), (503, Wait), (408, Wait), (429, Wait), (401, Park), (403, Park),
                                                 (404, Park), (405, Park), (410, Park), (301, Park), (308, Park),
                                                 (400, Poison), (413, Poison), (422, Poison)])  # fmt: skip
async def test_each_answer_has_its_verdict(receiver: Receiver, make, status: int, verdict: type) -> None:
    """What passes waits, what somebody has to mend parks, what this event is to blame for is set aside."""
    receiver.says(1, status, Location="/elsewhere")
    found = await make().deliver([row(1)])
    assert isinstance(found, verdict)
    assert str(status) in found.reason
    assert "127.0.0.1" not in found.reason
    assert "olá" not in found.reason


@pytest.mark.parametrize(("header", "wait"), [("7", 7.0), ("999999", 3600.0), ("-3", None), ("soon", None), ("0", 0.0)])
async def test_how_long_to_wait_is_the_receivers_to_say(
    receiver: Receiver, make, header: str, wait: float | None
) -> None:
    """Seconds, bounded; what cannot be read is left to us."""
    receiver.says(1, 429, **{"Retry-After": header})
    found = await make().deliver([row(1)])
    assert (type(found), found.retry_after_s) == (Wait, wait)


async def test_how_long_to_wait_may_be_a_date(receiver: Receiver, make) -> None:
    """As HTTP writes it."""
    now = datetime.now(UTC)
    receiver.says(1, 503, **{"Retry-After": (now + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")})
    found = await make(now=lambda: now).deliver([row(1)])
    assert found.retry_after_s == pytest.approx(90, abs=1)


async def test_a_failing_event_keeps_its_chain_in_order_and_no_other_from_going(receiver: Receiver, make) -> None:
    """What arrived is told, so that it is not sent again; what comes after the failure in its chain is not sent at all."""
    receiver.says(2, 500)
    rows = [row(1, "a"), row(2, "a"), row(3, "a"), row(4, "b"), row(5, "b")]
    sink = make(clock=lambda: 0.0)
    assert await sink.deliver(rows) == Going({1, 4, 5})
    assert isinstance(await sink.deliver([one for one in rows if one.seq in (2, 3)]), Wait)
    del receiver.answers[2]
    assert await sink.deliver([one for one in rows if one.seq in (2, 3)]) == Delivered()
    assert [n for n in receiver.taken if n < 4] == [1, 2, 3]
    assert len(receiver.taken) == 5


async def test_a_refused_event_is_named_and_ends_its_chain_until_it_is_gone(receiver: Receiver, make) -> None:
    """The receiver is asked once about it, and never early about what follows it."""
    receiver.says(2, 422)
    sink = make()
    found = await sink.deliver([row(1), row(2), row(3), row(4, "b")])
    assert (type(found), found.delivered, found.seq) == (Poison, {1, 4}, 2)
    assert receiver.asked.count(2) == 1
    assert 3 not in receiver.asked
    assert await sink.deliver([row(3)]) == Delivered()
    receiver.answers.clear()
    assert await sink.deliver([row(2)]) == Delivered()  # replayed by hand: it is asked again


async def test_a_receiver_that_refuses_everything_parks(receiver: Receiver, make) -> None:
    """So many refused in a row are no bad events: nothing more is set aside until it takes one again."""
    receiver.always = web.Response(status=400)
    sink = make()
    for seq in range(REFUSALS_IN_A_ROW):
        assert isinstance(await sink.deliver([row(seq)]), Poison)
    for _ in range(2):
        assert isinstance(await sink.deliver([row(100), row(101)]), Park)
    receiver.always = None
    assert await sink.deliver([row(100), row(101)]) == Delivered()
    receiver.says(102, 400)
    assert isinstance(await sink.deliver([row(102)]), Poison)


async def test_an_event_that_fails_alone_for_an_hour_is_set_aside(receiver: Receiver, make) -> None:
    """Others arrive all the time: then it is this one, and it holds up its chain no longer. When none arrives it only waits."""
    receiver.says(1, 500)
    now = [0.0]
    sink = make(clock=lambda: now[0], turn_s=0.2)
    assert isinstance(await sink.deliver([row(1)]), Wait)
    now[0] = ALONE_S + 1
    assert isinstance(await sink.deliver([row(1)]), Wait)
    assert await sink.deliver([row(1), row(2, "b")]) == Going({2})
    asked = len(receiver.asked)
    assert await sink.deliver([row(1), row(3, "b")]) == Going({3})  # it is not due: the others go without it
    assert len(receiver.asked) == asked + 1
    now[0] += 60
    assert isinstance(await sink.deliver([row(1)]), Poison)


async def test_a_slow_answer_holds_up_its_own_chain_alone(receiver: Receiver, make) -> None:
    """While one request is under way the other chains' events arrive; it is neither broken off nor sent twice."""
    held = asyncio.Event()

    async def hold() -> web.Response:
        await held.wait()
        return web.Response()

    receiver.answers[1] = hold
    sink = make(turn_s=0.05)
    rows = [row(1, "slow"), row(2, "slow"), row(3, "b")]
    found = await sink.deliver(rows)
    assert found == Going({3})
    found = await sink.deliver([*rows[:2], row(4, "b"), row(5, "c")])
    assert found == Going({4, 5})
    held.set()
    while not isinstance(found, Delivered):
        rows = [one for one in rows[:2] if one.seq not in found.delivered]
        found = await sink.deliver(rows)
    assert receiver.asked == [1, 3, 4, 5, 2]


async def test_nothing_listens(make, unused_tcp_port: int) -> None:
    """A receiver that is away is waited for."""
    found = await make(f"http://127.0.0.1:{unused_tcp_port}/").deliver([row(1)])
    assert isinstance(found, Wait)


async def test_an_address_inside_parks_with_the_way_out(receiver: Receiver, server) -> None:
    """The guard's refusal reaches the operator as a sentence, and the receiver as nothing."""
    async with outgoing(allow_internal=False, connections=1, timeout=aiohttp.ClientTimeout(total=5)) as http:
        found = await WebhookSink(Target(str(server.make_url("/hook")), SECRET), http).deliver([row(1)])
    assert isinstance(found, Park)
    assert "WEBHOOK_ALLOW_INTERNAL" in found.reason
    assert receiver.asked == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 5}', b"\xff\xfe"])
async def test_what_is_no_event_is_set_aside(receiver: Receiver, make, body: bytes) -> None:
    """It cannot be signed, so it can never go."""
    broken = StoredOut(sink="webhook", chain="a", op="op", body=body, seq=1, at_us=0)
    assert isinstance(await make().deliver([broken]), Poison)
    assert receiver.asked == []


async def test_a_broken_off_answer_is_waited_for(receiver: Receiver, make, server) -> None:
    """Nobody knows whether it was taken: it is sent again, with the same id."""

    async def cut() -> web.Response:
        for connection in list(server.runner.server.connections):
            connection.transport.abort()
        return web.Response()

    receiver.answers[1] = cut
    sink = make()
    assert isinstance(await sink.deliver([row(1)]), Wait)
    del receiver.answers[1]
    assert await sink.deliver([row(1)]) == Delivered()
    assert receiver.asked == [1, 1]


async def test_closing_breaks_off_what_is_under_way(receiver: Receiver, make) -> None:
    """A stop does not wait for a slow receiver."""
    held = asyncio.Event()

    async def hold() -> web.Response:
        await held.wait()
        return web.Response()

    receiver.answers[1] = hold
    sink = make(turn_s=0.01)
    assert await sink.deliver([row(1)]) == Going()
    await asyncio.wait_for(sink.close(), 2)
    held.set()


async def test_a_slow_receiver_and_a_failing_event_hold_up_no_other_chain_on_the_real_queue(
    receiver: Receiver, make, tmp_path: Path
) -> None:
    """Through the outbox and its drainer: everything else arrives while one request hangs and one event fails for ever."""
    held = asyncio.Event()

    async def hold() -> web.Response:
        await held.wait()
        return web.Response()

    receiver.answers[1] = hold
    receiver.says(2, 500)
    receiver.says(5, 422)
    spool = await Spool.opened(tmp_path / "spool")
    drainer = Drainer(make(turn_s=0.05), spool.outbox)
    try:
        await spool.outbox.put(
            [row(1, "slow"), row(2, "failing"), row(3, "slow"), row(4, "failing"), row(5, "c"), row(6, "c")]
        )
        drainer.start()
        for n in range(10, 40):
            await spool.outbox.put([row(n, "abc"[n % 3])])
            await until(lambda n=n: n in receiver.taken)
        assert receiver.asked.count(1) == 1
        assert not {3, 4} & set(receiver.asked)
        assert drainer.view.dead == 1
        held.set()
        del receiver.answers[2]
        await until(lambda: drainer.view.depth == 0)
        assert [n for n in receiver.taken if n in (1, 3)] == [1, 3]
        assert [n for n in receiver.taken if n in (2, 4)] == [2, 4]
        assert len(receiver.taken) == len(set(receiver.taken)) == 35
    finally:
        await drainer.stop()
        await spool.close()


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not fact():  # noqa: ASYNC110 - what a receiver took has no event
            await asyncio.sleep(0.005)


async def test_it_names_the_setting_that_holds_its_address(receiver: Receiver, server) -> None:
    """Whoever is told corrects the right one: there are two."""
    receiver.says(1, 404)
    async with aiohttp.ClientSession() as http:
        sink = WebhookSink(Target(str(server.make_url("/hook")), SECRET, "ALERT_WEBHOOK_URL"), http, name="alert")
        found = await sink.deliver([row(1)])
        await sink.close()
    assert found == Park("The webhook's receiver knows nothing at this path: correct ALERT_WEBHOOK_URL (404).")
