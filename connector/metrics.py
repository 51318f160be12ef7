"""Every metric of the service, in one list. A label names a connection by its `connectionId`, never a person by a number.

What is counted when it happens are counters here; what can be looked at is looked at anew at each scrape (`Figures`), so
that a connection that was deleted leaves no figure behind.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

CONTENT_TYPE = CONTENT_TYPE_LATEST
_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)

_SLOW = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """One connection: its status and reason code."""

    connection_id: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class SinkFigures:
    """One sink: rows waiting, the age of the oldest in seconds, its state, rows delivered since the start."""

    name: str
    depth: int
    oldest_s: float
    state: str
    delivered: int


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One engine worker: its sessions, processes started so far, resident memory if known."""

    name: str
    sessions: int
    starts: int
    rss_bytes: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a scrape looks at. `inbox_bytes`: what the workers' files on disk take, read rows included. `dead`: dead letters kept, by
    sink, and as "inbound" the events that could not be processed.

    `database_up`: whether the database answered when last asked, None while nobody asks: no sample is shown then, or a service
    that waits to be initialized would look like one whose database is away. `database_ms`: how soon, None without an answer.
    """

    sessions: tuple[SessionFigures, ...] = ()
    pairings: int = 0
    inbox_bytes: int = 0
    sinks: tuple[SinkFigures, ...] = ()
    dead: Mapping[str, int] = field(default_factory=dict[str, int])
    workers: tuple[WorkerFigures, ...] = ()
    disk_free_bytes: int = 0
    database_up: bool | None = None
    database_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, in seconds: how often, on average, and at most in 95 of 100 cases, as coarse as the buckets are.

    None where there was none yet; `p95_s` also where it is beyond the last bucket.
    """

    count: int
    average_s: float | None
    p95_s: float | None


def counted(counter: Counter, label: str, **only: str) -> dict[str, int]:
    """Answer what *counter* counted so far by the values of *label*, over all others; of those with the labels *only*."""
    found = Tally[str]()
    for sample in _samples_of(counter):
        if sample.name.endswith("_total") and only.items() <= sample.labels.items():
            found[sample.labels[label]] += int(sample.value)
    return dict(found)


def times(histogram: Histogram) -> Times:
    """Answer what *histogram* observed so far, over all its labels."""
    upto, seconds = Tally[float](), 0.0
    for sample in _samples_of(histogram):
        if sample.name.endswith("_bucket"):
            upto[float(sample.labels["le"])] += int(sample.value)
        elif sample.name.endswith("_sum"):
            seconds += sample.value
    count = upto[math.inf]
    if not count:
        return Times(0, None, None)
    p95 = min(bound for bound, many in upto.items() if many >= 0.95 * count)
    return Times(count, seconds / count, p95 if p95 < math.inf else None)


def _samples_of(metric: Counter | Histogram) -> list[Sample]:
    return [sample for family in metric.collect() for sample in family.samples]


class Metrics:
    """The metrics of one service, in a registry of its own: tests can have many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter, histogram = self._counter, self._histogram
        self.received = counter("vigia_events_received", "Events taken from workers, by kind.", "connectionId", "kind")
        self.sends = counter("vigia_sends", "Sends that ended: sent, failed or unknown.", "connectionId", "outcome")
        self.send_seconds = histogram("vigia_send_seconds", "Seconds from a send's request to its outcome.")
        self.inbound_lag = histogram(
            "vigia_inbound_lag_seconds", "Seconds from a worker's writing an event down to its being taken up."
        )
        self.drops = counter("vigia_connection_drops", "Connections that were lost, by why.", "reason")
        self.heal_seconds = histogram(
            "vigia_heal_seconds", "Seconds from a lost connection to the next.", buckets=_SLOW
        )
        self.pairings = counter("vigia_pairings", "Pairings that ended: paired, or the code of why not.", "outcome")
        self.findings = counter("vigia_watchdog_findings", "Problems the watchdog found, once each.", "problem")
        self.actions = counter("vigia_watchdog_actions", "What the watchdog did: done or failed.", "action", "result")
        self.letters = counter("vigia_dead_letters_expired", "Dead letters removed because they were too old.", "sink")
        self.requests = counter("vigia_http_requests", "HTTP requests answered.", "method", "route", "status")
        self.request_seconds = histogram("vigia_http_request_seconds", "Seconds to an answer.", "method", "route")

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered: by its route's pattern, never by its path."""
        self.requests.labels(method, route, str(status)).inc()
        self.request_seconds.labels(method, route).observe(seconds)

    def event_received(self, connection_id: str, kind: str, lag_s: float) -> None:
        """Count an event taken from a worker, *lag_s* seconds after it was written down there."""
        self.received.labels(connection_id, kind).inc()
        self.inbound_lag.observe(max(0.0, lag_s))

    def connection_lost(self, reason: str) -> None:
        """Count a connection that was lost."""
        self.drops.labels(reason).inc()

    def connection_back(self, seconds: float) -> None:
        """Count a connection that is back after so many seconds."""
        self.heal_seconds.observe(max(0.0, seconds))

    def send_ended(self, connection_id: str, outcome: str, seconds: float) -> None:
        """Count how a send ended, and how long its caller waited for that."""
        self.sends.labels(connection_id, outcome).inc()
        self.send_seconds.observe(seconds)

    def letters_expired(self, sink: str, letters: int) -> None:
        """Count dead letters that were removed for their age."""
        self.letters.labels(sink).inc(letters)

    def watch(self, look: Callable[[], Figures]) -> None:
        """Look at the service's own figures at each scrape. *look* must answer at once."""
        self.registry.register(_Looking(look))

    def forget(self, connection_id: str) -> None:
        """Drop what was counted for a connection that was deleted."""
        for metric in (self.received, self.sends):
            metric.remove_by_labels({"connectionId": connection_id})

    def text(self) -> bytes:
        """Answer everything in Prometheus' text form, of type `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=self.registry)

    def _histogram(self, name: str, says: str, *labels: str, buckets: tuple[float, ...] = _QUICK) -> Histogram:
        return Histogram(name, says, labels, registry=self.registry, buckets=buckets)


class _Looking(Collector):
    """Turns what the service sees of itself into samples."""

    def __init__(self, look: Callable[[], Figures]) -> None:
        self._look = look

    def describe(self) -> Iterable[Metric]:
        """Answer the names alone, so that nobody is looked at before everything is there."""
        return _samples(Figures())

    def collect(self) -> Iterable[Metric]:
        """Answer how everything is now."""
        return _samples(self._look())


def _samples(now: Figures) -> list[Metric]:
    statuses = Tally((one.connection_id, one.status, one.reason) for one in now.sessions)
    sinks, workers = now.sinks, now.workers
    dead = {(name,): letters for name, letters in now.dead.items()}
    seconds = None if now.database_ms is None else now.database_ms / 1000
    memory = {(one.name,): one.rss_bytes for one in workers if one.rss_bytes is not None}
    return [
        _gauge("vigia_connection_status", "1 for the status and reason a connection has.", statuses, "connectionId", "status", "reason"),
        _gauge("vigia_connections", "Connections by status.", Tally((one.status,) for one in now.sessions), "status"),
        _gauge("vigia_pairings_open", "Pairings under way.", {(): now.pairings}),
        _gauge("vigia_inbox_bytes", "Bytes of the files that workers write events to.", {(): now.inbox_bytes}),
        _gauge("vigia_disk_free_bytes", "Bytes free where the data folder lies.", {(): now.disk_free_bytes}),
        _gauge("vigia_database_up", "1 while the database answers.", _known(now.database_up)),
        _gauge("vigia_database_seconds", "Seconds the database took to answer last.", _known(seconds)),
        _gauge("vigia_sink_depth", "Rows that wait for a sink.", {(one.name,): one.depth for one in sinks}, "sink"),
        _gauge("vigia_sink_lag_seconds", "Age of a sink's oldest row.", {(one.name,): one.oldest_s for one in sinks}, "sink"),
        _gauge("vigia_sink_state", "1 for the state a sink is in.", {(one.name, one.state): 1 for one in sinks}, "sink", "state"),
        _gauge("vigia_dead_letters", "Rows that a sink refused for good; inbound: events that could not be processed.", dead, "sink"),
        _total("vigia_sink_delivered", "Rows a sink delivered.", {(one.name,): one.delivered for one in sinks}, "sink"),
        _gauge("vigia_worker_sessions", "Sessions of an engine worker.", {(one.name,): one.sessions for one in workers}, "worker"),
        _gauge("vigia_worker_memory_bytes", "Resident memory of an engine worker.", memory, "worker"),
        _total("vigia_worker_starts", "Processes started for an engine worker.", {(one.name,): one.starts for one in workers}, "worker"),
    ]  # fmt: skip


def _known(value: float | None) -> dict[tuple[str, ...], float]:
    """Answer the one sample of a figure without labels, or none while nobody knows it."""
    return {} if value is None else {(): float(value)}


def _gauge(name: str, says: str, values: Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(name, says, labels=labels), values)


def _total(name: str, says: str, values: Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    return _filled(CounterMetricFamily(name, says, labels=labels), values)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily | CounterMetricFamily:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
