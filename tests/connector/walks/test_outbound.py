"""The only door out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from connector.letters import Letters
from connector.refusals import InProgress, KeyReused, NotOnWhatsApp, UnknownConnection, UnknownMessage
from connector.spool import DeadLetter, Ended, NewSend
from connector.spool.dead import Which
from connector.views import ConnectionIn, SendIn
from sessions.errors import NotConnected, SendError
from sessions.model import SendStatus, SessionId
from sessions.state import Reason

JID = "5511987654321@s.whatsapp.net"
ASKED = SendIn(connection_id="loja", to="+55 11 98765-4321", content="olá")


@pytest.fixture
async def shop(house):
    """A connected connection."""
    await house.connections.create(ConnectionIn("loja", "Loja", "dono", None))
    house.fleet.become(SessionId(house.connections.ref("loja").session), Reason.CONNECTED)
    house.fleet.numbers["5511987654321"] = JID
    return house


def test_what_is_to_be_sent_shows_no_text():
    """A traceback or a line of the log may hold its repr."""
    assert "olá" not in repr(ASKED)
    assert "loja" in repr(ASKED)


async def test_a_send_is_on_record_before_the_engine_is_asked(shop):
    view = await shop.outbound.send(ASKED)
    assert (view.status, view.wa_message_id, view.recorded) == ("sent", "WA-1", False)
    assert shop.fleet.sent == [(view.message_id, JID, "olá")]
    (fact,) = [one for one in await shop.told("record") if one["kind"] == "sending"]
    assert fact["message"]["message_id"] == view.message_id
    assert fact["message"]["to"] == JID
    assert fact["connection"]["connection_id"] == "loja"


async def test_the_same_key_is_sent_once_and_answered_alike(shop):
    wanted = SendIn(connection_id="loja", to="11 98765-4321", content="olá", idempotency_key="pedido-1")
    first = await shop.outbound.send(wanted)
    shop.fleet.become(SessionId(shop.connections.ref("loja").session), Reason.DEAF)
    assert await shop.outbound.send(wanted) == first
    assert len(shop.fleet.sent) == 1
    with pytest.raises(KeyReused):
        await shop.outbound.send(
            SendIn(connection_id="loja", to="11 98765-4321", content="outro", idempotency_key="pedido-1")
        )


async def test_a_key_that_is_under_way_is_not_sent_again(shop):
    new = NewSend("id-1", "loja", shop.connections.ref("loja").session, "loja", "k", "hash")
    await shop.spool.sends.begin(new, [])
    with pytest.raises((InProgress, KeyReused)):
        await shop.outbound.send(SendIn(connection_id="loja", to=JID, content="x", idempotency_key="k"))
    assert shop.fleet.sent == []


@pytest.mark.parametrize("status", [SendStatus.UNKNOWN, SendStatus.FAILED])
async def test_what_is_not_sent_says_so_and_is_never_repeated(shop, status: SendStatus):
    shop.fleet.answer, shop.fleet.error = status, SendError.WORKER_GONE
    view = await shop.outbound.send(ASKED)
    assert (view.status, view.error) == (status.value, SendError.WORKER_GONE)
    assert len(shop.fleet.sent) == 1
    assert (await shop.outbound.by_id(view.message_id)).status == status.value
    assert [one["status"] for one in await shop.told("record") if one["kind"] == "outcome"] == [status.value]


async def test_a_late_ending_turns_unknown_into_sent_and_never_back(shop):
    shop.fleet.answer, shop.fleet.error = SendStatus.UNKNOWN, SendError.WORKER_GONE
    view = await shop.outbound.send(ASKED)
    assert await shop.spool.sends.finish(Ended(view.message_id, SendStatus.SENT, 1, "WA-9"))
    assert not await shop.spool.sends.finish(Ended(view.message_id, SendStatus.UNKNOWN, 2))
    found = await shop.outbound.by_id(view.message_id)
    assert (found.status, found.wa_message_id) == ("sent", "WA-9")


async def test_a_refusal_of_the_sessions_is_a_failed_send(shop):
    shop.fleet.answer = NotConnected()
    with pytest.raises(NotConnected):
        await shop.outbound.send(ASKED)
    assert [one["status"] for one in await shop.told("record") if one["kind"] == "outcome"] == ["failed"]


async def test_nothing_is_written_for_what_is_refused_at_the_door(shop):
    before = await shop.told("record")
    with pytest.raises(UnknownConnection):
        await shop.outbound.send(SendIn(connection_id="outra", to=JID, content="x"))
    with pytest.raises(NotOnWhatsApp):
        await shop.outbound.send(SendIn(connection_id="loja", to="+55 11 90000-0000", content="x"))
    shop.fleet.become(SessionId(shop.connections.ref("loja").session), Reason.LOGGED_OUT)
    with pytest.raises(NotConnected, match="QR"):
        await shop.outbound.send(ASKED)
    assert await shop.told("record") == before
    assert shop.fleet.sent == []
    with pytest.raises(UnknownMessage):
        await shop.outbound.by_id("nada")


async def test_both_brazilian_forms_are_asked_and_the_confirmed_one_is_remembered(shop):
    shop.fleet.numbers = {"551187654321": "551187654321@s.whatsapp.net"}
    await shop.outbound.send(ASKED)
    await shop.outbound.send(ASKED)
    assert shop.fleet.asked == ["5511987654321", "551187654321"]
    assert {to for _ref, to, _text in shop.fleet.sent} == {"551187654321@s.whatsapp.net"}


async def test_what_an_earlier_run_left_open_becomes_unknown(shop):
    new = NewSend("id-1", "loja", shop.connections.ref("loja").session, "loja", None, "hash")
    await shop.spool.sends.begin(new, [])
    assert await shop.outbound.recover(before_us=1 << 62) == 1
    assert (await shop.outbound.by_id("id-1")).status == "unknown"
    assert await shop.outbound.recover(before_us=1 << 62) == 0


async def test_a_send_whose_beginning_was_refused_and_is_put_back_gets_its_end(shop):
    """The record heard how it ended while it had no row of it; nothing would ever tell it again."""
    spool = shop.spool
    view = await shop.outbound.send(ASKED)
    await spool.sends.finish(Ended(view.message_id, SendStatus.SENT, 1_000_000, "WA-1"))
    beginning = next(row for row in await spool.outbox.read("record", 100) if row.op == f"send:{view.message_id}")
    await spool.outbox.delete([row for row in await spool.outbox.read("record", 100) if row != beginning])
    await spool.outbox.bury(beginning, "The database refused it.")
    (letter,) = await spool.dead.list(Which("record"), after=0, limit=10)
    queue: Any = SimpleNamespace(view=SimpleNamespace(name="record"))
    nobody: Any = None
    letters = Letters(spool.dead, nobody, [queue], shop.connections.refs, behind=shop.outbound.endings)
    await letters.replay(letter.id)
    begun, ended = await shop.told("record")
    assert (begun["kind"], ended["kind"]) == ("sending", "outcome")
    assert (ended["message_id"], ended["status"], ended["wa_message_id"]) == (view.message_id, "sent", "WA-1")
    assert ended["version"] > begun["version"]


async def test_what_has_no_end_yet_or_is_no_send_brings_nothing_along(shop):
    await shop.spool.sends.begin(
        NewSend("id-1", "loja", shop.connections.ref("loja").session, "loja", None, "hash"), []
    )
    rows = [
        ("record", "send:id-1"),
        ("record", "send:id-1:sent"),
        ("record", "send:gone"),
        ("record", "op:1"),
        ("webhook", "send:id-1"),
    ]
    found = [DeadLetter(sink, "s", op, b"{}", id=1, reason="No.", at_us=1, seq=1) for sink, op in rows]
    assert await shop.outbound.endings(found) == []
