"""What everybody is told of a database that hangs, and of a service that waits to be started."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connector import pulse as pulse_module
from connector.pulse import Pulse
from connector.selftest import SelfTest
from connector.settings import Settings
from connector.sights import Seen
from connector.store.embedded import Running
from connector.store.errors import Offline


class Database:
    """A store that answers, refuses, or says nothing at all."""

    def __init__(self) -> None:
        self.how = "answers"

    async def newest_version(self) -> int:
        if self.how == "refuses":
            raise Offline("away")
        if self.how == "hangs":
            await asyncio.Event().wait()
        return 1


def seen(folder: Path, pulse: Pulse, *, started: bool = True) -> Seen:
    up: Any = SimpleNamespace(view=SimpleNamespace(running=Running.UP))
    fleet: Any = SimpleNamespace(snapshot=list, workers=list, spool=folder)
    mover: Any = SimpleNamespace(troubles={})
    nobody: Any = None
    return Seen(fleet, nobody, mover, (), up, folder, nobody, silent_s=lambda: pulse.silent_s, started=lambda: started)


@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_a_database_whose_process_lives_and_does_not_answer_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Since it was first asked in vain; the process alone says nothing."""
    monkeypatch.setattr(pulse_module, "ASK_S", 0.02)
    database = Database()
    store: Any = database
    pulse = Pulse(store)
    look = seen(tmp_path, pulse)
    await pulse.ask()
    sight = look.snapshot().database
    assert sight
    assert sight.away_s is None
    database.how = how
    for _ in range(3):
        await pulse.ask()
    sight = look.snapshot().database
    assert sight
    assert sight.away_s is not None
    assert (sight.away_s >= 0.06) is (how == "hangs"), "since the first time"
    database.how = "answers"
    await pulse.ask()
    sight = look.snapshot().database
    assert sight
    assert sight.away_s is None


async def test_a_service_that_waits_to_be_started_says_so_and_nothing_else(tmp_path: Path) -> None:
    store: Any = Database()
    look = seen(tmp_path, Pulse(store), started=False)
    (trouble,) = look.troubles()
    assert (trouble.code, trouble.blocks) == ("not_initialized", False)
    assert "POST /api/whatsapp-bootstrap/initialize" in trouble.sentence
    sight = look.snapshot().database
    assert sight
    assert sight.away_s is None


async def test_the_test_of_a_service_that_waits_names_that_and_asks_no_database(own_folder: Path) -> None:
    """A remedy for a database that nobody started would lead astray."""
    store: Any = Database()
    nobody: Any = None
    steps = await SelfTest(Settings(), lambda: nobody, seen(own_folder, Pulse(store), started=False)).run()
    found = {one.name: one for one in steps}
    assert steps[0].name == "initialized"
    assert (found["initialized"].status, "initialize" in found["initialized"].remedy) == ("fail", True)
    assert found["database"].status == "skipped"
    assert found["spool"].status == "ok"
