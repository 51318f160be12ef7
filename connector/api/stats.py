"""Every figure of the service, as an operator is shown it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from connector.api.fields import Shown
from connector.views import Status


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
    """An engine worker: its sessions, processes started so far, memory and file descriptors as of its last health."""

    name: str
    sessions: int
    starts: int
    gave_up: bool
    memory_bytes: int | None
    descriptors: int | None


class DatabaseFigures(Shown):
    """The database: whose, seconds since it last answered (null while it does), milliseconds of its last answer if known."""

    kind: Literal["embedded", "postgresql", "supabase"]
    away_seconds: float | None
    latency_ms: float | None


class SendFigures(Shown):
    """Sends since the start, by outcome. `successRate`: sent among those that ended, null before the first."""

    sent: int
    failed: int
    unknown: int
    success_rate: float | None


class FindingOf(Shown):
    """What the watchdog finds wrong just now."""

    problem: str
    about: str
    detail: str


class Stats(Shown):
    """Every figure. Bytes and seconds are what the names say.

    `deadLetters`: those kept of each sink, and as `inbound` the events that could not be processed.
    """

    connections: Connections
    pairings: int
    sinks: list[SinkFigures]
    dead_letters: dict[str, int]
    workers: list[WorkerFigures]
    database: DatabaseFigures
    sends: SendFigures
    findings: list[FindingOf]
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
