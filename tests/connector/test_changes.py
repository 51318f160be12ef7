"""What a session's change means to those who count."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from connector.assembly import _changes
from connector.metrics import Metrics
from connector.pairwatch import Stirs
from sessions.model import SessionId
from sessions.state import Reason, State

ONE = SessionId("s-1")


class Nobody:
    """Connections of which nobody takes note."""

    def changed(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("steps", "healed_s"),
    [
        ((Reason.CONNECTED, Reason.RECONNECTING, Reason.UNREACHABLE, Reason.CONNECTED), [20.0]),
        ((Reason.CONNECTED, Reason.RECONNECTING, Reason.CONNECTED, Reason.DEAF, Reason.CONNECTED), [10.0, 10.0]),
        ((Reason.CONNECTED, Reason.LOGGED_OUT, Reason.WAITING_SCAN, Reason.LINKING, Reason.CONNECTED), []),
        ((Reason.CONNECTED, Reason.RECONNECTING, Reason.LOGGED_OUT, Reason.WAITING_SCAN, Reason.CONNECTED), []),
    ],
)
def test_what_counts_as_healed(
    monkeypatch: pytest.MonkeyPatch, steps: tuple[Reason, ...], healed_s: list[float]
) -> None:
    """A connection that came back by itself. One that a person scanned anew did not, however long that took."""
    healed: list[float] = []
    metrics = Metrics()
    monkeypatch.setattr(metrics, "connection_back", healed.append)
    nobody: Any = Nobody()
    changed = _changes(nobody, metrics, Stirs())
    for number, (before, now) in enumerate(pairwise(steps)):
        changed(ONE, State(before, since=10.0 * number), State(now, since=10.0 * (number + 1)))
    assert healed == healed_s
