"""What the watchdog sees: frozen snapshots, so that judging needs nobody and can be tested with tables."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sessions.ports import SessionView


class SinkState(StrEnum):
    """What a sink does."""

    RUNNING = "running"
    WAITING = "waiting"  # the other side is away or busy; it tries again by itself
    PARKED = "parked"  # somebody has to mend something


@dataclass(frozen=True, slots=True)
class WorkerSight:
    """An engine worker. `gave_up`: it crashed too often and is not started any more. Of `descriptors`, how many it has and may have."""

    name: str
    sessions: int
    gave_up: bool
    rss_bytes: int | None = None
    descriptors: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class SinkSight:
    """A sink. `oldest_s`: age of the row it is at; `delivered`: rows since the start, which rises while it works."""

    name: str
    state: SinkState
    depth: int
    delivered: int
    oldest_s: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseSight:
    """The database. `embedded`: it is ours to restart; `away_s`: seconds since it last answered, None while it does.

    `sink`: the name of the sink that writes to it; `latency_ms`: of its last answer, if known.
    """

    embedded: bool
    away_s: float | None
    sink: str = "record"
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class DiskSight:
    """The disk under the data folder. Under `low_bytes` sessions disconnect."""

    free_bytes: int
    low_bytes: int


@dataclass(frozen=True, slots=True)
class SpoolSight:
    """What lies on disk and is not yet where it belongs, in bytes, read rows included."""

    bytes: int


@dataclass(frozen=True, slots=True)
class Stray:
    """Something left over: a connection nobody paired for `age_s`, a connection without its session, session files without a connection.

    `kind` is `never_paired`, `without_session` or `without_connection`; `about` its id. `removable`: it holds nothing that anybody
    could miss, and was kept for as long as somebody wished.
    """

    kind: str
    about: str
    age_s: float = 0.0
    removable: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How everything is at one moment. `at`: unix seconds, by the clock that sessions' states are dated with.

    `steady_at`: the same moment by a clock that nobody sets, in seconds.
    `troubles`: sentences of parts that know themselves what is wrong with them, by a stable code.
    """

    at: float
    sessions: tuple[SessionView, ...] = ()
    workers: tuple[WorkerSight, ...] = ()
    sinks: tuple[SinkSight, ...] = ()
    database: DatabaseSight | None = None
    disk: DiskSight | None = None
    spool: SpoolSight | None = None
    strays: tuple[Stray, ...] = ()
    steady_at: float | None = None
    troubles: tuple[tuple[str, str], ...] = ()
