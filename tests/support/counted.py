"""What a service counted that has only just begun: nothing."""

from __future__ import annotations

from typing import Any

from connector.api.stats import HttpFigures, InboundFigures, ReconnectFigures, Times, WatchdogFigures

NEVER = Times(count=0, average_seconds=None, p95_seconds=None)
COUNTED: Any = {
    "reconnects": ReconnectFigures(by_reason={}, heal=NEVER),
    "pairings_ended": {},
    "inbound": InboundFigures(by_kind={}, lag=NEVER),
    "dead_letters_expired": {},
    "watchdog": WatchdogFigures(found={}, done={}, failed={}),
    "http": HttpFigures(by_status={}, took=NEVER),
}
"""The parts of `Stats` that count since the start."""
