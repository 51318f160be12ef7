"""What the watchdog sees and does is counted, told and kept, under the name that people gave a connection."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from connector.audit import Audit
from connector.facts import ConnectionRef
from connector.metrics import Metrics
from connector.sights import Tally
from sessions.model import SessionId
from watchdog.checks import PHONE_UNSEEN, Finding
from watchdog.remedies import KickSink, Reconnect

ONE = SessionId("one")
REF = ConnectionRef("loja", ONE, "Loja", "eu", None)


class Events:
    """Notes what is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str | None]] = []

    def publish(self, data: Any, name: str, connection: ConnectionRef | None = None) -> None:
        self.told.append((name, data.about, connection.id if connection else None))


def test_each_is_counted_told_and_kept(tmp_path: Path) -> None:
    """What is about a session is told as its connection's, the rest as the service's own."""
    events, audit, metrics = Events(), Audit(tmp_path), Metrics()
    told_of: list[tuple[SessionId, int]] = []
    fleet = SimpleNamespace(phone_told=lambda session, days: told_of.append((session, days)))
    tally = Tally(metrics, cast(Any, events), audit, cast(Any, SimpleNamespace(refs={ONE: REF})), cast(Any, fleet))
    tally.found(Finding(PHONE_UNSEEN, ONE, "away", turn=12))
    tally.found(Finding("sink_parked", "record", "parked"))
    tally.over(Finding("sink_parked", "record", "parked"), 5.0)
    tally.acted(Reconnect(ONE), "Session one is silent.", done=True)
    tally.acted(KickSink("record"), "it waits", done=False)
    assert events.told == [
        ("phoneUnseen", "loja", "loja"),
        ("problemFound", "record", None),
        ("problemOver", "record", None),
        ("actionTaken", "loja", "loja"),
        ("actionTaken", "record", None),
    ]
    assert told_of == [(ONE, 12)], "kept with the session: a restart tells it no second time"
    assert [(one.action, one.about, one.done) for one in audit.entries()] == [
        ("kick_sink", "record", False),
        ("reconnect", "loja", True),
    ]
    assert [one.why for one in audit.entries()] == ["it waits", "Session loja is silent."]
    text = metrics.text().decode()
    assert 'vigia_watchdog_actions_total{action="reconnect",result="done"} 1.0' in text
