"""Restarting what runs, a service at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connector import running
from connector.audit import Audit
from connector.events.registry import Action
from connector.running import Running
from sessions.engine import WorkerView


class Workers:
    """A fleet of two workers, of which one was given up after too many crashes. What is replaced is up at once."""

    def __init__(self) -> None:
        self.views = [WorkerView("w1", 1, 1, False, None, True), WorkerView("w2", 1, 6, True, None)]

    def snapshot(self) -> list[Any]:
        return []

    def workers(self) -> list[WorkerView]:
        return self.views

    def revive(self) -> None:
        self._start(lambda one: one.gave_up)

    def recycle(self, _why: str) -> None:
        self._start(lambda one: one.up)

    def _start(self, which: Any) -> None:
        self.views = [
            replace(one, starts=one.starts + 1, gave_up=False, up=True) if which(one) else one for one in self.views
        ]


async def test_workers_that_were_given_up_are_started_again_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart that leaves them out would wait for them in vain, and say that it failed."""
    monkeypatch.setattr(running, "BACK_S", 0.5)
    fleet = Workers()
    nobody: Any = None
    seen: Any = SimpleNamespace(fleet=fleet)
    parts = Running(nobody, nobody, nobody, nobody, seen, nobody, nobody, nobody, nobody, nobody)
    workers = next(one for one in parts.lifecycle()._services if one.name == "workers")
    await workers.restart()
    assert not any(one.gave_up for one in fleet.workers())


def test_dead_letters_that_grew_too_old_are_counted_told_and_in_the_book(tmp_path: Path) -> None:
    """What was thrown away is known afterwards."""
    told: list[Any] = []
    nobody: Any = None
    settings: Any = SimpleNamespace(dead_letters_kept_days=30)
    metrics: Any = SimpleNamespace(letters_expired=lambda *what: told.append(what))
    events: Any = SimpleNamespace(publish=lambda action, name: told.append((action, name)))
    audit = Audit(tmp_path / "audit")
    parts = Running(settings, nobody, nobody, events, nobody, nobody, metrics, nobody, nobody, audit)
    parts._expired("webhook", 3)
    why = "3 dead letters were older than 30 days"
    assert told == [
        ("webhook", 3),
        (Action(action="expire", about="webhook", why=why, done=True), "actionTaken"),
    ]
    (entry,) = audit.entries()
    assert (entry.actor, entry.action, entry.about, entry.why) == ("housekeeping", "expire", "webhook", why)
