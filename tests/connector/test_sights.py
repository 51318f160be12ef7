"""What is seen of the service just now, over a real spool and a real fleet that runs nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from connector.connections import REMOVED, Connections
from connector.metrics import SessionFigures
from connector.observer import look
from connector.portrait import Known
from connector.sights import Seen
from connector.spool import INBOUND, Connection, OutRow, Spool
from connector.spool.outbox import Move
from connector.spool.rows import Grave
from sessions.engine import Launch
from sessions.fleet import Fleet


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    """A spool of its own."""
    spool = await Spool.opened(tmp_path / "spool")
    yield spool
    await spool.close()


@pytest.fixture
async def seen(tmp_path: Path, spool: Spool) -> AsyncIterator[Seen]:
    """A service with three connections: `nova`, of a session that nobody paired, `sem`, whose session is gone, and a removed one."""
    fleet = Fleet(tmp_path, Launch(tmp_path / "spool"))
    sessions = {"nova": fleet.create(), "sem": "gone", f"{REMOVED}x": "gone-too"}
    for name, session in sessions.items():
        await spool.connections.put(
            Connection(name, session, name, "eu", None, 1, msgspec.json.encode(Known(name="x")))
        )
    connections = Connections(spool.connections, spool.outbox, frozenset(), time.time)
    await connections.load(fleet)
    mover = spool.mover(lambda _file, _row, _version: (), fleet.rung)
    yield Seen(fleet, spool, mover, [], None, tmp_path, connections)
    await mover.stop()
    await fleet.stop()


async def test_a_connection_without_a_session_is_among_the_figures_and_a_removed_one_is_not(seen: Seen) -> None:
    assert set(seen.figures().sessions) == {
        SessionFigures("nova", "disconnected", "never_paired"),
        SessionFigures("sem", "error", "without_session"),
    }


async def test_events_that_could_not_be_processed_are_among_the_dead_letters(seen: Seen, spool: Spool) -> None:
    """As are those of a sink that is configured no more; what may come is there from the start, or its first would be no news."""
    assert seen.dead_letters() == {INBOUND: 0}
    graves = [Grave(OutRow(sink, "s", f"op:{n}", b""), "No.") for n, sink in enumerate((INBOUND, INBOUND, "webhook"))]
    await spool.outbox.move(Move(rows=[], cursors={}, dead=graves))
    expected = {INBOUND: 2, "webhook": 1}
    assert (seen.dead_letters(), seen.figures().dead, look(seen, 0.0).dead) == (expected, expected, expected)
