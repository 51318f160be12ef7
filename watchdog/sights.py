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
    """An engine worker. `gave_up`: it crashed too often and is not started any more."""

    name: str
    sessions: int
    gave_up: bool


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

    `sink`: the name of the sink that writes to it.
    """

    embedded: bool
    away_s: float | None
    sink: str = "record"


@dataclass(frozen=True, slots=True)
class DiskSight:
    """The disk under the data folder. Under `low_bytes` sessions disconnect."""

    free_bytes: int
    low_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How everything is at one moment. `at`: unix seconds, by the clock that sessions' states are dated with.

    `troubles`: sentences of parts that know themselves what is wrong with them, by a stable code.
    """

    at: float
    sessions: tuple[SessionView, ...] = ()
    workers: tuple[WorkerSight, ...] = ()
    sinks: tuple[SinkSight, ...] = ()
    database: DatabaseSight | None = None
    disk: DiskSight | None = None
    troubles: tuple[tuple[str, str], ...] = ()
