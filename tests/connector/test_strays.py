"""What was left over, and what only looks like it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from connector import strays as strays_module
from connector.connections import Connections
from connector.portrait import Known
from connector.sights import Hands
from connector.spool import Connection, PairLink, Spool, SpoolError
from connector.strays import Strays
from sessions.engine import Launch
from sessions.fleet import Fleet
from sessions.model import Identity, SessionId
from sessions.register import Record
from sessions.state import Reason
from watchdog.checks import Finding
from watchdog.remedies import Remedy, RemoveConnection, RemoveSession
from watchdog.sights import Snapshot, Stray
from watchdog.watchdog import Watchdog


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    """A spool of its own."""
    spool = await Spool.opened(tmp_path / "spool")
    yield spool
    await spool.close()


DAY_S = 86_400.0


async def _shop(spool: Spool, name: str, session: str, age_s: float = 0.0, known: Known | None = None) -> None:
    created_us = int((time.time() - age_s) * 1e6)
    body = msgspec.json.encode(known or Known())
    await spool.connections.put(Connection(name, session, name, "eu", None, created_us, body))


def _written(fleet: Fleet, session: SessionId, age_s: float) -> None:
    """Make a session and what is known of it so old."""
    record = Record(session, since=time.time() - age_s)
    fleet.register.save(record)
    os.utime(fleet.register.folder / f"{session}.json", (record.since, record.since))


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """One whose sessions are of all ages: `old`, `young`..., read back from the disk."""
    made = Fleet(tmp_path, Launch(tmp_path / "spool"))
    for name, age_s in {"old": 31, "once": 31, "tried": 2, "young": 1, "stray": 31, "left": 0.1}.items():
        _written(made, SessionId(name), age_s * DAY_S)
    return made


@pytest.fixture(autouse=True)
def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first look."""
    monkeypatch.setattr(strays_module, "SURE_S", 0.0)


async def _found(fleet: Fleet, spool: Spool, kept_s: float | None) -> dict[str, tuple[str, bool]]:
    await fleet.start()
    try:
        found = await Strays(fleet, spool, kept_s=kept_s).look()
    finally:
        await fleet.stop()
    return {one.about: (one.kind, one.removable) for one in found}


async def _shops(spool: Spool) -> None:
    await _shop(spool, "velha", "old", 40 * DAY_S)
    await _shop(spool, "ligada", "once", 40 * DAY_S, Known(connected_at_ms=1))
    await _shop(spool, "tentada", "tried", 40 * DAY_S)
    await _shop(spool, "nova", "young", 1 * DAY_S)
    await _shop(spool, "sem", "gone", 40 * DAY_S)
    await _shop(spool, "removed:x", "gone-too")


@pytest.mark.parametrize("kept_s", [None, 30 * DAY_S])
async def test_what_was_left_over_is_found(fleet: Fleet, spool: Spool, kept_s: float | None) -> None:
    """Removable is only what nobody ever paired or tried to for so long, and only where it was wished."""
    await _shops(spool)
    assert await _found(fleet, spool, kept_s) == {
        "velha": ("never_paired", kept_s is not None),
        "sem": ("without_session", False),
        "stray": ("without_connection", kept_s is not None),
        "left": ("without_connection", False),
    }


async def test_a_shorter_time_finds_more(fleet: Fleet, spool: Spool) -> None:
    """What was once connected is nobody's to remove, however old."""
    await _shops(spool)
    found = await _found(fleet, spool, 0.5 * DAY_S)
    assert {about for about, (_kind, removable) in found.items() if removable} == {"velha", "tentada", "nova", "stray"}


async def test_files_with_credentials_are_never_removable(fleet: Fleet, spool: Spool) -> None:
    """Nor those whose record is damaged: nobody knows what they hold."""
    who = Identity("5511999990000:3@s.whatsapp.net", None, "5511999990000")
    fleet.register.save(Record(SessionId("stray"), wanted=False, identity=who, reason=Reason.STOPPED.code))
    (fleet.register.folder / "damaged.json").write_text("{")
    for name in ("stray", "damaged"):
        os.utime(fleet.register.folder / f"{name}.json", (0, 0))
    found = await _found(fleet, spool, 1.0)
    assert (found["stray"], found["damaged"]) == (("without_connection", False), ("without_connection", False))


async def test_what_somebody_holds_a_link_to_or_tried_lately_is_not_left_over(fleet: Fleet, spool: Spool) -> None:
    """However long ago the connection was made; a link that expired holds nothing."""
    soon_us, ago_us = int((time.time() + 600) * 1e6), int((time.time() - 600) * 1e6)
    await _shop(spool, "convidada", "old", 40 * DAY_S)
    await spool.pair_links.put(PairLink("convidada", "old", b"1", soon_us))
    await _shop(spool, "vencida", "tried", 40 * DAY_S)
    await spool.pair_links.put(PairLink("vencida", "tried", b"2", ago_us))
    await _shop(spool, "ontem", "young", 40 * DAY_S, Known(tried_at_ms=int((time.time() - 3_600) * 1e3)))
    assert {
        about for about, (kind, _) in (await _found(fleet, spool, 0.5 * DAY_S)).items() if kind == "never_paired"
    } == {"vencida"}


async def test_nothing_goes_that_was_not_seen_so_for_a_while(
    fleet: Fleet, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is set forty days ahead makes everything look old, for a moment."""
    monkeypatch.setattr(strays_module, "SURE_S", 3_600.0)
    await _shop(spool, "nova", "young")
    await fleet.start()
    try:
        strays = Strays(fleet, spool, lambda: time.time() + 40 * DAY_S, kept_s=30 * DAY_S)
        assert {one.removable for one in await strays.look()} == {False}
        monkeypatch.setattr(strays_module, "SURE_S", 0.0)
        strays.forget()
        assert {one.about for one in await strays.look() if one.removable} >= {"nova", "stray"}
    finally:
        await fleet.stop()


async def test_a_disk_that_cannot_be_looked_at_is_told_and_ends_no_round(
    fleet: Fleet, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found before counts on; it is not tried again at every round."""
    await _shop(spool, "sem", "gone")
    strays = Strays(fleet, spool)
    found = await strays.look()
    assert "sem" in {one.about for one in found}
    looks: list[int] = []

    async def broken() -> list[Connection]:
        looks.append(1)
        raise SpoolError("no")

    monkeypatch.setattr(spool.connections, "list", broken)
    strays.forget()
    for _ in range(3):
        assert await strays.look() == found
    assert (strays.trouble, len(looks)) == ("Left-overs could not be looked for (SpoolError).", 1)
    monkeypatch.undo()
    strays.forget()
    await strays.look()
    assert strays.trouble is None


async def test_it_looks_rarely_and_again_after_a_removal(tmp_path: Path, spool: Spool) -> None:
    """The watchdog asks every few seconds."""
    strays = Strays(Fleet(tmp_path, Launch(tmp_path / "spool")), spool)
    assert await strays.look() == ()
    await _shop(spool, "sem", "gone")
    assert await strays.look() == ()
    strays.forget()
    assert await strays.look() == (Stray("without_session", "sem"),)


class Book:
    """Who takes note of what the watchdog does."""

    def __init__(self) -> None:
        self.done: list[tuple[Remedy, bool]] = []

    def found(self, finding: Finding) -> None: ...

    def over(self, finding: Finding, after_s: float) -> None: ...

    def acted(self, remedy: Remedy, why: str, *, done: bool) -> None:
        assert "days" in why
        self.done.append((remedy, done))


async def test_the_watchdog_removes_them_and_nothing_else(fleet: Fleet, spool: Spool) -> None:
    """Once, with their files; whoever was asked to keep them finds them in the book."""
    await _shops(spool)
    await fleet.start()
    connections = Connections(spool.connections, spool.outbox, frozenset({"record"}), time.time)
    await connections.load(fleet)
    telling = asyncio.create_task(connections.run())
    strays, book = Strays(fleet, spool, kept_s=30 * DAY_S), Book()

    class Look:
        async def look(self) -> Snapshot:
            return Snapshot(time.time(), sessions=tuple(fleet.snapshot()), strays=await strays.look())

    seen: Any = SimpleNamespace(fleet=fleet, connections=connections)
    watchdog = Watchdog(Look(), Hands(seen, strays), book)
    try:
        for _ in range(3):
            await watchdog.look_round()
        left = await connections.list(None, None, None, 10, 0)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await fleet.stop()
    assert sorted(book.done, key=str) == [(RemoveConnection("velha"), True), (RemoveSession(SessionId("stray")), True)]
    assert {one.connection_id for one in left.items} == {"ligada", "tentada", "nova", "sem"}
    assert {path.stem for path in fleet.register.folder.glob("*.json")} == {"once", "tried", "young", "left"}
    assert {one.about for one in watchdog.findings} == {"sem", "left"}
