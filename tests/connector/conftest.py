"""What every test of the service starts from: no settings but its own, in a folder of its own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from connector.connections import REMOVED, Connections
from connector.portrait import Known
from connector.settings import Settings
from connector.sights import Seen
from connector.spool import Connection, Spool
from sessions.engine import Launch
from sessions.fleet import Fleet


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stand in an empty folder, with no setting in the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
