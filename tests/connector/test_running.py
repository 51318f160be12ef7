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
from connector.lifecycle import Job
from connector.running import Running
from sessions.engine import WorkerView
from sessions.model import Identity, SessionId
from sessions.ports import SessionView
from sessions.state import Reason, State


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
    parts._stranded_expired("alert", 4)
    why = "4 rows that waited for it, though it is not set any more, were older than 30 days"
    assert told[2:] == [(Action(action="expire", about="alert", why=why, done=True), "actionTaken")]
    assert [(one.about, one.why) for one in audit.entries(limit=1)] == [("alert", why)]


def _view(name: str, reason: Reason, *, trying: bool = False) -> SessionView:
    who = Identity("5511999990000:3@s.whatsapp.net", None, "5511999990000")
    return SessionView(SessionId(name), State(reason), who, None, None, lab=False, trying_s=1.0 if trying else None)


class Sessions:
    """A fleet whose sessions are as told; what is connected anew is *after* that."""

    def __init__(self, before: dict[str, Reason], after: dict[str, Reason]) -> None:
        self.views = {name: _view(name, reason) for name, reason in before.items()}
        self.after = after
        self.asked: list[str] = []

    def snapshot(self) -> list[SessionView]:
        return list(self.views.values())

    def view(self, session: SessionId) -> SessionView:
        return self.views[session]

    def connect(self, session: SessionId) -> None:
        self.asked.append(session)
        if session in self.after:
            self.views[session] = _view(session, self.after[session], trying=self.after[session] is Reason.STARTING)


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        ({"a": Reason.CONNECTED, "b": Reason.STOPPED}, {}, True),
        ({"a": Reason.REPLACED}, {"a": Reason.CONNECTED}, True),
        ({"a": Reason.REPLACED}, {"a": Reason.REPLACED}, True),
        ({"a": Reason.BANNED}, {}, True),
        ({"a": Reason.REPLACED}, {"a": Reason.STARTING}, False),
        ({"a": Reason.CONNECTED, "c": Reason.UNREACHABLE}, {"c": Reason.UNREACHABLE}, False),
    ],
)
async def test_sessions_are_restarted_once_each_is_connected_or_needs_somebody(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Reason], after: dict[str, Reason], ends: bool
) -> None:
    """Not once those are connected that were so before: an account that was replaced had asked for it."""
    monkeypatch.setattr(running, "BACK_S", 0.2)
    nobody: Any = None
    fleet = Sessions(before, after)
    seen: Any = SimpleNamespace(fleet=fleet)
    parts = Running(nobody, nobody, nobody, nobody, seen, nobody, nobody, nobody, nobody, nobody)
    if ends:
        await parts._restart_sessions()
    else:
        with pytest.raises(TimeoutError):
            await parts._restart_sessions()
    assert fleet.asked == [name for name, reason in before.items() if reason is not Reason.STOPPED]


@pytest.mark.parametrize(("errors", "name"), [({}, "serviceRestarted"), ({"sinks": "Why."}, "serviceRestartFailed")])
def test_a_restart_is_told_as_what_it_was(tmp_path: Path, errors: dict[str, str], name: str) -> None:
    told: list[Any] = []
    nobody: Any = None
    events: Any = SimpleNamespace(publish=lambda data, name: told.append((name, data)))
    audit = Audit(tmp_path / "audit")
    parts = Running(nobody, nobody, nobody, events, nobody, nobody, nobody, nobody, nobody, audit)
    parts._restarted(Job("1", ("database", "sinks"), 0.0, "failed" if errors else "done", 1.0, errors))
    ((said, data),) = told
    assert (said, data.services) == (name, ["database", "sinks"])
    assert [(one.about, one.done) for one in audit.entries()] == [("sinks", not errors), ("database", True)]
