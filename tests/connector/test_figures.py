"""The figures that operators are shown: those of the metrics, read where they are counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from connector.figures import Figures
from connector.metrics import Metrics, times
from connector.sights import Seen

NEVER = {"count": 0, "averageSeconds": None, "p95Seconds": None}


def shown(seen: Seen, metrics: Metrics) -> dict[str, Any]:
    """Answer the figures as JSON."""
    watchdog, pulse = SimpleNamespace(findings=[]), SimpleNamespace(latency_ms=None)
    figures = Figures(seen, metrics, cast(Any, watchdog), "embedded", cast(Any, pulse), lab=True, started_at=0.0)
    return figures.stats().model_dump(mode="json", by_alias=True)


async def test_what_was_counted_is_shown_as_it_was_counted(seen: Seen) -> None:
    """Over all connections, methods and addresses."""
    metrics = Metrics()
    for reason, seconds in (("reconnecting", 2.0), ("reconnecting", 4.0), ("deaf", 30.0)):
        metrics.connection_lost(reason)
        metrics.connection_back(seconds)
    metrics.event_received("loja", "message", 0.02)
    metrics.event_received("outra", "message", 0.04)
    metrics.event_received("outra", "receipt", 0.0)
    metrics.pairings.labels("paired").inc()
    metrics.pairings.labels("pairing_ended").inc(2)
    metrics.findings.labels("disk_low").inc()
    metrics.actions.labels("reconnect", "done").inc(3)
    metrics.actions.labels("reconnect", "failed").inc()
    metrics.actions.labels("kick_sink", "done").inc()
    metrics.letters_expired("webhook", 4)
    metrics.send_ended("loja", "sent", 0.5)
    metrics.send_ended("outra", "sent", 1.5)
    metrics.send_ended("outra", "unknown", 1.0)
    for method, status in (("GET", 200), ("POST", 202), ("GET", 404), ("GET", 503)):
        metrics.observe_request(method, "/a", status, 0.25)
    told = shown(seen, metrics)
    assert told["reconnects"] == {
        "byReason": {"reconnecting": 2, "deaf": 1},
        "heal": {"count": 3, "averageSeconds": 12.0, "p95Seconds": 30.0},
    }
    assert told["inbound"]["byKind"] == {"message": 2, "receipt": 1}
    assert told["inbound"]["lag"] == {"count": 3, "averageSeconds": pytest.approx(0.02), "p95Seconds": 0.05}
    assert told["pairingsEnded"] == {"paired": 1, "pairing_ended": 2}
    assert told["watchdog"] == {
        "found": {"disk_low": 1},
        "done": {"reconnect": 3, "kick_sink": 1},
        "failed": {"reconnect": 1},
    }
    assert told["deadLettersExpired"] == {"webhook": 4}
    assert (told["sends"]["sent"], told["sends"]["failed"], told["sends"]["unknown"]) == (2, 0, 1)
    assert told["sends"]["took"] == {"count": 3, "averageSeconds": 1.0, "p95Seconds": 2.5}
    assert told["http"] == {
        "byStatus": {"2xx": 2, "4xx": 1, "5xx": 1},
        "took": {"count": 4, "averageSeconds": 0.25, "p95Seconds": 0.25},
    }


async def test_before_anything_happened(seen: Seen) -> None:
    """Nothing is zero seconds long that never was."""
    told = shown(seen, Metrics())
    assert told["reconnects"] == {"byReason": {}, "heal": NEVER}
    assert told["http"] == {"byStatus": {}, "took": NEVER}
    assert (told["sends"]["successRate"], told["deadLetters"], told["workers"]) == (None, {"inbound": 0}, [])


async def test_a_connection_without_a_session_is_shown_too(seen: Seen) -> None:
    told = shown(seen, Metrics())["connections"]
    assert told["byReason"] == {"never_paired": 1, "without_session": 1}
    assert [one["since"] is None for one in told["items"]] == [
        one["reason"] == "without_session" for one in told["items"]
    ]


@pytest.mark.parametrize(("slow", "p95"), [(0, 0.5), (1, 0.5), (2, None)])
def test_the_slowest_twentieth_does_not_count(slow: int, p95: float | None) -> None:
    """What is beyond the last bucket has no bound that anybody knows."""
    metrics = Metrics()
    for seconds in [*[0.1] * (20 - slow), *[9_999.0] * slow]:
        metrics.connection_back(seconds)
    assert times(metrics.heal_seconds).p95_s == p95
