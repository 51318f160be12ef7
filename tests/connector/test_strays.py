"""What was left over, and what only looks like it."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connector.spool import Connection, Spool
from connector.strays import ORPHAN_AFTER_S, Strays
from sessions.engine import Launch
from sessions.fleet import Fleet
from watchdog.sights import Stray


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    """A spool of its own."""
    spool = await Spool.opened(tmp_path / "spool")
    yield spool
    await spool.close()


def _connection(name: str, session: str, age_s: float = 0.0) -> Connection:
    created_us = int((time.time() - age_s) * 1e6)
    return Connection(name, session, name, "eu", None, created_us, b"")


async def test_what_was_left_over_is_found(tmp_path: Path, spool: Spool) -> None:
    """A connection nobody paired in a month, one whose session is gone, and files that belong to none."""
    fleet = Fleet(tmp_path, Launch(tmp_path / "spool"))
    old, young, stray, fresh = (fleet.create() for _ in range(4))
    for session in (stray,):
        path = fleet.register.folder / f"{session}.json"
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    for connection in (
        _connection("velha", old, ORPHAN_AFTER_S + 60),
        _connection("nova", young, 60.0),
        _connection("sem", "gone"),
        _connection("removed:x", "gone-too"),
    ):
        await spool.connections.put(connection)
    found = {(one.kind, one.about) for one in await Strays(fleet, spool).look()}
    assert found == {("never_paired", "velha"), ("without_session", "sem"), ("without_connection", stray)}
    assert fresh not in {about for _kind, about in found}, "it may still be in the making"


async def test_it_looks_rarely(tmp_path: Path, spool: Spool) -> None:
    """The watchdog asks every few seconds."""
    strays = Strays(Fleet(tmp_path, Launch(tmp_path / "spool")), spool)
    assert await strays.look() == ()
    await spool.connections.put(_connection("sem", "gone"))
    assert await strays.look() == ()
    assert Stray("without_session", "sem") not in await strays.look()
