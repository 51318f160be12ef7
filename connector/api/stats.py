"""Every figure of the service, as an operator is shown it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from connector.api.fields import Shown
from connector.views import Status


class Times(Shown):
    """How long something took since the start: how often, on average, and at most in 95 of 100 cases, which is read off coarse steps.

    Null before the first; `p95Seconds` also where it is beyond the last step.
    """

    count: int
    average_seconds: float | None
    p95_seconds: float | None


class ConnectionFigures(Shown):
    """A connection: status and exact reason since when, seconds since its last sign of life and until its next try, if known.

    `since` is null where its record is gone or cannot be read.
    """

    connection_id: str
    status: Status
    reason: str
    since: datetime | None
    silent_seconds: float | None
    retry_in_seconds: float | None


class Connections(Shown):
    """All connections: how many of each status and reason."""

    total: int
    by_status: dict[str, int]
    by_reason: dict[str, int]
    items: list[ConnectionFigures]


class ReconnectFigures(Shown):
    """Connections that were lost since the start, by why, and how long it took until each was back."""

    by_reason: dict[str, int]
    heal: Times


class InboundFigures(Shown):
    """Events taken from workers since the start, by kind. `lag`: from an event's arrival on disk to its being taken up."""

    by_kind: dict[str, int]
    lag: Times


class SinkFigures(Shown):
    """A sink's queue: rows that wait, the age of the oldest in seconds, rows delivered since the start, dead letters kept."""

    name: str
    state: Literal["running", "waiting", "parked"]
    reason: str
    waiting: int
    oldest_seconds: float | None
    delivered: int
    dead: int


class WorkerFigures(Shown):
    """An engine worker: its sessions, processes started so far, memory and file descriptors as of its last health.

    `restarts`: processes started after the first, planned ones too.
    """

    name: str
    sessions: int
    starts: int
    restarts: int
    gave_up: bool
    memory_bytes: int | None
    descriptors: int | None


class DatabaseFigures(Shown):
    """The database: whose, seconds since it last answered (null while it does), milliseconds of its last answer if known."""

    kind: Literal["embedded", "postgresql", "supabase"]
    away_seconds: float | None
    latency_ms: float | None


class SendFigures(Shown):
    """Sends since the start, by outcome. `successRate`: sent among those that ended, null before the first.

    `took`: from a send's request to its outcome.
    """

    sent: int
    failed: int
    unknown: int
    success_rate: float | None
    took: Times


class WatchdogFigures(Shown):
    """What the watchdog found since the start, by problem, and what it did about that, by action: done, or failed."""

    found: dict[str, int]
    done: dict[str, int]
    failed: dict[str, int]


class HttpFigures(Shown):
    """HTTP requests answered since the start, by class of status: `2xx`, `4xx`..."""

    by_status: dict[str, int]
    took: Times


class FindingOf(Shown):
    """What the watchdog finds wrong just now."""

    problem: str
    about: str
    detail: str


class Stats(Shown):
    """Every figure. Bytes and seconds are what the names say.

    `pairings`: under way; `pairingsEnded`: since the start, by outcome. `deadLetters`: those kept of each sink, and as `inbound` the
    events that could not be processed; `deadLettersExpired`: removed for their age since the start.
    """

    connections: Connections
    reconnects: ReconnectFigures
    pairings: int
    pairings_ended: dict[str, int]
    inbound: InboundFigures
    sinks: list[SinkFigures]
    dead_letters: dict[str, int]
    dead_letters_expired: dict[str, int]
    workers: list[WorkerFigures]
    database: DatabaseFigures
    sends: SendFigures
    findings: list[FindingOf]
    watchdog: WatchdogFigures
    http: HttpFigures
    inbox_bytes: int
    disk_free_bytes: int
    disk_low_bytes: int
    uptime_seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The service in a few words. `reasons`: codes and sentences of what is wrong."""

    status: Literal["ok", "degraded", "unready"]
    version: str
    started_at: float
    lab: bool
    reasons: tuple[tuple[str, str], ...]


class FiguresPort(Protocol):
    """How everything is."""

    def summary(self) -> Summary:
        """Answer the status in a few words."""
        ...

    def stats(self) -> Stats:
        """Answer every figure."""
        ...
