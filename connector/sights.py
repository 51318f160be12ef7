"""How everything is just now, for whoever asks: the watchdog, the metrics, the health page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from connector.api.health import Trouble
from connector.audit import Audit
from connector.connections import RECORD, Connections
from connector.events import Events
from connector.events.registry import Action, Problem
from connector.facts import ConnectionRef
from connector.metrics import Figures, Metrics, SessionFigures, SinkFigures, WorkerFigures
from connector.portrait import standing
from connector.refusals import NotInitialized
from connector.spool import INBOUND, Drainer, Mover, SinkView, Spool
from connector.spool import SinkState as Draining
from connector.store.embedded import Embedded, Running
from connector.strays import Strays
from sessions.engine import WorkerView
from sessions.engine.launch import LOW_WATER_BYTES, free_bytes
from sessions.errors import UnknownSession
from sessions.fleet import Fleet
from sessions.model import SessionId
from sessions.ports import SessionView
from watchdog.checks import PHONE_UNSEEN, Finding
from watchdog.remedies import Remedy, about, code
from watchdog.sights import DatabaseSight, DiskSight, SinkSight, SinkState, Snapshot, SpoolSight, Stray, WorkerSight

_STATES = {
    Draining.RUNNING: SinkState.RUNNING,
    Draining.WAITING: SinkState.WAITING,
    Draining.PARKED: SinkState.PARKED,
}


@dataclass(slots=True)
class Seen:
    """The parts that can be looked at."""

    fleet: Fleet
    spool: Spool
    mover: Mover
    drainers: Sequence[Drainer]
    embedded: Embedded | None
    data: Path
    connections: Connections
    unanswered: Callable[[], str | None] = lambda: None  # why a database of others has not answered since the start
    latency_ms: Callable[[], float | None] = lambda: None  # of the database's last answer
    silent_s: Callable[[], float | None] = lambda: None  # since it was first asked in vain
    started: Callable[[], bool] = lambda: True
    away_since: float | None = field(default=None)

    def snapshot(self, strays: tuple[Stray, ...] = ()) -> Snapshot:
        """What the watchdog judges."""
        return Snapshot(
            at=time.time(),
            steady_at=time.monotonic(),
            strays=strays,
            spool=SpoolSight(sum(map(_size, self.fleet.spool.glob("*.db*")))),
            sessions=tuple(self.fleet.snapshot()),
            workers=tuple(map(_worker, self.fleet.workers())),
            sinks=tuple(_sink(one.view) for one in self.drainers),
            database=DatabaseSight(self.embedded is not None, self._away_s(), RECORD, self.latency_ms()),
            disk=DiskSight(free_bytes(self.data), LOW_WATER_BYTES),
            troubles=tuple((f"spool:{name}", sentence) for name, sentence in self.mover.troubles.items()),
        )

    def by_connection(self) -> list[tuple[str, SessionView | None]]:
        """Every connection's id with its session, None where that is gone or its record cannot be read."""
        views = {view.id: view for view in self.fleet.snapshot()}
        return [(name, views.get(session)) for name, session in self.connections.sessions.items()]

    def figures(self) -> Figures:
        """What a scrape of the metrics looks at."""
        return Figures(
            sessions=tuple(SessionFigures(name, *standing(view)) for name, view in self.by_connection()),
            pairings=self.fleet.pairings,
            inbox_bytes=sum(map(_size, self.fleet.spool.glob("inbox-*.db*"))),
            sinks=tuple(_figures(one.view) for one in self.drainers),
            dead=self.dead_letters(),
            workers=tuple(
                WorkerFigures(one.name, one.sessions, one.starts, one.health.rss_bytes if one.health else None)
                for one in self.fleet.workers()
            ),
            disk_free_bytes=free_bytes(self.data),
        )

    def dead_letters(self) -> dict[str, int]:
        """How many dead letters there are of each sink, and of `INBOUND`: events that could not be processed belong to no sink."""
        none = dict.fromkeys((INBOUND, *(one.view.name for one in self.drainers)), 0)
        return none | self.spool.tally.dead_by_sink()

    def troubles(self) -> list[Trouble]:
        """What a load balancer should know: a database that is away degrades, a spool that cannot be written blocks."""
        if not self.started():
            return [Trouble(NotInitialized.code, str(NotInitialized()))]
        found = [
            Trouble(f"sink_{one.view.name}", f"{one.view.reason} ({one.view.depth} rows wait)")
            for one in self.drainers
            if one.view.state is not Draining.RUNNING
        ]
        found += [Trouble("spool", sentence, blocks=name == "outbox") for name, sentence in self.mover.troubles.items()]
        if (reason := self.unanswered()) and not any(one.code == f"sink_{RECORD}" for one in found):
            found.append(Trouble("database", reason))
        if any(worker.gave_up for worker in self.fleet.workers()):
            found.append(Trouble("crash_loop", "An engine worker crashed too often and was stopped.", blocks=True))
        return found

    def _away_s(self) -> float | None:
        """Seconds since the embedded server was last up, or since one of another's stopped answering, be it the record's sink."""
        if not self.started():
            return None
        if (silent := self.silent_s()) is not None:
            return silent
        if self.embedded is not None:
            away = self.embedded.view.running is not Running.UP
        else:
            away = any(one.view.name == RECORD and one.view.state is Draining.WAITING for one in self.drainers)
        if not away:
            self.away_since = None
            return None
        self.away_since = self.away_since or time.monotonic()
        return time.monotonic() - self.away_since


@dataclass(frozen=True, slots=True)
class Eyes:
    """The watchdog's eyes."""

    seen: Seen
    strays: Strays

    async def look(self) -> Snapshot:
        """Answer a snapshot. That left-overs cannot be looked for hides nothing else."""
        snapshot = self.seen.snapshot(await self.strays.look())
        trouble = self.strays.trouble
        return replace(snapshot, troubles=(*snapshot.troubles, ("strays", trouble))) if trouble else snapshot


@dataclass(frozen=True, slots=True)
class Hands:
    """The watchdog's hands."""

    seen: Seen
    strays: Strays

    async def reconnect(self, session: SessionId) -> None:
        """Connect a session anew."""
        self.seen.fleet.connect(session)

    async def end_pairing(self, session: SessionId) -> None:
        """Break off a pairing that leads nowhere."""
        await self.seen.fleet.end_pairing(session)

    async def restart_worker(self, name: str) -> None:
        """Start given-up workers again."""
        del name  # what made one crash may have been all of them
        self.seen.fleet.revive()

    async def restart_postgres(self) -> None:
        """Restart the embedded database."""
        if self.seen.embedded:
            self.seen.embedded.restart()

    async def kick_sink(self, name: str) -> None:
        """Have a sink try again at once."""
        for drainer in self.seen.drainers:
            if drainer.view.name == name:
                drainer.kick()

    async def remove_connection(self, name: str) -> None:
        """Remove a connection, unless a phone is linked to it or about to be."""
        self.strays.forget()
        await self.seen.connections.remove_unpaired(name)

    async def remove_session(self, session: SessionId) -> None:
        """Remove a session, unless it has credentials or is about to."""
        self.strays.forget()
        await self.seen.fleet.remove_unpaired(session)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts what the watchdog sees and does, tells it as events, and keeps each action in the book."""

    metrics: Metrics
    events: Events
    audit: Audit
    connections: Connections
    fleet: Fleet

    def found(self, finding: Finding) -> None:
        """Take note of a problem that is new. Whose phone is away is told to its owner."""
        self.metrics.findings.labels(finding.problem).inc()
        connection = self._connection(finding.about)
        if finding.problem == PHONE_UNSEEN and connection:
            self._publish("phoneUnseen", finding, connection)
            with suppress(UnknownSession):  # removed this moment
                self.fleet.phone_told(SessionId(finding.about), finding.turn)
        else:
            self._publish("problemFound", finding, connection)

    def over(self, finding: Finding, after_s: float) -> None:
        """Take note that a problem is over."""
        self._publish("problemOver", finding, self._connection(finding.about), after_s)

    def acted(self, remedy: Remedy, why: str, *, done: bool) -> None:
        """Count an action, keep it, and tell of it: it was done, or it failed."""
        action, whom = code(remedy), about(remedy)
        self.metrics.actions.labels(action, "done" if done else "failed").inc()
        connection = self._connection(whom)
        named, why = in_callers_words(whom, why, connection)
        self.audit.note("watchdog", action, named, why, done=done)
        self.events.publish(Action(action=action, about=named, why=why, done=done), "actionTaken", connection)

    def _publish(
        self, name: str, finding: Finding, connection: ConnectionRef | None, after_s: float | None = None
    ) -> None:
        named, detail = in_callers_words(finding.about, finding.sentence, connection)
        told = Problem(problem=finding.problem, about=named, detail=detail, after_s=after_s and round(after_s, 1))
        self.events.publish(told, name, connection)

    def _connection(self, about: str) -> ConnectionRef | None:
        return self.connections.refs.get(SessionId(about))


def in_callers_words(about: str, sentence: str, connection: ConnectionRef | None) -> tuple[str, str]:
    """Answer what is spoken of, and *sentence*, with the connection's id for its session's: nobody knows the other name."""
    return (connection.id, sentence.replace(about, connection.id)) if connection else (about, sentence)


def _worker(view: WorkerView) -> WorkerSight:
    health = view.health
    if health is None:
        return WorkerSight(view.name, view.sessions, view.gave_up)
    descriptors = (health.descriptors, health.descriptor_limit)
    return WorkerSight(view.name, view.sessions, view.gave_up, health.rss_bytes, descriptors)


def _sink(view: SinkView) -> SinkSight:
    return SinkSight(view.name, _STATES[view.state], view.depth, view.delivered, view.oldest_s, view.reason)


def _figures(view: SinkView) -> SinkFigures:
    return SinkFigures(view.name, view.depth, view.oldest_s or 0.0, view.state.value, view.delivered)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # retired this moment
