"""Connections: the caller's names, kept here, told to every sink."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from loguru import logger

from connector.connections import Connections
from connector.events import Events
from connector.refusals import ConnectionConflict, UnknownConnection
from connector.running import announcer
from connector.spool import SpoolFull
from connector.views import ConnectionIn
from sessions.model import SessionId
from sessions.pairing import Code
from sessions.state import Reason, State

SINKS = frozenset({"record", "webhook"})
SHOP = ConnectionIn("loja", "Loja", "dono", "empresa")


async def _tell(house, *reasons: Reason) -> SessionId:
    session = SessionId(house.connections.ref("loja").session)
    for before, now in pairwise(reasons):
        house.fleet.become(session, now)
        house.connections.changed(session, State(before), State(now))
    return session


@pytest.fixture
async def telling(house):
    task = asyncio.create_task(house.connections.run())
    yield house
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_same_again_is_answered_and_another_is_refused(house):
    made, new = await house.connections.create(SHOP)
    assert new
    assert (made.connection_id, made.status, made.reason) == ("loja", "disconnected", "never_paired")
    assert (await house.connections.create(SHOP)) == (made, False)
    with pytest.raises(ConnectionConflict):
        await house.connections.create(ConnectionIn("loja", "Outra", "dono", "empresa"))
    assert len(house.fleet.views) == 1


async def test_one_that_cannot_be_kept_leaves_no_session_behind(house, monkeypatch):
    """The disk is full, and the caller tries again and again."""

    async def full(_connection: object) -> None:
        raise SpoolFull("no room")

    with monkeypatch.context() as patched:
        patched.setattr(house.spool.connections, "put", full)
        with pytest.raises(SpoolFull):
            await house.connections.create(SHOP)
    assert house.fleet.views == {}
    assert (await house.connections.create(SHOP))[1]


async def test_one_without_a_session_hides_no_other_and_can_be_removed(telling):
    """Its record was damaged, or the service was killed while it was removed."""
    house = telling
    for name in ("loja", "outra"):
        await house.connections.create(ConnectionIn(name, name, "dono", None))
    session = SessionId(house.connections.ref("loja").session)
    del house.fleet.views[session]
    shown = await house.connections.list(None, None, None, 10, 0)
    assert [(one.connection_id, one.reason) for one in shown.items] == [
        ("loja", "without_session"),
        ("outra", "never_paired"),
    ]
    assert (await house.connections.get("loja")).status == "error"
    assert await house.connections.delete("loja"), "a phone may list it still"
    assert house.fleet.asked == [f"discard {session}"]
    assert (await house.connections.list(None, None, None, 10, 0)).total == 1
    with pytest.raises(UnknownConnection):
        await house.connections.delete("loja")


async def test_lists_are_of_one_owner_company_or_status(house):
    for number in range(5):
        await house.connections.create(ConnectionIn(f"c{number}", "x", f"dono{number % 2}", None))
    assert (await house.connections.list("dono0", None, None, 2, 0)).total == 3
    assert [one.connection_id for one in (await house.connections.list("dono0", None, None, 2, 2)).items] == ["c4"]
    assert (await house.connections.list(None, None, "connected", 10, 0)).total == 0
    with pytest.raises(UnknownConnection):
        await house.connections.get("nada")


async def test_changes_are_told_in_order_and_times_kept(telling):
    house = telling
    await house.connections.create(SHOP)
    await _tell(house, Reason.STARTING, Reason.CONNECTED, Reason.RECONNECTING, Reason.CONNECTED, Reason.LOGGED_OUT)
    await house.connections.settled()
    facts = await house.told("record")
    assert [one["reason"] for one in facts] == ["never_paired", "connected", "reconnecting", "connected", "logged_out"]
    assert [one["version"] for one in facts] == sorted({one["version"] for one in facts})
    assert [one["type"] for one in await house.told("webhook")] == [
        "connected",
        "disconnected",
        "connected",
        "disconnected",
    ]
    view = await house.connections.get("loja")
    assert view.connected_at
    assert view.disconnected_at


async def test_each_event_is_one_line_under_the_connection_s_name(house):
    """With the reason, and how long what was before lasted; a step that is no event is a line only when it is a failure."""
    events = Events(house.spool.journal, house.spool.outbox, frozenset({"webhook"}))
    kept, outbox, turned = house.spool.connections, house.spool.outbox, announcer(events)
    connections = Connections(kept, outbox, frozenset(), lambda: 0.0, told=events.pass_on, turned=turned)
    await connections.load(house.fleet)
    running = asyncio.create_task(connections.run())
    await connections.create(SHOP)
    session = SessionId(connections.ref("loja").session)
    lines: list[Any] = []
    handler = logger.add(lambda line: lines.append(line.record), level="INFO")
    steps = (Reason.STARTING, Reason.CONNECTED, Reason.DEAF, Reason.STARTING, Reason.REFUSED, Reason.LOGGED_OUT)
    for number, (before, now) in enumerate(pairwise(steps)):
        connections.changed(session, State(before, since=10.0 * number), State(now, since=10.0 * (number + 1)))
    await connections.settled()
    connections.tell_again()
    await connections.settled()
    logger.remove(handler)
    running.cancel()
    fields = ("event", "connection", "reason", "before", "duration_s")
    assert [(one["level"].name, *map(one["extra"].get, fields)) for one in lines] == [
        ("INFO", "connected", "loja", "connected", "starting", 10.0),
        ("WARNING", "disconnected", "loja", "deaf", "connected", 10.0),
        ("WARNING", "sessionDeaf", "loja", "deaf", "connected", 10.0),
        ("WARNING", None, "loja", "refused", "starting", 10.0),
        ("WARNING", "sessionNeedsYou", "loja", "logged_out", "refused", 10.0),
    ]


async def test_the_webhook_is_told_what_the_stream_is(house):
    """How serious it is, and what it says in both languages."""
    heard: list[Any] = []
    connections = Connections(house.spool.connections, house.spool.outbox, SINKS, lambda: 0.0, told=heard.append)
    await connections.load(house.fleet)
    running = asyncio.create_task(connections.run())
    await connections.create(SHOP)
    session = SessionId(connections.ref("loja").session)
    connections.changed(session, State(Reason.STARTING), State(Reason.CONNECTED))
    connections.changed(session, State(Reason.CONNECTED), State(Reason.LOGGED_OUT))
    await connections.settled()
    running.cancel()
    assert await house.told("webhook") == heard
    assert [(one["type"], one["severity"]) for one in heard] == [("connected", "info"), ("disconnected", "warning")]
    assert heard[1]["data"]["message"].endswith(State(Reason.LOGGED_OUT).sentence("pt"))
    assert heard[1]["data"]["messageEn"].endswith(State(Reason.LOGGED_OUT).sentence("en"))


async def test_what_looked_old_is_told_again_to_the_record_alone(telling):
    house = telling
    await house.connections.create(SHOP)
    await _tell(house, Reason.STARTING, Reason.CONNECTED)
    await house.connections.settled()
    events = await house.told("webhook")
    house.connections.tell_again()
    await house.connections.settled()
    *_, before, again = await house.told("record")
    assert (again["status"], again["reason"]) == (before["status"], before["reason"]) == ("connected", "connected")
    assert again["version"] > before["version"]
    assert await house.told("webhook") == events


async def test_a_new_start_knows_them(telling):
    house = telling
    await house.connections.create(SHOP)
    again = Connections(house.spool.connections, house.spool.outbox, frozenset(), lambda: 0.0)
    await again.load(house.fleet)
    assert again.ref("loja") == house.connections.ref("loja")


async def test_only_one_that_nobody_linked_is_removed_as_unpaired(telling):
    house = telling
    for name in ("loja", "velha"):
        await house.connections.create(ConnectionIn(name, name, "dono", None))
    old = SessionId(house.connections.ref("velha").session)
    await _tell(house, Reason.STARTING, Reason.CONNECTED)
    for name in ("loja", "velha"):
        await house.connections.remove_unpaired(name)
    assert [one.connection_id for one in (await house.connections.list(None, None, None, 10, 0)).items] == ["loja"]
    assert house.connections.refs[old].id == "velha", "what it left still has a name"
    with pytest.raises(UnknownConnection):
        await house.connections.remove_unpaired("velha")


async def test_the_record_hears_that_one_was_removed_and_that_the_service_stops(telling):
    """Who only reads the table is not left with a connection that nobody looks after; one that is down already stays as it is."""
    house = telling
    for name in ("loja", "velha", "nova"):
        await house.connections.create(ConnectionIn(name, name, "dono", None))
    await _tell(house, Reason.STARTING, Reason.CONNECTED)
    await house.connections.delete("velha")
    await house.connections.rest()
    *_, removed, stopped = await house.told("record")
    assert (removed["status"], removed["reason"], removed["connection"]["connection_id"]) == (
        "disconnected",
        "removed",
        "velha",
    )
    assert (stopped["status"], stopped["reason"], stopped["phone"]) == (
        "disconnected",
        "service_stopped",
        "5511900000000",
    )
    assert stopped["version"] > removed["version"]


async def test_a_disk_that_is_full_at_the_end_holds_nothing_up(telling, monkeypatch):
    house = telling
    await house.connections.create(SHOP)
    await _tell(house, Reason.STARTING, Reason.CONNECTED)
    await house.connections.settled()

    async def full(_rows: object) -> None:
        raise SpoolFull("no room")

    monkeypatch.setattr(house.spool.outbox, "put", full)
    await house.connections.rest()


async def test_a_removed_one_is_gone_but_what_it_left_still_has_a_name(telling):
    house = telling
    await house.connections.create(SHOP)
    session = SessionId(house.connections.ref("loja").session)
    assert await house.connections.delete("loja"), "the phone still lists the device"
    with pytest.raises(UnknownConnection):
        await house.connections.get("loja")
    assert (await house.connections.list(None, None, None, 10, 0)).total == 0
    assert house.connections.refs[session].id == "loja"
    made, new = await house.connections.create(SHOP)
    assert new
    assert house.connections.ref("loja").session != session
    again = Connections(house.spool.connections, house.spool.outbox, frozenset(), lambda: 0.0)
    await again.load(house.fleet)
    assert again.refs[session].id == made.connection_id


async def test_what_an_operator_does_is_noted(house):
    """Who asks what became of a connection finds it in the book: also after the connection is gone."""
    noted: list[tuple[str, str, str]] = []
    connections = Connections(
        house.spool.connections, house.spool.outbox, frozenset(), lambda: 0.0, noted=lambda *what: noted.append(what)
    )
    await connections.load(house.fleet)
    running = asyncio.create_task(connections.run())
    await connections.create(SHOP)
    await connections.restart("loja")
    await connections.logout("loja")
    await connections.delete("loja")
    with pytest.raises(UnknownConnection):
        await connections.delete("loja")
    running.cancel()
    assert [what[:2] for what in noted] == [("reconnect", "loja"), ("logout", "loja"), ("delete", "loja")]


async def test_what_is_known_of_one(telling):
    """The facts as the worker told them, beside the state."""
    await telling.connections.create(SHOP)
    found = await telling.connections.truth("loja")
    assert (found.connection_id, found.reason, found.worker, found.socket) == ("loja", "never_paired", "w1", True)
    assert found.session == telling.connections.ref("loja").session, "the log's lines of it can be found"
    assert (found.as_of_seconds, found.heard_seconds, found.logged_in) == (1.0, 2.0, None)
    with pytest.raises(UnknownConnection):
        await telling.connections.truth("other")


async def test_a_code_is_in_the_record_only_while_it_may_be_scanned(telling):
    """A page that reads the table shows it; nobody finds one there that is of no use any more."""
    house = telling
    await house.connections.create(SHOP)
    session = await _tell(house, Reason.NEVER_PAIRED, Reason.WAITING_SCAN)
    for attempt in (1, 2):
        house.connections.coded(session, Code(f"2@code{attempt}", 1e11, attempt))
        await house.connections.settled()
    house.connections.coded(session, Code("2@over", 1.0, 3))
    await house.connections.settled()
    await _tell(house, Reason.WAITING_SCAN, Reason.LINKING)
    await house.connections.settled()
    told = [(one["reason"], one["qr_code"], one["qr_expires_at_ms"] is None) for one in await house.told("record")]
    assert told[-4:] == [
        ("waiting_scan", "2@code1", False),
        ("waiting_scan", "2@code2", False),
        ("waiting_scan", None, True),
        ("linking", None, True),
    ]
    assert "2@code" not in str(await house.told("webhook"))
