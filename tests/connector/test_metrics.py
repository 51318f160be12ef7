"""The list of metrics: what a scrape shows, and what it never does."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector.metrics import Figures, Metrics, SessionFigures, SinkFigures, WorkerFigures


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_a_scrape_shows_how_things_are_now() -> None:
    """Figures are looked at anew: what is gone is not shown any more."""
    now = Figures(
        sessions=(SessionFigures("a", "connected", "connected"), SessionFigures("b", "error", "deaf")),
        pairings=1,
        inbox_bytes=7,
        sinks=(SinkFigures("record", depth=3, oldest_s=1.5, state="waiting", delivered=9),),
        dead={"record": 2, "inbound": 1},
        workers=(WorkerFigures("w0", sessions=2, starts=4, rss_bytes=None),),
    )
    seen = [now]
    metrics = Metrics()
    metrics.watch(lambda: seen[0])
    found = samples(metrics)
    assert found["vigia_connections", (("status", "connected"),)] == 1
    assert found["vigia_connection_status", (("connectionId", "b"), ("reason", "deaf"), ("status", "error"))] == 1
    assert found["vigia_sink_state", (("sink", "record"), ("state", "waiting"))] == 1
    assert found["vigia_sink_lag_seconds", (("sink", "record"),)] == 1.5
    assert found["vigia_dead_letters", (("sink", "record"),)] == 2
    assert found["vigia_dead_letters", (("sink", "inbound"),)] == 1
    assert found["vigia_worker_starts_total", (("worker", "w0"),)] == 4
    assert found["vigia_inbox_bytes", ()] == 7
    assert not any(name == "vigia_worker_memory_bytes" for name, _labels in found)
    seen[0] = Figures()
    assert not any(dict(labels).get("connectionId") for _name, labels in samples(metrics))


@pytest.mark.parametrize(
    ("up", "ms", "told"),
    [(None, None, (None, None)), (False, None, (0.0, None)), (True, 250.0, (1.0, 0.25))],
)
def test_a_database_that_nobody_asks_is_neither_there_nor_away(
    up: bool | None, ms: float | None, told: tuple[float | None, ...]
) -> None:
    """A service that waits to be initialized sets off no alert; one without an answer has no time of it."""
    metrics = Metrics()
    metrics.watch(lambda: Figures(database_up=up, database_ms=ms))
    found = samples(metrics)
    assert tuple(found.get((name, ())) for name in ("vigia_database_up", "vigia_database_seconds")) == told


def test_what_is_counted_stays_until_its_connection_is_deleted() -> None:
    """A deleted connection leaves no series behind; another one keeps its own."""
    metrics = Metrics()
    for connection in ("a", "b"):
        metrics.sends.labels(connection, "sent").inc()
        metrics.received.labels(connection, "message").inc()
    metrics.forget("a")
    assert {dict(labels).get("connectionId") for _name, labels in samples(metrics)} == {"b", None}


def test_every_metric_is_ours_explained_and_without_numbers() -> None:
    """A name begins with the service's, has a sentence, and no label is made for a phone number or a JID."""
    metrics = Metrics()
    metrics.watch(Figures)
    families = [*metrics.registry.collect()]
    assert len(families) == 27
    assert [
        one.name for one in families if not (one.name.startswith("vigia_") and one.documentation.endswith("."))
    ] == []
    text = metrics.text().decode()
    assert "phone" not in text
    assert "jid" not in text


def test_services_share_no_figures() -> None:
    """Two in one process count apart."""
    one, other = Metrics(), Metrics()
    one.pairings.labels("paired").inc()
    assert ("vigia_pairings_total", (("outcome", "paired"),)) not in samples(other)
